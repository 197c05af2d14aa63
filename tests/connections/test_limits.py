"""How often software may call, and how much it may send."""

import pytest
from django.core.cache import caches

from connections.models import CallCount, RefusedCall
from tests.connections.test_gateways import verify
from tests.connections.test_tokens import ask
from tests.factories import connect
from tests.software import Software

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def limits(settings):
    caches["limits"].clear()
    settings.CALLS_PER_MINUTE, settings.ORGANISATION_CALLS_PER_MINUTE = 3, 5


@pytest.fixture
def software():
    connection, pair = connect()
    return Software(pair, connection.organisation)


def test_every_answer_tells_what_is_left(software, time_machine):
    time_machine.move_to("2026-11-20 10:00:40Z", tick=False)

    answers = [software.me(), software.get("/inbox")]

    assert answers[0].headers["RateLimit-Policy"] == '"key";q=3;w=60, "organisation";q=5;w=60'
    assert [answer.headers["RateLimit"] for answer in answers] == [
        '"key";r=2;t=20, "organisation";r=4;t=20',
        '"key";r=1;t=20, "organisation";r=3;t=20',
    ]


def test_one_call_too_many_is_told_when_to_come_back(software, time_machine):
    time_machine.move_to("2026-11-20 10:00:40Z", tick=False)
    answers = [software.me() for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    refused = answers[-1]
    assert (refused.headers["Retry-After"], refused.json()["retry_after"]) == ("20", 20)
    assert refused.json()["code"] == "ERRAPI2000429"
    time_machine.move_to("2026-11-20 10:01:00Z", tick=False)
    assert software.me().status_code == 200


def test_what_was_too_many_is_counted_and_not_kept(software):
    for _ in range(4):
        software.me()

    assert CallCount.objects.get(code="ERRAPI2000429").calls == 1
    assert not RefusedCall.objects.exists()


def test_the_keys_of_an_organisation_share_its_limit(software, time_machine):
    time_machine.move_to("2026-11-20 10:00:40Z", tick=False)
    connection, pair = connect()
    other, other_pair = connect(organisation=connection.organisation)
    both = [Software(p, connection.organisation) for p in (pair, other_pair)]

    answers = [one.me().status_code for _ in range(3) for one in both]

    assert answers == [200] * 5 + [429]
    assert software.me().status_code == 200


def test_a_token_spends_what_its_keys_have(time_machine):
    time_machine.move_to("2026-11-20 10:00:40Z", tick=False)
    connection, pair = connect()

    answers = [ask(pair) for _ in range(4)]

    assert answers[-1].status_code == 429
    assert answers[-1].json()["error"] == "temporarily_unavailable"


def test_gateways_are_answered_as_often_as_they_ask(software):
    answers = {verify(software, function="GetInboxDocuments").status_code for _ in range(7)}

    assert answers == {204}


def test_a_cache_that_is_away_lets_calls_go_on_and_gives_no_right(software, settings):
    settings.CACHES = settings.CACHES | {
        "limits": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1",
        }
    }

    answers = [software.me() for _ in range(4)]

    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit" not in answers[0].headers
    software.authorization = "Basic eA=="
    assert software.me().status_code == 401


def test_wrong_keys_spend_nothing(software):
    stranger = Software(connect()[1], connect()[0].organisation)
    stranger.authorization = software.authorization[:-4]

    assert "RateLimit" not in stranger.me().headers


def test_compressed_bodies_are_refused(software):
    answer = software.send(b"\x1f\x8b", **{"Content-Encoding": "gzip"})

    assert (answer.status_code, answer.json()["code"]) == (415, "ERRAPI4000415")
