"""No key ever does what its owner may not, whatever people do (R5 to R9, R12, R26, R27, R32, R34).

A machine has random people do random things through the real services. Beside it an oracle keeps books of
its own, in plain dicts, and says naively what every key may do; after each step the portal and its API say
the same. The usual run is the same one every time, so that only a change turns it red; EXAMPLES=1000 STEPS=60
looks for what nobody has seen yet.
"""

import os
import uuid
from copy import deepcopy
from functools import partial

import pytest
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from accounts import blocking, integrations, ripples
from accounts import services as accounts
from accounts.models import Environment, Membership, Plan, User
from accounts.refusals import Refused
from connections import services
from connections.api import OF_THE_GATE
from connections.functions import FUNCTIONS
from connections.keys import Secret
from connections.models import App, Connection
from partners import services as partners
from partners.models import Mandate
from tests.factories import (
    AppFactory,
    EnvironmentFactory,
    MembershipFactory,
    OrganisationFactory,
    UserFactory,
)
from tests.software import basic

EXAMPLES, STEPS = int(os.environ.get("EXAMPLES", "0")), int(os.environ.get("STEPS", "10"))
HOW = settings(
    max_examples=EXAMPLES or 6,
    stateful_step_count=STEPS,
    derandomize=not EXAMPLES,
    deadline=None,
    phases=[
        phase for phase in Phase if phase != Phase.shrink or EXAMPLES
    ],  # a red CI need not be slow
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

ALL = list(FUNCTIONS)
CALLED = list(FUNCTIONS.values())
GATE = {error.code for error in OF_THE_GATE}

CLIENTS = {"bakery": ["bread", "cake"], "smithy": ["iron"]}
ACCOUNTANTS = {"ledger": ["books"], "tally": []}
PEOPLE = {
    "bakery": ["ada", "ben", "cas"],
    "smithy": ["dirk", "eva"],
    "ledger": ["fay", "gijs"],
    "tally": ["hugo", "iris"],
}
HOME = {person: home for home, members in PEOPLE.items() for person in members}
OWNED_BY = {
    organisation: environment
    for environment, organisations in {**CLIENTS, **ACCOUNTANTS}.items()
    for organisation in organisations
}
APPS = {"generic": None, "other": None, "own": "bakery", "forge": "smithy"}
LET_IN = [("fay", "ada", "bread"), ("gijs", "ada", "cake"), ("fay", "dirk", "iron")]
LET_IN += [("hugo", "ada", "bread")]
KEYS = [("ben", "bread", "own", "all"), ("fay", "bread", "generic", "all")]
KEYS += [("hugo", "bread", "other", "chosen"), ("fay", "iron", "forge", "owners")]


def usable(organisation):
    return [app for app, owner in APPS.items() if owner in (None, OWNED_BY[organisation])]


few = st.lists(st.sampled_from(ALL), unique=True, max_size=5)
most = st.sets(st.sampled_from(ALL), max_size=4).map(lambda out: [f for f in ALL if f not in out])
functions = most | few
accesses = st.none() | functions
kinds = st.sampled_from(["all", "owners", "chosen"])
roles = st.sampled_from(["administrator", "advanced", "basic"])
people = st.sampled_from(list(HOME))
nth = st.integers(0, 7)
environments = st.sampled_from([*CLIENTS, *ACCOUNTANTS])
organisations = st.sampled_from(list(OWNED_BY))
mandates = st.sampled_from([(HOME[asker], organisation) for asker, _client, organisation in LET_IN])
rarely = st.integers(0, 3).map(lambda number: number == 3)
yes_or_no = st.booleans()


class Oracle:
    """What people have done, in plain dicts, and what each key may do because of it."""

    def __init__(self):
        self.environments = {}
        self.people = {}
        self.apps = {}
        self.memberships = {}  # by person and organisation: API functions, or None for all
        self.mandates = {}  # by accountant and organisation
        self.keys = []
        self.secrets = []

    # What a person may do

    def mandate(self, person, organisation):
        """The mandate under which the person works there, as accountant and organisation."""
        pair = self.people[person]["environment"], organisation
        return pair if pair in self.mandates and self.mandates[pair]["active"] else None

    def may(self, person, organisation, function):
        it = self.people[person]
        if not it["active"] or it["role"] == "basic":
            return False
        if (person, organisation) not in self.memberships:
            return False
        list_of_functions = self.memberships[person, organisation]
        if list_of_functions is not None and function not in list_of_functions:
            return False
        if it["environment"] == OWNED_BY[organisation]:
            return True
        mandate = self.mandate(person, organisation)
        return mandate is not None and function in self.mandates[mandate]["functions"]

    def given(self, access, asked, app, owner, organisation):
        """What is kept with a key."""
        if access == "all":
            return []
        return [
            function
            for function in self.apps[app]
            if (access == "owners" or function in asked) and self.may(owner, organisation, function)
        ]

    # What a key may do

    def owner_stands(self, key):
        owner, organisation = self.people[key["owner"]], key["organisation"]
        if not owner["active"] or owner["role"] == "basic":
            return False
        if (key["owner"], organisation) not in self.memberships:
            return False
        if key["mandate"] is None:
            return owner["environment"] == OWNED_BY[organisation]
        return self.mandates[key["mandate"]]["active"] and owner["environment"] == key["mandate"][0]

    def is_paid(self, key):
        pays = OWNED_BY[key["organisation"]]
        if key["mandate"] and self.mandates[key["mandate"]]["accountant_pays"]:
            pays = key["mandate"][0]
        payer = self.environments[pays]
        return payer["activated"] and payer["plan"] != "invoice_portal"

    def stands(self, key):
        return self.owner_stands(key) and self.is_paid(key) and not self.is_blocked(key)

    def is_blocked(self, key):
        sides = [OWNED_BY[key["organisation"]], *(key["mandate"] or ())[:1]]
        return any(self.environments[side]["blocked"] for side in sides)

    def missing(self, key, function):
        """Where it is missing first."""
        if function not in self.apps[key["app"]]:
            return "app"
        if key["access"] != "all" and function not in key["functions"]:
            return "key"
        has = self.memberships.get((key["owner"], key["organisation"]), [])
        if not self.owner_stands(key) or (has is not None and function not in has):
            return "owner"
        if key["mandate"] and function not in self.mandates[key["mandate"]]["functions"]:
            return "partnership"
        return ""

    def opened(self, key):
        """What calls with the key may use."""
        if self.secret_of(key)["ended"] or not self.stands(key):
            return set()
        return {function for function in ALL if not self.missing(key, function)}

    def opened_by_all(self):
        return {key["row"]: self.opened(key) for key in self.keys}

    def answer(self, secret):
        """What the API answers to GET /me: status, error code, and the functions in their order."""
        key = secret["key"]
        if secret["ended"]:
            return 401, "ERRIAU6000007", []
        if self.is_blocked(key):
            return 403, "ERRPRO1000004", []
        if not self.owner_stands(key):
            return 403, "ERRIAU3000001", []
        if not self.is_paid(key):
            return 403, "ERRPRO3000001", []
        return 200, "", [function for function in ALL if not self.missing(key, function)]

    def secret_of(self, key):
        return [secret for secret in self.secrets if secret["key"] is key][-1]

    # What people do

    def new_key(self, row, organisation, app, access, asked, owner):
        key = {
            "row": row,
            "organisation": organisation,
            "app": app,
            "access": access,
            "functions": self.given(access, asked, app, owner, organisation),
            "owner": owner,
            "mandate": self.mandate(owner, organisation),
            "revoked": False,
        }
        self.keys.append(key)
        return key

    def new_secret(self, key, pair):
        if any(secret["key"] is key for secret in self.secrets):
            self.end_secret(key, "superseded")
        told = {"app_key": pair.app_key, "secret": pair.secret.reveal()}
        self.secrets.append({"key": key, **told, "ended": "", "used": False, "heard": None})

    def revoke(self, key):
        self.end_secret(key, "revoked")
        key["revoked"] = True

    def end_secret(self, key, reason):
        secret = self.secret_of(key)
        secret["ended"] = secret["ended"] or reason

    def leave(self, left):
        """The memberships of which `left(person, organisation)` is true end."""
        self.memberships = {
            place: has for place, has in self.memberships.items() if not left(*place)
        }

    def is_of(self, person, environment):
        return self.people[person]["environment"] == environment

    def remove(self, person):
        self.people[person] = {"environment": None, "role": "basic", "active": False}
        self.leave(lambda who, _where: who == person)

    def set_organisations(self, person, chosen):
        home = HOME[person]
        self.leave(
            lambda who, where: who == person and OWNED_BY[where] == home and where not in chosen
        )
        for organisation in chosen:
            self.memberships.setdefault((person, organisation), None)

    def assign(self, accountant, organisation, users):
        users = [u for u in users if self.is_of(u, accountant) and self.people[u]["active"]]
        self.leave(
            lambda who, where: (
                where == organisation and self.is_of(who, accountant) and who not in users
            )
        )
        for user in users:
            self.memberships.setdefault((user, organisation), None)

    def let_in(self, asker, organisation, functions, accountant_pays):
        pair = HOME[asker], organisation
        earlier = self.mandates.get(pair, {"active": False, "functions": [], "kept_out": set()})
        before = earlier["functions"] if earlier["active"] else []
        self.mandates[pair] = {
            "active": True,
            "functions": [*before, *(f for f in functions if f not in before)],
            "accountant_pays": accountant_pays,
            "kept_out": earlier["kept_out"] - {asker},
        }
        if self.people[asker]["active"]:
            self.memberships.setdefault((asker, organisation), None)

    def remove_person(self, mandate, person):
        accountant, organisation = mandate
        if (person, organisation) in self.memberships and self.is_of(person, accountant):
            del self.memberships[person, organisation]
            self.mandates[mandate]["kept_out"].add(person)

    def readmit_person(self, mandate, person):
        accountant, organisation = mandate
        kept_out = self.mandates[mandate]["kept_out"]
        if person in kept_out and self.is_of(person, accountant):
            kept_out.remove(person)
            self.memberships.setdefault((person, organisation), None)

    def end_partnership(self, accountant, client):
        for pair, mandate in self.mandates.items():
            if pair[0] == accountant and OWNED_BY[pair[1]] == client and mandate["active"]:
                mandate["active"] = False
                for key in self.keys:
                    if key["mandate"] == pair:
                        self.revoke(key)
        self.leave(lambda who, where: OWNED_BY[where] == client and self.is_of(who, accountant))


class World:
    """The rows to begin with, and the oracle's books about them."""

    def __init__(self):
        self.books, self.rows = Oracle(), {}
        self.support = UserFactory(staff=True)
        for name in (*CLIENTS, *ACCOUNTANTS):
            right = name in ACCOUNTANTS
            self.rows[name] = EnvironmentFactory(name=name, accountant_right=right)
            self.books.environments[name] = {"plan": "basic", "activated": True, "blocked": False}
        for name, owner in OWNED_BY.items():
            self.rows[name] = OrganisationFactory(environment=self.rows[owner], name=name)
        for name, home in HOME.items():
            self.rows[name] = UserFactory(
                environment=self.rows[home], administrator=True, first_name=name
            )
            self.books.people[name] = {"environment": home, "role": "administrator", "active": True}
            for organisation in (o for o, owner in OWNED_BY.items() if owner == home):
                MembershipFactory(user=self.rows[name], organisation=self.rows[organisation])
                self.books.memberships[name, organisation] = None
        for name, owner in APPS.items():
            self.rows[name] = AppFactory(name=name, environment=owner and self.rows[owner])
            self.books.apps[name] = ALL
        for asker, client, organisation in LET_IN:
            let_in(
                *(self.rows[name] for name in (asker, client, organisation)),
                self.rows["generic"],
                ALL,
                False,
            )
            self.books.let_in(asker, organisation, ALL, False)
        for owner, organisation, app, access in KEYS:
            connection, pair = services.create_connection(
                organisation=self.rows[organisation],
                app=self.rows[app],
                name="Bookkeeping",
                access=access,
                functions=ALL,
                by=self.rows[owner],
                op_id=uuid.uuid4(),
            )
            key = self.books.new_key(connection.pk, organisation, app, access, ALL, owner)
            self.books.new_secret(key, pair)


def let_in(asker, client, organisation, app, functions, accountant_pays):
    """An accountant asks and the client accepts."""
    request = partners.ask(
        client_name=organisation.name,
        email=client.email,
        country=organisation.country,
        registration_number=organisation.registration_number,
        app=app,
        accountant_pays=accountant_pays,
        functions=functions,
        language="en",
        op_id=uuid.uuid4(),
        by=asker,
    )
    partners.accept(request=request, functions=functions, by=client)


class Life(RuleBasedStateMachine):
    """What people do; the oracle keeps its books beside."""

    keys = Bundle("keys")

    def __init__(self, world):
        super().__init__()
        self.books, self.rows = deepcopy(world.books), dict(world.rows)
        self.support = world.support
        self.client, self.steps = Client(), 0
        self.taken_back = transaction.atomic()
        self.taken_back.__enter__()

    def teardown(self):
        transaction.set_rollback(True)
        self.taken_back.__exit__(None, None, None)

    # How it acts

    def now(self, name):
        """The row as it is now, as every request fetches it."""
        row = self.rows[name]
        return type(row).objects.get(pk=row.pk)

    def connection(self, key):
        return Connection.objects.for_list().get(pk=key["row"])

    def mandate(self, pair):
        accountant, organisation = (self.rows[name] for name in pair)
        return Mandate.objects.get(accountant=accountant, organisation=organisation)

    def one_of(self, organisation, nth):
        """Mostly a member, and else somebody who may not even look."""
        members = [who for who, where in self.books.memberships if where == organisation]
        others = [who for who in HOME if who not in members]
        return (members + others[:1])[nth % len(members + others[:1])]

    def somebody(self):
        """Who acts where it does not matter who: the page's gate has decided about that."""
        return self.now(next(name for name in HOME if self.books.people[name]["environment"]))

    def does(self, service, *rows, **values):
        """Whether the service did it, and what it answered; to refuse is fine."""
        try:
            answer = service(*rows, **values)
        except Refused as refused:
            event(f"{service.__name__}: {type(refused).__name__}")
            return False, None
        event(f"{service.__name__}: done")
        return True, answer

    def asks_first(self, about, service, note, **values):
        """Make a change that shows first what it will stop: exactly that stops (R7)."""
        try:
            losses = ripples.rehearse(partial(service, **values), about=about)
        except Refused:
            losses = None
        before = self.books.opened_by_all()
        done, _nothing = self.does(service, **values)
        assert done == (losses is not None)
        if done:
            note()
            after = self.books.opened_by_all()
            lost = {row: had - after[row] for row, had in before.items() if had - after[row]}
            assert {loss.of.pk: loss.functions for loss in losses} == lost
            assert {loss.of.pk for loss in losses if loss.stops} == {
                r for r in lost if not after[r]
            }

    def shows(self, key, pair, by):
        """`by` sees a new Secret: it opens nothing that `by` may not do."""
        self.books.new_secret(key, pair)
        assert all(self.books.may(by, key["organisation"], f) for f in self.books.opened(key))

    # How it begins

    @initialize(target=keys, data=st.data())
    def they_begin(self, data):
        for app in APPS:
            self.change_app(app, data.draw(functions, label=app))
        for name, person in self.books.people.items():
            person["role"] = data.draw(roles, label=name)
            User.objects.filter(pk=self.rows[name].pk).update(role=person["role"])
        for person, organisation in self.books.memberships:
            allowed = data.draw(accesses, label=f"{person} in {organisation}")
            self.books.memberships[person, organisation] = allowed
            Membership.objects.filter(
                user=self.rows[person], organisation=self.rows[organisation]
            ).update(accesses=allowed)
        for pair, mandate in self.books.mandates.items():
            mandate["functions"] = data.draw(functions, label=" for ".join(pair))
            mandate["accountant_pays"] = data.draw(yes_or_no, label="accountant pays")
            Mandate.objects.filter(pk=self.mandate(pair).pk).update(
                functions=mandate["functions"], accountant_pays=mandate["accountant_pays"]
            )
        return multiple(*self.books.keys)

    # Apps and keys

    @rule(app=st.sampled_from(list(APPS)), functions=functions)
    def change_app(self, app, functions):
        if APPS[app]:
            values = {"app": self.now(app), "name": app, "functions": functions}
            self.does(services.change_own_app, **values, by=self.somebody())
        else:  # support does
            App.objects.filter(pk=self.rows[app].pk).update(functions=functions)
        self.books.apps[app] = functions

    def create(self, app, row, organisation, owner, by, access, asked, administration):
        owner, by = (self.one_of(organisation, n) for n in (owner, by))
        done, made = self.does(
            services.create_connection,
            organisation=self.now(organisation),
            app=row,
            name="Bookkeeping",
            access=access,
            functions=asked,
            administration=administration,
            owner=self.now(owner),
            by=self.now(by),
            op_id=uuid.uuid4(),
        )
        if not done:
            return multiple()
        key = self.books.new_key(made[0].pk, organisation, app, access, asked, owner)
        self.shows(key, made[1], by)
        return key

    @rule(
        target=keys,
        organisation=organisations,
        app=nth,
        owner=nth,
        by=nth,
        access=kinds,
        asked=functions,
        administration=st.sampled_from(["", "second"]),
    )
    def create_key(self, organisation, app, **values):
        app = usable(organisation)[app % len(usable(organisation))]
        return self.create(app, self.now(app), organisation, **values)

    @rule(
        target=keys,
        organisation=organisations,
        functions=functions,
        owner=nth,
        by=nth,
        access=kinds,
    )
    def set_up_custom(self, organisation, functions, owner, by, access):
        environment = OWNED_BY[organisation]
        app = App(environment=self.rows[environment], name="Custom", functions=functions)
        name = f"Custom of {environment}"
        is_new = name not in self.books.apps
        self.books.apps.setdefault(name, functions)
        key = self.create(name, app, organisation, owner, by, access, functions, "")
        if is_new and not isinstance(key, dict):
            del self.books.apps[name]
        return key

    @rule(key=keys, by=nth)
    def create_new_keys(self, key, by):
        by = self.one_of(key["organisation"], by)
        done, pair = self.does(
            services.create_new_keys,
            connection=self.connection(key),
            by=self.now(by),
            op_id=uuid.uuid4(),
        )
        if done:
            self.shows(key, pair, by)

    @rule(key=keys, owner=nth, by=nth)
    def take_over(self, key, owner, by):
        organisation = key["organisation"]
        owner, by = (self.one_of(organisation, n) for n in (owner, by))
        done, pair = self.does(
            services.take_over,
            connection=self.connection(key),
            owner=self.now(owner),
            by=self.now(by),
            op_id=uuid.uuid4(),
        )
        if done:
            given = self.books.given(
                key["access"], key["functions"], key["app"], owner, organisation
            )
            mandate = self.books.mandate(owner, organisation)
            key.update(owner=owner, mandate=mandate, functions=given)
            self.shows(key, pair, by)

    @rule(key=keys, by=nth, access=kinds, asked=functions)
    def change_accesses(self, key, by, access, asked):
        organisation, before = key["organisation"], self.books.opened(key)
        by = self.one_of(organisation, by)
        done, _nothing = self.does(
            services.change_accesses,
            connection=self.connection(key),
            access=access,
            functions=asked,
            by=self.now(by),
        )
        if done:
            given = self.books.given(access, asked, key["app"], key["owner"], organisation)
            key.update(access=access, functions=given)
            new = self.books.opened(key) - before
            assert all(self.books.may(by, organisation, function) for function in new)

    @rule(key=keys, by=nth, sure=rarely)
    def revoke(self, key, by, sure):
        by = self.one_of(key["organisation"], by)
        if not sure:
            return
        done, _nothing = self.does(
            services.revoke, connection=self.connection(key), by=self.now(by)
        )
        if done:
            self.books.revoke(key)

    @rule(key=keys, sure=rarely)
    def find(self, key, sure):
        """A stranger ends a Secret that lay about; one that ended before is nobody's any more."""
        if sure:
            secret = self.books.secret_of(key)
            was_ours = services.end_found(secret=Secret(secret["secret"]))
            assert was_ours == (not secret["ended"])
            self.books.end_secret(key, "found")

    # People

    @rule(person=people, role=roles)
    def change_role(self, person, role):
        user, note = self.now(person), partial(self.books.people[person].update, role=role)
        values = {"user": user, "role": role, "by": self.somebody()}
        self.asks_first(user, accounts.change_role, note, **values)

    @rule(person=people, blocked=yes_or_no)
    def block_or_unblock(self, person, blocked):
        values = {"user": self.now(person), "by": self.somebody()}
        if blocked:
            note = partial(self.books.people[person].update, active=False)
            self.asks_first(values["user"], accounts.block, note, **values)
        elif self.does(accounts.unblock, **values)[0]:
            self.books.people[person]["active"] = True

    @rule(person=people, sure=rarely)
    def remove(self, person, sure):
        if sure:
            user, note = self.now(person), partial(self.books.remove, person)
            self.asks_first(user, accounts.remove, note, user=user, by=self.somebody())

    @rule(person=people, chosen=st.sets(organisations))
    def set_organisations(self, person, chosen):
        chosen = [o for o in chosen if OWNED_BY[o] == HOME[person]]
        user, note = self.now(person), partial(self.books.set_organisations, person, chosen)
        rows = [self.rows[organisation] for organisation in chosen]
        values = {"user": user, "organisations": rows, "by": self.somebody()}
        self.asks_first(user, accounts.set_organisations, note, **values)

    @rule(organisation=organisations, person=nth, accesses=accesses)
    def change_accesses_of_person(self, organisation, person, accesses):
        place = self.one_of(organisation, person), organisation
        user, organisation = (self.now(name) for name in place)
        membership = Membership.objects.filter(user=user, organisation=organisation).first()
        assert (membership is not None) == (place in self.books.memberships)
        if membership:
            note = partial(self.books.memberships.update, {place: accesses})
            values = {"membership": membership, "accesses": accesses, "by": self.somebody()}
            self.asks_first(user, services.change_accesses_of_person, note, **values)

    # Partnerships

    @rule(place=mandates, asker=nth, client=nth, functions=functions, accountant_pays=yes_or_no)
    def let_in(self, place, asker, client, functions, accountant_pays):
        accountant, organisation = place
        askers = [name for name in HOME if self.books.is_of(name, accountant)]
        answerers = [name for name in HOME if self.books.is_of(name, OWNED_BY[organisation])]
        asker, client = askers[asker % len(askers)], answerers[client % len(answerers)]
        rows = (self.now(name) for name in (asker, client, organisation, "generic"))
        asked = [function for function in functions if function in self.books.apps["generic"]]
        if self.does(transaction.atomic(let_in), *rows, functions, accountant_pays)[0]:
            self.books.let_in(asker, organisation, asked, accountant_pays)

    @rule(pair=mandates, functions=functions)
    def change_functions(self, pair, functions):
        mandate, note = (
            self.mandate(pair),
            partial(self.books.mandates[pair].update, functions=functions),
        )
        values = {"mandate": mandate, "functions": functions, "by": self.somebody()}
        self.asks_first(mandate, partners.change_functions, note, **values)

    @rule(pair=mandates, chosen=st.sets(people))
    def assign(self, pair, chosen):
        users = [self.now(person) for person in sorted(chosen)]
        values = {"mandate": self.mandate(pair), "users": users, "by": self.somebody()}
        if self.does(partners.assign, **values)[0]:
            self.books.assign(*pair, chosen)

    @rule(pair=mandates, person=people)
    def remove_person(self, pair, person):
        user, note = self.now(person), partial(self.books.remove_person, pair, person)
        values = {"mandate": self.mandate(pair), "user": user, "by": self.somebody()}
        self.asks_first(user, partners.remove_person, note, **values)

    @rule(pair=mandates, person=people)
    def readmit_person(self, pair, person):
        values = {"mandate": self.mandate(pair), "user": self.now(person), "by": self.somebody()}
        if self.does(partners.readmit_person, **values)[0]:
            self.books.readmit_person(pair, person)

    @rule(pair=mandates, sure=rarely)
    def end_partnership(self, pair, sure):
        if sure:
            values = {"partnership": self.mandate(pair).partnership, "by": self.somebody()}
            if self.does(services.end_partnership, **values)[0]:
                self.books.end_partnership(pair[0], OWNED_BY[pair[1]])

    # The Integrations service, and support

    @rule(environment=environments, activated=yes_or_no)
    def switch_integrations(self, environment, activated):
        values = {"environment": self.now(environment), "by": self.somebody()}
        note = partial(self.books.environments[environment].update, activated=activated)
        if not activated:
            self.asks_first(values["environment"], integrations.end, note, **values)
        elif self.does(integrations.activate, terms=integrations.TERMS, **values)[0]:
            note()

    @rule(environment=environments, plan=st.sampled_from(Plan.values))
    def support_changes(self, environment, plan):
        self.books.environments[environment].update(plan=plan)
        Environment.objects.filter(pk=self.rows[environment].pk).update(plan=plan)

    @rule(environment=environments)
    def support_blocks(self, environment):
        """What support is shown before is what stops, and nothing of it opens anything."""
        row, before = self.now(environment), self.books.opened_by_all()
        shown = blocking.stops(row)
        values = {"environment": row, "reason": "Why not.", "by": self.support}
        if self.does(blocking.block, **values)[0]:
            self.books.environments[environment]["blocked"] = True
            after = self.books.opened_by_all()
            stopped = {row: had for row, had in before.items() if had and not after[row]}
            assert {loss.of.pk: loss.functions for loss in shown} == stopped

    @rule(environment=environments)
    def support_unblocks(self, environment):
        values = {"environment": self.now(environment), "by": self.support}
        if self.does(blocking.unblock, **values)[0]:
            self.books.environments[environment]["blocked"] = False

    # What must be so after each step

    @invariant()
    def the_portal_says_what_the_oracle_says(self):
        connections = {row.pk: row for row in Connection.objects.for_list()}
        assert connections.keys() == {key["row"] for key in self.books.keys}
        for key in self.books.keys:
            connection = connections[key["row"]]
            missing = {f: self.books.missing(key, f) for f in ALL}
            marks = connection.rights.marks(FUNCTIONS.values())
            assert {mark.function.name: mark.missing for mark in marks} == missing
            assert connection.rights.effective() == {f for f in ALL if not missing[f]}
            assert connection.stands == self.books.stands(key)
            assert connection.opened == self.books.opened(key)

    @invariant()
    def what_is_looked_up_is_what_a_row_says(self):
        newest = {key["row"]: self.books.secret_of(key) for key in self.books.keys}
        stands = {key["row"] for key in self.books.keys if self.books.stands(key)}
        live = {key["row"] for key in self.books.keys if not key["revoked"]}
        blocked = {key["row"] for key in self.books.keys if self.books.is_blocked(key)} & live
        used = {row for row, secret in newest.items() if secret["used"] and not secret["ended"]}
        assert rows(Connection.objects.standing()) == stands
        assert rows(Connection.objects.blocked()) == blocked
        assert rows(Connection.objects.stopped()) == live - stands
        assert rows(Connection.objects.suspended()) == live - stands - blocked
        assert rows(Connection.objects.working()) == live & stands & used

    @invariant()
    def the_api_answers_accordingly(self):
        """Calls with every Secret for which the last step changed something, and with one other."""
        self.steps += 1
        for number, secret in enumerate(self.books.secrets):
            expected = self.books.answer(secret)
            if secret["heard"] != expected or self.steps % len(self.books.secrets) == number:
                secret["heard"] = expected
                self.calls(secret, *expected, CALLED[(self.steps + number) % len(CALLED)])

    def calls(self, secret, status, code, opened, function):
        """Ask who the Secret is, and call one function."""
        key, refused = secret["key"], {"code": code}
        path = function.path.format(
            organisation=self.rows[key["organisation"]].organisation_id,
            id=uuid.UUID(int=0),
            party="KPNL1",
        )
        if status != 200:
            refused |= {"reason": secret["ended"]} if secret["ended"] else {}
            self.hears(secret, "GET", "/me", status, **refused)
            self.hears(secret, function.method, path, status, **refused)
            return
        secret["used"] = True
        answer = self.hears(secret, "GET", "/me", 200)
        assert [entry["function"] for entry in answer["functions"]] == opened
        assert all(self.books.may(key["owner"], key["organisation"], name) for name in opened)
        if function.name in opened:
            self.gets_past_the_gate(secret, function.method, path)
        else:
            lacks = {"function": function.name, "reason": self.books.missing(key, function.name)}
            self.hears(secret, function.method, path, 403, code="ERRCDO4000011", **lacks)

    def hears(self, secret, method, path, status, **fields):
        """Call with the Secret; the answer has this status and these fields."""
        answer = self.call(secret, method, path)
        body = answer.json()
        assert answer.status_code == status
        assert {name: body[name] for name in fields} == fields
        return body

    def gets_past_the_gate(self, secret, method, path):
        """Call with the Secret; whatever is wrong with the rest, the gate has let it in."""
        answer = self.call(secret, method, path)
        assert answer.status_code < 500
        said = answer.json()
        assert isinstance(said, list) or said.get("code") not in GATE

    def call(self, secret, method, path):
        return self.client.generic(
            method,
            f"/api/v1{path}",
            b"not an invoice",
            content_type="application/xml",
            headers={"Authorization": basic(secret["app_key"], secret["secret"])},
        )


def rows(connections):
    return set(connections.values_list("pk", flat=True))


@pytest.mark.slow
@pytest.mark.django_db
def test_no_key_ever_does_what_its_owner_may_not(settings):
    settings.REQUEST_MAILS_PER_ADDRESS_AND_DAY = 1_000_000
    world = World()
    run_state_machine_as_test(partial(Life, world), settings=HOW)
