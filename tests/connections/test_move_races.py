"""Several people, software and jobs at one connection at the same instant (R14 to R18, R23, R34).

Threads with database connections of their own against the real pages, API and services, on whichever
database the tests run. ROUNDS says how often everything is done at once; each single race is run a fifth
as often.
"""

import os
import random
import re
import uuid
from collections import Counter
from datetime import timedelta
from functools import partial

import pytest
from django.db.models import Count
from django.test import Client
from django.utils import timezone

from accounts.events.models import Action, Event
from accounts.refusals import ChangedMeanwhile
from connections import services
from connections.keys import KeyPair, Secret
from connections.models import Connection, FurtherOrganisation, KeySet
from partners.models import Mandate, Partnership
from tests.browsing import session_of
from tests.factories import (
    AppFactory,
    MembershipFactory,
    UserFactory,
    connect,
    let_in,
    organisation_at,
)
from tests.invoices.documents import invoice
from tests.racing import race, refusals_among
from tests.software import Software

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
ROUNDS = int(os.environ.get("ROUNDS", "20"))
CLIENTS = 3
Reason = services.Reason


class World:
    """An accountancy with two people, three clients, and a package."""

    def __init__(self):
        self.owner = UserFactory(administrator=True, environment__accountant=True)
        self.boss = UserFactory(administrator=True, environment=self.owner.environment)
        self.clients = [
            MembershipFactory(
                user__administrator=True,
                organisation=organisation_at(f"0088:{uuid.uuid4().hex[:13]}"),
            )
            for _client in range(CLIENTS)
        ]
        self.app = AppFactory()
        self.customer = organisation_at(f"0088:{uuid.uuid4().hex[:13]}").addresses.get().value
        self.sessions = {}
        self.next_round()

    def next_round(self):
        """A new connection for the first two clients; whatever ended before is renewed."""
        for client in self.clients:
            if not Mandate.objects.active().filter(organisation=client.organisation).exists():
                let_in(self.owner, client, app=self.app, accountant_pays=False)
                MembershipFactory(user=self.boss, organisation=client.organisation)
        for live in Connection.objects.live():
            services.revoke(connection=live, by=live.owner)
        first, second, _third = self.clients
        self.connection, pair = connect(self.owner, first.organisation, self.app)
        services.add_organisation(
            connection=self.connection, organisation=second.organisation, by=self.owner
        )
        self.pairs = [pair]

    # What people do: each answers what the service gave, or the status of the page

    def row(self):
        return Connection.objects.for_list().get(pk=self.connection.pk)

    def rotate(self, by=None, **values):
        return services.rotate(
            connection=self.connection,
            by=by or self.owner,
            **{"overlap": services.Overlap.DAY, "op_id": uuid.uuid4(), **values},
        )

    def create_new_keys(self, op_id=None):
        return services.create_new_keys(
            connection=self.connection, by=self.owner, op_id=op_id or uuid.uuid4()
        )

    def take_over(self, owner, by):
        return services.take_over(
            connection=self.connection, owner=owner, by=by, op_id=uuid.uuid4()
        )

    def add(self, client):
        services.add_organisation(
            connection=self.connection,
            organisation=client.organisation,
            confirmed=True,
            by=self.owner,
        )

    def remove(self, client, by=None):
        services.remove_organisation(
            connection=self.connection, organisation=client.organisation, by=by or client.user
        )

    def end_partnership(self, client):
        partnership = Partnership.objects.active().get(client=client.user.environment)
        services.end_partnership(partnership=partnership, by=client.user)

    def post(self, name, by=None, **values):
        """What the page of the connection answers; one with keys is read as people read it."""
        user = by or self.owner
        if user not in self.sessions:
            self.sessions[user] = session_of(user)
        browser = Client(raise_request_exception=False)
        browser.cookies["sessionid"] = self.sessions[user]
        posted = {
            "op_id": uuid.uuid4(),
            "overlap": "24",
            "reason": "planned",
            "owner": user.pk,
            **values,
        }
        answer = browser.post(self.row().url(name), posted)
        shown = [re.search(rf"{prefix}_\w+", answer.text) for prefix in ("kpa", "kps")]
        if answer.status_code == 200 and all(shown):
            self.pairs.append(KeyPair(shown[0].group(), Secret(shown[1].group())))
        return answer.status_code

    # What software does

    def software(self, client, pair=None):
        return Software(pair or self.pairs[0], client.organisation)

    def report(self, client, name):
        return self.software(client).put("/administration", f'{{"name": "{name}"}}').status_code

    def send(self, client):
        document = invoice(
            number=uuid.uuid4().hex,
            supplier=client.organisation.addresses.get().value,
            customer=self.customer,
            company="",
        )
        return self.software(client).send(document).status_code

    def fetch(self, client):
        return self.software(client).get("/inbox").status_code

    # What must be so

    def agree(self):
        """Whoever won."""
        kept = KeySet.objects.kept()
        for kind in (kept.current(), kept.retiring()):
            of_each = kind.values("connection").annotate(sets=Count("pk"))
            assert not of_each.filter(sets__gt=1).exists()
        assert not KeySet.objects.live().filter(connection__revoked_at__isnull=False).exists()
        ended = Mandate.objects.filter(ended_at__isnull=False)
        assert not Connection.objects.live().filter(mandate__in=ended).exists()
        assert not FurtherOrganisation.objects.live().filter(mandate__in=ended).exists()
        for further in FurtherOrganisation.objects.live():
            assert further.organisation != further.connection.organisation
        places = services.places_of(self.connection)
        for pair in self.pairs:
            self.opens_what_it_should(pair, places)

    def opens_what_it_should(self, pair, places):
        key_set = KeySet.objects.get(app_key=pair.app_key)
        works = not key_set.ended_because and not places[0].paused_at
        covered = [place.organisation.name for place in places if place.stands]
        answer = self.software(self.clients[0], pair).me()
        assert (answer.status_code == 200) == (works and covered != [])
        if answer.status_code == 200:
            assert [it["name"] for it in answer.json()["organisations"]] == covered


def in_rounds(test, rounds=ROUNDS // 5):
    """Run it that many times, each with a new connection."""

    def run(settings):
        settings.EMAIL_BACKEND = "accounts.mail.backend.OutboxBackend"
        settings.REQUEST_MAILS_PER_ADDRESS_AND_DAY = 1_000_000
        world = World()
        for number in range(rounds):
            if number:
                world.next_round()
            test(world, random.Random(number))  # noqa: S311
            world.agree()

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


def sets(world):
    return world.connection.key_sets


@in_rounds
def test_of_four_rotations_one_wins(world, chance):
    ends = race(*[world.rotate] * 4)

    assert Counter(refusals_among(ends)) == {services.StillRetiring: 3}
    assert (sets(world).current().count(), sets(world).retiring().count()) == (1, 1)


@in_rounds
def test_of_four_clicks_on_one_form_one_makes_keys(world, chance):
    op_id = uuid.uuid4()
    what = chance.choice([lambda: world.create_new_keys(op_id), lambda: world.rotate(op_id=op_id)])

    ends = race(*[what] * 4)

    assert Counter(refusals_among(ends)) == {services.AlreadyCreated: 3}
    assert sets(world).count() == 2


@in_rounds
def test_of_four_who_do_the_same_one_does_it(world, chance):
    what, refusal = chance.choice(
        [
            (services.pause, services.PausedAlready),
            (services.resume, services.NotPaused),
            (services.revoke, services.Ended),
            (services.end_older, services.NotRetiring),
        ]
    )
    if what is services.resume:
        services.pause(connection=world.connection, by=world.boss)
    if what is services.end_older:
        world.rotate()
    by = [world.owner, world.boss] * 2

    ends = race(
        *(lambda who=who: what(connection=world.connection, by=who) for who in by),
        lambda: world.fetch(world.clients[0]),
    )

    assert Counter(refusals_among(ends)) == {refusal: 3}


@in_rounds
def test_several_workers_write_down_each_end_once(world, chance):
    world.rotate()
    sets(world).update(ends_at=timezone.now() - timedelta(minutes=1))
    before = Event.objects.filter(action=Action.KEYS_ENDED).count()

    ends = race(*[services.end_overdue] * 3, *[lambda: world.fetch(world.clients[0])] * 2)

    assert ends[3:] == [401, 401]
    written = Event.objects.filter(action=Action.KEYS_ENDED).count() - before
    sides = {world.owner.environment, *(it.user.environment for it in world.clients[:2])}
    assert written == 2 * len(sides)
    assert not sets(world).kept().exists()


@in_rounds
def test_of_two_administrators_who_take_it_over_both_end_with_one_set(world, chance):
    ends = race(
        lambda: world.take_over(world.boss, world.boss),
        lambda: world.take_over(world.boss, world.owner),
        lambda: world.take_over(world.boss, world.boss),
    )

    assert Counter(refusals_among(ends)) == {services.OwnsAlready: 2}
    world.pairs += [end for end in ends if isinstance(end, KeyPair)]
    assert sets(world).kept().get().app_key == world.pairs[-1].app_key


@in_rounds
def test_a_revocation_is_the_last_word(world, chance):
    race(
        lambda: services.revoke(connection=world.connection, by=world.boss),
        world.rotate,
        world.create_new_keys,
        lambda: world.take_over(world.boss, world.boss),
        lambda: world.add(world.clients[2]),
    )

    assert world.row().is_revoked
    assert not sets(world).kept().exists()


@in_rounds
def test_the_same_organisation_is_added_once_and_removed_once(world, chance):
    third = world.clients[2]
    ends = race(*[lambda: world.add(third)] * 3)
    assert Counter(refusals_among(ends)) == {services.AddedAlready: 2}
    before = Event.objects.filter(action=Action.CONNECTION_NARROWED).count()

    ends = race(*[lambda: world.remove(third)] * 2, lambda: world.remove(third, world.owner))

    assert refusals_among(ends) == []
    assert Event.objects.filter(action=Action.CONNECTION_NARROWED).count() == before + 2


@in_rounds
def test_the_first_place_passes_on_while_others_come_and_connect(world, chance):
    first, second, third = world.clients
    ways_out = [lambda: world.remove(first), lambda: world.end_partnership(first)]

    ends = race(
        chance.choice(ways_out),
        lambda: world.remove(second),
        lambda: world.add(third),
        lambda: connect(world.owner, third.organisation, AppFactory()) and None,
        lambda: connect(second.user, second.organisation, AppFactory()) and None,
    )

    fine = {services.LastOrganisation, services.Ended, services.OutOfReach, ChangedMeanwhile}
    assert set(refusals_among(ends)) <= fine | {services.NotYours}


@in_rounds
def test_all_partnerships_end_at_once(world, chance):
    ends = race(*(lambda it=it: world.end_partnership(it) for it in world.clients[:2]))

    assert refusals_among(ends) == []
    assert world.row().is_revoked


@in_rounds
def test_software_that_writes_never_waits_for_ever(world, chance):
    first, second, _third = world.clients

    ends = race(
        lambda: world.report(first, "told for the first"),
        lambda: world.report(second, "told for the second"),
        lambda: world.send(first),
        lambda: world.send(second),
        lambda: world.post("rotate"),
        lambda: world.remove(chance.choice([first, second])),
    )

    assert set(ends[:4]) <= {200, 201, 403}
    assert ends[4] in {200, 302, 403, 404}
    told = {place.organisation: place.reported for place in services.places_of(world.connection)}
    assert told.get(first.organisation, "") in {"", "told for the first"}
    assert told.get(second.organisation, "") in {"", "told for the second"}


@partial(in_rounds, rounds=ROUNDS)
def test_everything_at_once(world, chance):
    first, second, third = world.clients
    if chance.random() < 0.5:
        world.post("rotate")
    if chance.random() < 0.2:
        world.post("pause")
    if chance.random() < 0.2:
        sets(world).retiring().update(ends_at=timezone.now() - timedelta(seconds=1))
    secret = world.pairs[0].secret
    moves = [
        *[lambda: world.post("rotate"), lambda: world.post("new-keys")] * 2,
        *[lambda: world.post("pause"), lambda: world.post("resume")],
        *[lambda: world.post("end-older"), lambda: world.post("expiry", ends_on="2027-03-01")],
        *[lambda: world.post("revoke"), lambda: world.post("delete")],
        *[lambda: world.post("take-over", world.boss), lambda: world.post("take-over")],
        *[lambda: world.add(third), lambda: world.remove(first), lambda: world.remove(second)],
        *[lambda: world.end_partnership(chance.choice(world.clients))],
        *[services.end_overdue, lambda: services.end_found(secret=secret)],
        *[lambda: world.report(first, "first"), lambda: world.report(second, "second")],
        *[lambda: world.send(first), lambda: world.send(second)],
        *[lambda: world.fetch(first), lambda: world.fetch(second)],
    ]

    ends = race(*chance.sample(moves, 6))

    statuses = [end for end in ends if isinstance(end, int) and not isinstance(end, bool)]
    assert [status for status in statuses if status >= 500] == []
