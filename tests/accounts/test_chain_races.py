"""Many people and several workers at the same instant: each line gets a place, and the chain holds (R53)."""

import pytest
from django.db import transaction
from django.db.models import Count

from accounts.events.models import Action, Event
from accounts.events.services import chain_waiting, record_for, retire
from accounts.events.verifying import verdicts
from tests.factories import UserFactory
from tests.partners.test_races import ROUNDS, race

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
LINES = 10


@pytest.fixture(autouse=True)
def _own_anchors(settings, tmp_path):
    settings.PORTAL_DATA = tmp_path


def test_writers_of_two_logs_and_three_workers(settings):
    one, other = UserFactory(administrator=True), UserFactory(administrator=True)

    def writer(by, *sides):
        def write():
            for _turn in range(LINES):
                with transaction.atomic():
                    record_for(sides, Action.PROFILE_CHANGED, by=by, subject=by)
                    record_for(sides, Action.LOGIN_CHANGED, by=by, subject=by, method="x")

        return write

    def work():
        return sum(chain_waiting() for _turn in range(LINES))

    forwards = writer(one, one.environment, other.environment)
    backwards = writer(other, other.environment, one.environment)
    for turn in range(1, ROUNDS + 1):
        *_, first, second, third = race(*[forwards, backwards] * 2, work, work, work)

        chained = first + second + third + chain_waiting()
        assert chained == 4 * LINES * 2 * 2
        places = Event.objects.values("environment", "number").annotate(lines=Count("pk"))
        assert not places.filter(lines__gt=1).exists()
        assert [(v.fault, v.number) for v in verdicts()] == [("", turn * chained // 2)] * 2


def test_old_lines_leave_while_new_ones_come():
    user = UserFactory(administrator=True)
    environment = user.environment

    def write():
        for _turn in range(LINES):
            with transaction.atomic():
                record_for([environment], Action.PROFILE_CHANGED, by=user, subject=user)
            chain_waiting()

    def leave():
        last = Event.objects.chained().last()
        return retire(environment=environment, before=last.at) if last else 0

    for _round in range(ROUNDS):
        write()
        _written, gone, _again = race(write, leave, write)

        assert gone >= LINES - 1
        chain_waiting()
        assert [verdict.fault for verdict in verdicts()] == [""]
