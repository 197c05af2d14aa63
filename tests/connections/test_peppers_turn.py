"""A new pepper: what is called moves to it, what is not keeps the old one (decision 35)."""

import uuid
from dataclasses import asdict

import pytest
from django.db import IntegrityError, transaction

from connections import services
from connections.calls import CALLS
from connections.catalogue import create_gateway
from connections.models import Gateway, KeySet
from connections.services import end_found
from portal.server_keys import Peppers
from tests.connections.test_tokens import FORM, ask
from tests.factories import UserFactory, connect
from tests.racing import race
from tests.software import Software, basic

pytestmark = pytest.mark.django_db


@pytest.fixture
def turn(settings):
    """Go a step on: "add" a pepper, "switch" to it, or "drop" the old one."""
    old = settings.PEPPERS
    both = {**old.keys, 2: b"n" * 32}
    steps = {"add": Peppers(1, both), "switch": Peppers(2, both), "drop": Peppers(2, {2: both[2]})}
    return lambda step: setattr(settings, "PEPPERS", steps[step])


@pytest.fixture
def connected():
    return connect()


@pytest.fixture
def software(connected):
    return Software(connected[1], connected[0].organisation)


def pepper_of(connection):
    return connection.key_sets.latest("version").pepper


def test_the_first_call_moves_the_keys_and_they_open_without_the_old_pepper(
    turn, connected, software
):
    turn("switch")

    before = pepper_of(connected[0])
    first = software.me().status_code
    turn("drop")

    assert (before, first, pepper_of(connected[0])) == (1, 200, 2)
    assert software.me().status_code == 200


def test_a_secret_that_is_found_after_the_move_still_ends_its_keys(turn, connected, software):
    turn("switch")
    software.me()
    turn("drop")

    assert end_found(secret=connected[1].secret)
    assert software.me().json()["reason"] == "found"


def test_keys_for_a_token_move_as_well(turn, connected):
    turn("switch")

    assert ask(connected[1]).status_code == 200
    assert pepper_of(connected[0]) == 2


def test_what_is_only_added_moves_nothing_and_a_process_behind_moves_nothing_back(
    turn, connected, software
):
    turn("add")
    software.me()
    added = pepper_of(connected[0])
    turn("switch")
    software.me()
    turn("add")  # a process that was not started anew yet
    answer = software.me()

    assert (added, answer.status_code, pepper_of(connected[0])) == (1, 200, 2)


def test_a_wrong_secret_moves_nothing(turn, connected, software):
    turn("switch")
    stranger = Software(connect()[1], connected[0].organisation)
    stranger.authorization = basic(connected[1].app_key, connect()[1].secret.reveal())

    assert stranger.me().status_code == 401
    assert pepper_of(connected[0]) == 1


def test_a_gateway_moves_with_its_first_question(turn, client):
    gateway = Gateway(name="Edge")
    pair = create_gateway(gateway, by=UserFactory(staff=True))
    turn("switch")

    def introspect():
        headers = {"Authorization": basic(pair.app_key, pair.secret.reveal())}
        url = "/api/v1/introspect"
        return client.post(url, "token=x", content_type=FORM, headers=headers).status_code

    assert introspect() == 200
    turn("drop")
    assert introspect() == 200
    assert Gateway.objects.get().pepper == 2


def test_no_secret_waits_for_the_move(turn, connected, software, written_later):
    turn("switch")

    software.me()

    waiting = repr(CALLS._moving) + repr([asdict(row) for row, _ in CALLS._moving.values()])
    CALLS.flush()
    assert "secret_digest" in waiting
    assert connected[1].secret.reveal() not in waiting
    assert pepper_of(connected[0]) == 2


def test_keys_that_were_replaced_while_their_move_waited_stay_replaced(
    turn, connected, software, written_later
):
    connection, pair = connected
    turn("switch")
    software.me()

    new = services.create_new_keys(connection=connection, by=connection.owner, op_id=uuid.uuid4())
    CALLS.flush()

    assert software.me().json()["reason"] == "superseded"
    assert Software(new, connection.organisation).me().status_code == 200


def test_a_move_that_waited_brings_no_wiped_digest_back(turn, connected, software, written_later):
    connection = connected[0]
    turn("switch")
    software.me()
    services.revoke(connection=connection, by=connection.owner)
    KeySet.objects.wipe()

    CALLS.flush()

    assert connection.key_sets.get().secret_digest == ""


def test_a_retired_key_set_of_a_dropped_pepper_is_a_stranger(turn, connected, software):
    services.revoke(connection=connected[0], by=connected[0].owner)
    turn("switch")
    turn("drop")

    answer = software.me()

    assert (answer.status_code, answer.json().get("reason")) == (401, None)


def test_a_live_key_set_without_its_pepper_is_a_fault_that_somebody_sees(turn, software):
    turn("drop")

    assert software.me().status_code == 500


def test_keys_in_use_never_lose_their_digest(connected):
    assert KeySet.objects.wipe() == 0

    with pytest.raises(IntegrityError), transaction.atomic():
        connected[0].key_sets.update(secret_digest="")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("against", ["another process", "revoke", "new keys", "rotate"])
def test_moving_at_the_same_instant_as_something_else_loses_neither(turn, against):
    connection, pair = connect()
    turn("switch")
    asking = Software(pair, connection.organisation)
    by = {"connection": connection, "by": connection.owner}
    other = {
        "another process": asking.me,
        "revoke": lambda: services.revoke(**by),
        "new keys": lambda: services.create_new_keys(**by, op_id=uuid.uuid4()),
        "rotate": lambda: services.rotate(**by, overlap=1, op_id=uuid.uuid4()),
    }[against]

    first, _ = race(asking.me, other)
    turn("drop")
    last = asking.me()

    old = connection.key_sets.earliest("version")
    assert first.status_code in ((200,) if against in ("another process", "rotate") else (200, 401))
    if against in ("another process", "rotate"):
        assert (old.pepper, old.retired_at, last.status_code) == (2, None, 200)
    else:
        assert old.retired_at
        assert last.status_code == 401
