"""Whatever is done to connections in whatever order: each pair of keys opens what it should, and no more.

A machine rotates, ends, pauses, hands over, shares, revokes; people lose and get roles and places; time goes
on, and at times back. Beside it an oracle keeps books in plain dicts: it foretells what each service says and
what the API answers to every pair of keys that was ever made (R5 to R9, R14 to R19, R22, R23, R34, R43). The
usual run is the same one every time; EXAMPLES=1000 STEPS=60 looks for what nobody has seen yet.
"""

import os
import uuid
from copy import deepcopy
from datetime import timedelta
from functools import partial

import pytest
import time_machine
from django.db import transaction
from django.db.models import Count
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from accounts import services as accounts
from accounts.events.models import Event
from accounts.models import Membership
from accounts.refusals import Refused
from connections import services
from connections.keys import Secret
from connections.models import Connection, KeySet
from partners import services as partners
from partners.models import Mandate
from tests.factories import (
    AppFactory,
    EnvironmentFactory,
    MembershipFactory,
    OrganisationFactory,
    UserFactory,
    ask,
)
from tests.software import basic

EXAMPLES, STEPS = int(os.environ.get("EXAMPLES", "0")), int(os.environ.get("STEPS", "12"))
HOW = settings(
    max_examples=EXAMPLES or 5,
    stateful_step_count=STEPS,
    derandomize=not EXAMPLES,
    deadline=None,
    phases=[phase for phase in Phase if phase != Phase.shrink or EXAMPLES],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

OWNED_BY = {"bread": "bakery", "iron": "smithy", "flour": "mill", "books": "ledger"}
PEOPLE = {"bakery": ["ada", "ben"], "smithy": ["dirk"], "mill": ["mia"], "ledger": ["fay", "gijs"]}
HOME = {person: home for home, members in PEOPLE.items() for person in members}
CLIENTS = ["bread", "iron", "flour"]
APPS = ["generic", "other"]
BEGIN = [  # owner, organisations, app
    ("fay", ["bread", "iron", "flour"], "generic"),
    ("fay", ["books"], "generic"),
    ("ada", ["bread"], "other"),
]

INVALID, PAUSED = (401, "ERRIAU6000007"), (403, "ERRIAU3000002")
SUSPENDED, NOT_COVERED = (403, "ERRIAU3000001"), (403, "ERRGRP3000006")

nth = st.integers(0, 7)
people = st.sampled_from(list(HOME))
organisations = st.sampled_from(list(OWNED_BY))
clients = st.sampled_from(CLIENTS)
administrations = st.sampled_from(["", "", "main", "Main", "second"])
ends = st.none() | st.sampled_from([timedelta(hours=2), timedelta(days=1), timedelta(days=20)])
overlaps = st.sampled_from(list(services.Overlap))
reasons = st.sampled_from([services.Reason.PLANNED] * 5 + [services.Reason.LEAKED])
spans = st.one_of(
    st.timedeltas(timedelta(minutes=1), timedelta(hours=2)),
    st.sampled_from([timedelta(hours=1), timedelta(days=1), timedelta(days=7), timedelta(days=30)]),
)
yes_or_no = st.booleans()
rarely = st.integers(0, 3).map(lambda number: number == 3)


class Oracle:
    """What has been done, in plain dicts, and what comes of it."""

    def __init__(self):
        self.roles, self.memberships, self.let_in = {}, set(), set(CLIENTS)
        self.connections, self.sets = [], []
        self.now = timezone.now()

    # People

    def at_home(self, person, organisation):
        return HOME[person] == OWNED_BY[organisation]

    def reaches(self, person, organisation):
        """Whether the person may enter: a member, of the house or of an accountant who is let in."""
        way = self.at_home(person, organisation) or (
            HOME[person] == "ledger" and organisation in self.let_in
        )
        return way and (person, organisation) in self.memberships

    def may_own(self, person, organisation):
        return self.reaches(person, organisation) and self.roles[person] != "basic"

    # Connections

    def stands(self, connection):
        """The organisations in which the owner may own it now, the first one first."""
        return [it for it in connection["places"] if self.may_own(connection["owner"], it)]

    def first(self, connection):
        return next(iter(connection["places"]))

    def made_by(self, connection):
        """The environment whose people made it for its first organisation."""
        return connection["under"].get(self.first(connection)) or OWNED_BY[self.first(connection)]

    def sets_of(self, connection, *states):
        return [
            it
            for it in self.sets
            if it["connection"] is connection and not it["ended"] and it["state"] in states
        ]

    def is_over(self, key_set):
        return key_set["ends_at"] is not None and key_set["ends_at"] <= self.now

    def live(self, connection, state):
        return next((s for s in self.sets_of(connection, state) if not self.is_over(s)), None)

    def why_over(self, key_set):
        return "rotated" if key_set["state"] == "retiring" else "expired"

    # What the services say

    def is_not_theirs(self, connection, by):
        refusal = self.is_not_theirs_even_revoked(connection, by)
        return refusal or ("Ended" if connection["revoked"] else "")

    def is_not_theirs_even_revoked(self, connection, by):
        first = self.first(connection)
        if not self.reaches(by, first):
            return "OutOfReach"
        mine = HOME[by] == self.made_by(connection)
        client = HOME[by] == OWNED_BY[first] and len(connection["places"]) == 1
        return "" if mine or client else "NotYours"

    def is_more(self, connection, by):
        """Whether the keys open what `by` may not do."""
        lacks = [it for it in self.stands(connection) if not self.may_own(by, it)]
        return "MoreThanYours" if lacks else ""

    def no_new_keys(self, connection, by):
        gone = self.first(connection) not in self.stands(connection)
        return (
            self.is_not_theirs(connection, by)
            or ("OwnerGone" if gone else "")
            or self.is_more(connection, by)
        )

    def no_rotation(self, connection, by, reason):
        refusal = self.no_new_keys(connection, by)
        if refusal or reason != services.Reason.PLANNED:
            return refusal or "NotPlanned"
        if self.live(connection, "retiring"):
            return "StillRetiring"
        return "" if self.live(connection, "current") else "NoKeys"

    def no_take_over(self, connection, owner, by):
        first = self.first(connection)
        refusal = self.is_not_theirs(connection, by)
        if refusal:
            return refusal
        if connection["owner"] == owner and self.may_own(owner, first):
            return "OwnsAlready"
        if not self.may_own(owner, first):
            return "CannotOwn"
        return self.is_more(self.under(connection, owner), by)

    def under(self, connection, owner):
        """The connection as it would be if it lived on `owner`."""
        places = {
            it: names
            for it, names in connection["places"].items()
            if it == self.first(connection) or self.may_own(owner, it)
        }
        under = {it: None if self.at_home(owner, it) else HOME[owner] for it in places}
        return connection | {"owner": owner, "places": places, "under": under}

    def known(self, names):
        return (names["typed"] or names["reported"]).casefold()

    def is_connected(self, organisation, app, administration):
        """Whether the package has a live connection to that administration of the organisation."""
        return any(
            it["app"] == app
            and organisation in it["places"]
            and not it["revoked"]
            and administration.casefold()
            in (
                self.known(it["places"][organisation]),
                it["places"][organisation]["typed"].casefold(),
            )
            for it in self.connections
        )

    def no_more_organisations(self, connection, organisation, administration, by):
        refusal = self.is_not_theirs(connection, by)
        if refusal or not self.reaches(by, organisation):
            return refusal or "OutOfReach"
        if by != connection["owner"]:
            return "NotTheOwner"
        if organisation in connection["places"]:
            return "AddedAlready"
        if self.is_connected(organisation, connection["app"], administration):
            return "AlreadyConnected"
        taken = map(self.known, connection["places"].values())
        if administration and administration.casefold() in taken:
            return "SameAdministration"
        return "" if self.may_own(by, organisation) else "CannotOwn"

    def no_less_organisations(self, connection, organisation, by):
        theirs = self.at_home(by, organisation)
        if HOME[by] != self.made_by(connection) and not theirs:
            return "NotYours"
        if not self.reaches(by, organisation if theirs else self.first(connection)):
            return "OutOfReach"
        if connection["revoked"]:
            return "Ended"
        if list(connection["places"]) == [organisation]:
            return "LastOrganisation"
        return ""

    # What is done

    def connect(self, owner, organisation, app, administration, row):
        self.connections.append(
            {
                "row": row,
                "owner": owner,
                "app": app,
                "places": {organisation: {"typed": administration, "reported": ""}},
                "under": {organisation: self.mandate(owner, organisation)},
                "paused": False,
                "revoked": False,
                "deleted": False,
            }
        )
        return self.connections[-1]

    def mandate(self, owner, organisation):
        return None if self.at_home(owner, organisation) else HOME[owner]

    def add(self, connection, organisation, administration):
        connection["places"][organisation] = {"typed": administration, "reported": ""}
        connection["under"][organisation] = self.mandate(connection["owner"], organisation)

    def remove(self, connection, organisation):
        connection["places"].pop(organisation, None)
        connection["under"].pop(organisation, None)

    def new_set(self, connection, pair, ends_at):
        self.sets.append(
            {
                "connection": connection,
                "app_key": pair.app_key,
                "secret": pair.secret.reveal(),
                "state": "current",
                "ends_at": ends_at,
                "ended": "",
            }
        )

    def end_all(self, connection, reason):
        for key_set in self.sets_of(connection, "current", "retiring"):
            key_set["ended"] = reason

    def write_down(self, key_sets):
        """The end of those whose time is over is for ever; answers how many."""
        over = [it for it in key_sets if not it["ended"] and self.is_over(it)]
        for key_set in over:
            key_set["ended"] = self.why_over(key_set)
        return len(over)

    def revoke(self, connection):
        self.end_all(connection, "revoked")
        connection["revoked"] = True

    def end_partnership(self, organisation):
        self.let_in.remove(organisation)
        self.memberships -= {(person, organisation) for person in PEOPLE["ledger"]}
        for connection in self.connections:
            if connection["under"].get(organisation) and not connection["revoked"]:
                if len(connection["places"]) > 1:
                    self.remove(connection, organisation)
                else:
                    self.revoke(connection)

    # What the API answers

    def answer(self, key_set, organisation=None):
        """What GET /me, or GET …/inbox of an organisation, answers: the status, the code, and the reason."""
        connection, first = key_set["connection"], self.first(key_set["connection"])
        if key_set["ended"] or self.is_over(key_set):
            return *INVALID, key_set["ended"] or self.why_over(key_set)
        if connection["paused"]:
            return *PAUSED, None
        stands = self.stands(connection)
        if first not in stands and (not stands or organisation == first):
            return *SUSPENDED, None
        if organisation and organisation not in stands:
            return *NOT_COVERED, None
        return 200, None, None


class World:
    """The rows to begin with, and the oracle's books about them."""

    def __init__(self):
        self.books, self.rows = Oracle(), {}
        for name, members in PEOPLE.items():
            self.rows[name] = EnvironmentFactory(name=name, accountant_right=name == "ledger")
            for person in members:
                self.books.roles[person] = "administrator"
                self.rows[person] = UserFactory(
                    environment=self.rows[name], administrator=True, first_name=person
                )
            # who keeps it from being without an administrator, whatever roles the others get
            UserFactory(environment=self.rows[name], administrator=True, last_name=name)
        for name, home in OWNED_BY.items():
            self.rows[name] = OrganisationFactory(environment=self.rows[home], name=name)
            for person in PEOPLE[home]:
                self.joins(person, name)
        for name in APPS:
            self.rows[name] = AppFactory(name=name)
        for organisation in CLIENTS:
            self.is_let_in(organisation)
            self.joins("gijs", organisation)
        self.begin()

    def begin(self):
        """Connections as people of an accountancy and of a client have them."""
        for owner, (first, *further), app in BEGIN:
            row, pair = services.create_connection(
                organisation=self.rows[first],
                app=self.rows[app],
                name="Bookkeeping",
                access="all",
                confirmed=True,
                by=self.rows[owner],
                op_id=uuid.uuid4(),
            )
            connection = self.books.connect(owner, first, app, "", row.pk)
            self.books.new_set(connection, pair, None)
            for organisation in further:
                services.add_organisation(
                    connection=row, organisation=self.rows[organisation], by=self.rows[owner]
                )
                self.books.add(connection, organisation, "")

    def joins(self, person, organisation):
        MembershipFactory(user=self.rows[person], organisation=self.rows[organisation])
        self.books.memberships.add((person, organisation))

    def is_let_in(self, organisation):
        let_in(self.rows, organisation)
        self.books.memberships.add(("fay", organisation))


def let_in(rows, organisation):
    """The accountancy asks and the client, whoever that is, accepts."""
    client = Membership(
        user=rows[PEOPLE[OWNED_BY[organisation]][0]], organisation=rows[organisation]
    )
    request = ask(rows["fay"], client, rows["generic"], accountant_pays=False)
    partners.accept(request=request, functions=request.functions, by=client.user)


class Life(RuleBasedStateMachine):
    """What is done; the oracle foretells it."""

    def __init__(self, world):
        super().__init__()
        self.books, self.rows = deepcopy(world.books), dict(world.rows)
        self.client, self.is_silent, self.steps = Client(), False, 0
        self.clock = time_machine.travel(self.books.now, tick=False)
        self.time = self.clock.start()
        self.taken_back = transaction.atomic()
        self.taken_back.__enter__()

    def teardown(self):
        transaction.set_rollback(True)
        self.taken_back.__exit__(None, None, None)
        self.clock.stop()

    # How it acts

    def now(self, name):
        """The row as it is now, as every request fetches it."""
        return type(self.rows[name]).objects.get(pk=self.rows[name].pk)

    def connection(self, nth):
        """One of the connections, and its row as pages have it."""
        connection = self.books.connections[nth % len(self.books.connections)]
        return connection, Connection.objects.for_list().get(pk=connection["row"])

    def one_of(self, connection, nth):
        """Mostly the owner or somebody of the first organisation, and else anybody."""
        near = [
            who for who, where in sorted(self.books.memberships) if where in connection["places"]
        ]
        return [connection["owner"], *near, *HOME][nth % (len(near) + 2)]

    def tries(self, foretold, service, **values):
        """Whether the service did it, and what it answered; it refuses as foretold, and changes nothing."""
        before = written()
        try:
            answer = service(**values)
            refusal = ""
        except Refused as refused:
            answer, refusal = None, type(refused).__name__
        event(f"{service.__name__}: {refusal or 'done'}")
        assert refusal == foretold
        assert refusal == "" or written() == before
        return refusal == "", answer

    def at(self, span):
        return None if span is None else self.books.now + span

    @initialize(data=st.data())
    def they_begin(self, data):
        """Some of the keys end by themselves, some are being rotated."""
        for number in range(len(BEGIN)):
            self.change_end(number, 0, data.draw(ends, label="ends"))
            if data.draw(yes_or_no, label="rotated"):
                self.rotate(number, 0, data.draw(overlaps), services.Reason.PLANNED, None)

    # Keys

    @rule(connection=nth, by=nth, ends=ends)
    def create_new_keys(self, connection, by, ends):
        connection, row = self.connection(connection)
        by, ends_at = self.one_of(connection, by), self.at(ends)
        done, pair = self.tries(
            self.books.no_new_keys(connection, by),
            services.create_new_keys,
            connection=row,
            ends_at=ends_at,
            by=self.now(by),
            op_id=uuid.uuid4(),
        )
        if done:
            self.books.end_all(connection, "superseded")
            self.books.new_set(connection, pair, ends_at)

    @rule(connection=nth, by=nth, overlap=overlaps, reason=reasons, ends=ends)
    def rotate(self, connection, by, overlap, reason, ends):
        connection, row = self.connection(connection)
        by, ends_at = self.one_of(connection, by), self.at(ends)
        done, pair = self.tries(
            self.books.no_rotation(connection, by, reason),
            services.rotate,
            connection=row,
            overlap=overlap,
            reason=reason,
            ends_at=ends_at,
            by=self.now(by),
            op_id=uuid.uuid4(),
        )
        if done:
            self.books.write_down(self.books.sets_of(connection, "retiring"))
            older = self.books.live(connection, "current")
            until = self.books.now + timedelta(hours=overlap)
            older |= {"state": "retiring", "ends_at": min(until, older["ends_at"] or until)}
            self.books.new_set(connection, pair, ends_at)

    @rule(connection=nth, by=nth)
    def end_older(self, connection, by):
        connection, row = self.connection(connection)
        by, older = self.one_of(connection, by), self.books.live(connection, "retiring")
        refusal = self.books.is_not_theirs(connection, by) or ("" if older else "NotRetiring")
        if self.tries(refusal, services.end_older, connection=row, by=self.now(by))[0]:
            older["ended"] = "rotated"

    @rule(connection=nth, by=nth, ends=ends)
    def change_end(self, connection, by, ends):
        connection, row = self.connection(connection)
        by, current = self.one_of(connection, by), self.books.live(connection, "current")
        refusal = self.books.is_not_theirs(connection, by) or ("" if current else "NoKeys")
        values = {"connection": row, "ends_at": self.at(ends), "by": self.now(by)}
        if self.tries(refusal, services.change_end, **values)[0]:
            current["ends_at"] = self.at(ends)

    @rule()
    def end_overdue(self):
        assert services.end_overdue() == self.books.write_down(self.books.sets)

    @rule(key_set=nth)
    def find(self, key_set):
        """A stranger ends a Secret that lay about; one that ended before is nobody's any more."""
        key_set = self.books.sets[key_set % len(self.books.sets)]
        lives = not key_set["ended"] and not self.books.is_over(key_set)
        assert services.end_found(secret=Secret(key_set["secret"])) == lives
        if lives:
            key_set["ended"] = "found"

    # Connections

    @rule(owner=people, organisation=organisations, app=st.sampled_from(APPS), name=administrations)
    def connect(self, owner, organisation, app, name):
        refusal = "" if self.books.reaches(owner, organisation) else "OutOfReach"
        if not refusal and self.books.is_connected(organisation, app, name):
            refusal = "AlreadyConnected"
        if not refusal and not self.books.may_own(owner, organisation):
            refusal = "CannotOwn"
        done, made = self.tries(
            refusal,
            services.create_connection,
            organisation=self.now(organisation),
            app=self.now(app),
            name="Bookkeeping",
            access="all",
            administration=name,
            confirmed=True,
            by=self.now(owner),
            op_id=uuid.uuid4(),
        )
        if done:
            connection = self.books.connect(owner, organisation, app, name, made[0].pk)
            self.books.new_set(connection, made[1], None)

    @rule(connection=nth, by=nth, on=yes_or_no)
    def pause_or_resume(self, connection, by, on):
        connection, row = self.connection(connection)
        by = self.one_of(connection, by)
        refusal = self.books.is_not_theirs(connection, by)
        if not refusal and connection["paused"] == on:
            refusal = "PausedAlready" if on else "NotPaused"
        service = services.pause if on else services.resume
        if self.tries(refusal, service, connection=row, by=self.now(by))[0]:
            connection["paused"] = on

    @rule(connection=nth, owner=nth, by=nth, ends=ends)
    def take_over(self, connection, owner, by, ends):
        connection, row = self.connection(connection)
        owner, by = (self.one_of(connection, number) for number in (owner, by))
        done, pair = self.tries(
            self.books.no_take_over(connection, owner, by),
            services.take_over,
            connection=row,
            owner=self.now(owner),
            ends_at=self.at(ends),
            by=self.now(by),
            op_id=uuid.uuid4(),
        )
        if done:
            connection.update(self.books.under(connection, owner))
            self.books.end_all(connection, "superseded")
            self.books.new_set(connection, pair, self.at(ends))

    @rule(connection=nth, organisation=organisations, by=nth, name=administrations)
    def add_organisation(self, connection, organisation, by, name):
        connection, row = self.connection(connection)
        by = self.one_of(connection, by)
        done, _nothing = self.tries(
            self.books.no_more_organisations(connection, organisation, name, by),
            services.add_organisation,
            connection=row,
            organisation=self.now(organisation),
            administration=name,
            confirmed=True,
            by=self.now(by),
        )
        if done:
            self.books.add(connection, organisation, name)

    @rule(connection=nth, organisation=organisations, by=nth)
    def remove_organisation(self, connection, organisation, by):
        connection, row = self.connection(connection)
        by = self.one_of(connection, by)
        done, _nothing = self.tries(
            self.books.no_less_organisations(connection, organisation, by),
            services.remove_organisation,
            connection=row,
            organisation=self.now(organisation),
            by=self.now(by),
        )
        if done:
            self.books.remove(connection, organisation)

    @rule(key_set=nth, organisation=organisations, name=administrations)
    def report_administration(self, key_set, organisation, name):
        """By the software."""
        key_set = self.books.sets[key_set % len(self.books.sets)]
        answer = self.call(
            key_set, "PUT", f"{self.path(organisation)}/administration", f'{{"name": "{name}"}}'
        )
        self.books.write_down([key_set])
        self.answers_as_foretold(answer, self.books.answer(key_set, organisation))
        if answer.status_code == 200:
            key_set["connection"]["places"][organisation]["reported"] = name

    @rule(connection=nth, by=nth, sure=rarely)
    def revoke(self, connection, by, sure):
        connection, row = self.connection(connection)
        by = self.one_of(connection, by)
        if not sure:
            return
        refusal = self.books.is_not_theirs(connection, by)
        if self.tries(refusal, services.revoke, connection=row, by=self.now(by))[0]:
            self.books.revoke(connection)

    @rule(connection=nth, by=nth)
    def delete(self, connection, by):
        connection, row = self.connection(connection)
        by = self.one_of(connection, by)
        refusal = self.books.is_not_theirs_even_revoked(connection, by)
        refusal = refusal or ("" if connection["revoked"] else "NotRevoked")
        if self.tries(refusal, services.delete, connection=row, by=self.now(by))[0]:
            connection["deleted"] = True

    # People and partnerships

    @rule(person=people, role=st.sampled_from(["administrator", "advanced", "basic"]))
    def change_role(self, person, role):
        accounts.change_role(user=self.now(person), role=role, by=self.now("gijs"))
        self.books.roles[person] = role

    @rule(person=people, organisation=organisations)
    def join_or_leave(self, person, organisation):
        place = person, organisation
        if place in self.books.memberships:
            Membership.objects.filter(
                user=self.rows[person], organisation=self.rows[organisation]
            ).delete()
            self.books.memberships.remove(place)
        elif self.books.at_home(*place) or (
            HOME[person] == "ledger" and organisation in self.books.let_in
        ):
            MembershipFactory(user=self.now(person), organisation=self.now(organisation))
            self.books.memberships.add(place)

    @rule(organisation=clients, by=people, sure=rarely)
    def end_partnership(self, organisation, by, sure):
        mandate = self.mandate(organisation)
        foretold = "" if organisation in self.books.let_in else "PartnershipEnded"
        values = {"partnership": mandate.partnership, "by": self.now(by)}
        if sure and self.tries(foretold, services.end_partnership, **values)[0]:
            self.books.end_partnership(organisation)

    @rule(organisation=clients)
    def renew_partnership(self, organisation):
        if organisation not in self.books.let_in:
            let_in(self.rows, organisation)
            self.books.let_in.add(organisation)
            self.books.memberships.add(("fay", organisation))

    def mandate(self, organisation):
        return Mandate.objects.get(organisation=self.rows[organisation])

    # Time

    @rule(span=spans, is_silent=yes_or_no)
    def time_goes_on(self, span, is_silent):
        """Software calls meanwhile, or it does not."""
        self.goes_to(self.books.now + span)
        self.is_silent = is_silent

    @rule(span=spans, is_silent=yes_or_no)
    def a_clock_goes_back(self, span, is_silent):
        self.goes_to(self.books.now - span)
        self.is_silent = is_silent

    def goes_to(self, now):
        self.books.now = now
        self.time.move_to(now)

    # What must be so after each step

    @invariant()
    def there_is_at_most_one_set_of_each_kind(self):
        kept = KeySet.objects.kept().values("connection")
        for kind in (kept.current(), kept.retiring()):
            assert not kind.annotate(sets=Count("pk")).filter(sets__gt=1).exists()

    @invariant()
    def the_database_agrees(self):
        key_sets = {it.app_key: it for it in KeySet.objects.all()}
        assert key_sets.keys() == {it["app_key"] for it in self.books.sets}
        for told in self.books.sets:
            found = key_sets[told["app_key"]]
            assert found.retired_because == told["ended"]
            assert found.ends_at == told["ends_at"]
            assert (found.rotated_at is not None) == (told["state"] == "retiring")
        live = [it for it in self.books.sets if not it["ended"] and not self.books.is_over(it)]
        assert KeySet.objects.live().count() == len(live)

    @invariant()
    def connections_are_where_they_should_be(self):
        rows = {row.pk: row for row in Connection.objects.for_list()}
        assert rows.keys() == {it["row"] for it in self.books.connections}
        for told in self.books.connections:
            row = rows[told["row"]]
            places = services.places_of(row)
            assert [str(place.organisation) for place in places] == list(told["places"])
            assert [
                {"typed": place.administration, "reported": place.reported} for place in places
            ] == list(told["places"].values())
            assert [place.mandate and str(place.mandate.accountant) for place in places] == list(
                told["under"].values()
            )
            said = row.owner.first_name, bool(row.paused_at), row.is_revoked, bool(row.deleted_at)
            assert said == tuple(told[name] for name in ("owner", "paused", "revoked", "deleted"))

    @invariant()
    def the_api_answers_every_pair_as_foretold(self):
        """For itself, and for one organisation; what hears that it has ended never works again."""
        for number, key_set in enumerate(self.books.sets):
            is_over = not key_set["ended"] and self.books.is_over(key_set)
            if is_over and self.is_silent:
                continue
            answer = self.call(key_set, "GET", "/me")
            self.books.write_down([key_set])
            self.answers_as_foretold(answer, self.books.answer(key_set))
            if answer.status_code == 200:
                named = [it["name"] for it in answer.json()["organisations"]]
                assert named == self.books.stands(key_set["connection"])
            organisation = list(OWNED_BY)[(self.steps + number) % len(OWNED_BY)]
            answer = self.call(key_set, "GET", f"{self.path(organisation)}/inbox")
            self.answers_as_foretold(answer, self.books.answer(key_set, organisation))
        self.is_silent, self.steps = False, self.steps + 1

    def path(self, organisation):
        return f"/{self.rows[organisation].organisation_id}"

    def call(self, key_set, method, path, body=""):
        return self.client.generic(
            method,
            f"/api/v1{path}",
            body,
            content_type="application/json",
            headers={"Authorization": basic(key_set["app_key"], key_set["secret"])},
        )

    def answers_as_foretold(self, answer, foretold):
        body = answer.json()
        assert (answer.status_code, body.get("code"), body.get("reason")) == foretold


def written():
    """What no refused service may change."""
    key_sets = KeySet.objects.order_by("pk").values_list(
        "pk", "retired_at", "rotated_at", "ends_at"
    )
    return Event.objects.count(), list(key_sets), list(Connection.objects.order_by("pk").values())


@pytest.mark.slow
@pytest.mark.django_db
def test_every_pair_of_keys_opens_what_it_should_whatever_is_done(settings):
    settings.REQUEST_MAILS_PER_ADDRESS_AND_DAY = 1_000_000
    world = World()
    run_state_machine_as_test(partial(Life, world), settings=HOW)
