"""PUSHES invoices through a package that fails a third of the time and dies twice: none is lost."""

import os
import random

import pytest
from django.utils import timezone

from connections.autopilot import pushing
from connections.autopilot.models import Attempt, Autopilot, Push
from connections.invoices.models import Invoice, Offer

PUSHES = int(os.environ.get("PUSHES", "30"))


def have_waited():
    """As much time as all the pauses take."""
    Push.objects.update(send_after=timezone.now())
    Autopilot.objects.update(rests_until=None)


@pytest.mark.django_db
def test_each_arrives_at_least_once_and_duplicates_carry_the_same_id(autopilot, package, arrive):
    dice = random.Random(0)  # noqa: S311

    def behave(message):
        chance = dice.random()
        return 500 if chance < 0.15 else None if chance < 0.3 else 200  # None: took it, hung up

    package.behave = behave
    numbers = [str(number) for number in range(PUSHES)]
    arrive(*numbers)
    deaths = [PUSHES // 3, 2 * PUSHES // 3]
    for _round in range(100 + PUSHES):
        if deaths and len(package.kept) >= deaths[0]:
            deaths.pop(0)
            package.die()
            for _try in range(3):
                pushing.push_next(seconds=0.2)
            package.live()
        pushing.push_next(seconds=0.2)
        if not pushing._in_flight:
            if not Offer.objects.ready().exists():
                break
            have_waited()

    ids = {}
    for id, number in package.kept:
        ids.setdefault(number, set()).add(id)
    assert sorted(ids) == sorted(numbers)
    assert all(len(same) == 1 for same in ids.values())
    assert not deaths
    assert Invoice.objects.filter(status="downloaded").count() == PUSHES
    assert not Push.objects.exists()
    assert Attempt.objects.delivered().count() == PUSHES
    print(f"{PUSHES} invoices, {len(package.got)} requests, {len(package.kept) - PUSHES} twice")  # noqa: T201
