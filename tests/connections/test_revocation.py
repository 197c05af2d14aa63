"""Revocation reaches every process at once, under load."""

import threading
import time
from contextlib import closing

import pytest

from portal.demo import story
from tests.serving import Caller, Person, served

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


class Load(threading.Thread):
    """Software that calls without a pause and notes when each call began and how it ended."""

    def __init__(self, url, keys, stop):
        super().__init__()
        self.caller = Caller(url, keys["app_key"], keys["secret"])
        self.stop = stop
        self.calls = []

    def run(self):
        with closing(self.caller.connection):
            while not self.stop.is_set():
                began = time.monotonic()
                self.calls.append((began, self.caller.me()))


@pytest.fixture(scope="module")
def portal(tmp_path_factory, django_db_setup, django_db_blocker):
    with (
        django_db_blocker.unblock(),
        served(tmp_path_factory.mktemp("x") / "data", workers=4) as it,
    ):
        yield it


@pytest.fixture(scope="module")
def person(portal):
    person = Person(portal.url)
    person.log_in("sanne@demolen.example", story.PASSWORD)
    return person


@pytest.mark.parametrize(("package", "ending"), [("Yuki", "keys"), ("Webshop", "revoke")])
def test_no_call_that_begins_after_the_portals_answer_succeeds(portal, person, package, ending):
    place, keys = next(
        (place, keys)
        for place, keys in enumerate(portal.demo["connections"], 1)
        if keys["app"] == package
    )
    page = f"/organisations/{keys['organisation']}/connections/{place}/{ending}/"
    person.get(page)
    stop = threading.Event()
    load = [Load(portal.url, keys, stop) for _ in range(8)]
    for thread in load:
        thread.start()
    time.sleep(1)

    status = person.post(page, op_id="1" * 32)
    answered = time.monotonic()
    time.sleep(1)
    stop.set()
    for thread in load:
        thread.join()

    calls = [call for thread in load for call in thread.calls]
    late = [result for began, result in calls if began > answered]
    assert status == 200
    assert [result for _began, result in calls].count(200) > 50
    assert len(late) > 50
    assert set(late) == {401}
