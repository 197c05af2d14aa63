"""Books and the portal are one server: their waiting for each other never stops it."""

import threading
import time

import pytest

from tests.serving import Person, served

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture(scope="module")
def portal(tmp_path_factory, django_db_setup, django_db_blocker):
    with (
        django_db_blocker.unblock(),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("PORTAL_BOOKS", "1")
        with served(tmp_path_factory.mktemp("books") / "data") as it:
            yield it


def connected(portal):
    made = next(it for it in portal.demo["connections"] if it["app"] == "Yuki")
    person = Person(portal.url)
    person.get("/books/settings/")
    person.post("/books/settings/", app_key=made["app_key"], secret=made["secret"])
    return person


@pytest.mark.parametrize("number", [2, 12])
def test_people_who_open_books_at_the_same_instant_never_wait_for_each_other(portal, number):
    people = [connected(portal) for _ in range(number)]
    start = threading.Barrier(number)
    answers, lock = [], threading.Lock()

    def work(person):
        start.wait()
        for _ in range(8):
            began = time.monotonic()
            status = person.get("/books/")
            with lock:
                answers.append((status, person.page, time.monotonic() - began))

    threads = [threading.Thread(target=work, args=[person]) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    shown = [page for _status, page, _seconds in answers if "Received invoices" in page]
    busy = [page for _status, page, _seconds in answers if "Koppel Books is busy" in page]
    slowest = max(seconds for _status, _page, seconds in answers)
    assert {status for status, _page, _seconds in answers} == {200}
    assert len(shown) + len(busy) == len(answers)
    assert len(shown) > len(answers) / 4
    assert slowest < 6  # a deadlock ends after 8
