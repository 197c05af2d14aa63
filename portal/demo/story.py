"""Who lives in the demonstration, and what they did: all through the services, so that every rule holds."""

import secrets
import uuid
from dataclasses import dataclass
from datetime import timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import integrations
from accounts import services as accounts
from accounts.mail.models import Mail
from accounts.models import Environment, Organisation, Plan, User
from accounts.registration import Country
from accounts.roles import Role
from connections import expiry
from connections import services as connections
from connections.calls import CALLS
from connections.errors import INVALID_KEYS, SCOPE_MISSING
from connections.invoices import reoffers
from connections.invoices import services as invoices
from connections.keys import KeyPair
from connections.models import Access, App, CallCount, Connection
from partners import services as partners
from partners.models import AuthorisationRequest
from portal.demo.apps import BOTH, PACKAGES, RECEIVE, draw_logo
from portal.demo.invoices import write

PASSWORD = "molen-koppel-2026"  # noqa: S105 (printed for everybody who tries the demonstration)
SUPPORT = "support@koppel.example"
ACCOUNTANT = "willem@noord.example"
BOOKS_WINDOW = f"{settings.PORTAL_BASE_URL}/books/connect/" if settings.PORTAL_BOOKS else ""


@dataclass(frozen=True)
class Company:
    environment: str
    plan: Plan
    people: list[
        tuple[str, str, str, Role]
    ]  # first name, last name, e-mail; the first is the administrator
    organisations: list[tuple[str, str]]  # name, KvK number
    accountant_right: bool = False


COMPANIES = [
    Company(
        "Bakkerij De Molen",
        Plan.BASIC,
        [
            ("Sanne", "de Wit", "sanne@demolen.example", Role.ADMINISTRATOR),
            ("Joris", "Bakker", "joris@demolen.example", Role.ADVANCED),
            ("Fatima", "El Amrani", "fatima@demolen.example", Role.BASIC),
        ],
        [("Bakkerij De Molen B.V.", "71234561")],
    ),
    Company(
        "Van Dijk Groep",
        Plan.PROFESSIONAL,
        [
            ("Peter", "van Dijk", "peter@vandijk.example", Role.ADMINISTRATOR),
            ("Noor", "Jansen", "noor@vandijk.example", Role.BASIC),
        ],
        [("Van Dijk Transport B.V.", "72345672"), ("Van Dijk Verhuur B.V.", "73456783")],
    ),
    Company(
        "Administratiekantoor Noord",
        Plan.PROFESSIONAL,
        [
            ("Willem", "Noord", "willem@noord.example", Role.ADMINISTRATOR),
            ("Aisha", "Verhoeven", "aisha@noord.example", Role.ADVANCED),
            ("Tom", "de Boer", "tom@noord.example", Role.BASIC),
        ],
        [("Administratiekantoor Noord B.V.", "74567894")],
        accountant_right=True,
    ),
    Company(
        "Hovenier Smit",
        Plan.INVOICE_PORTAL,
        [("Els", "Smit", "els@smit.example", Role.ADMINISTRATOR)],
        [("Hovenier Smit", "75678905")],
    ),
]


@dataclass(frozen=True)
class Made:
    """A connection with the keys that this run made; nobody will see the Secret again."""

    connection: Connection
    pair: KeyPair


def logins():
    """E-mail, role and environment of everybody who can log in, with the password of the demonstration."""
    people = [
        {
            "email": email,
            "password": PASSWORD,
            "role": str(role),
            "environment": company.environment,
        }
        for company in COMPANIES
        for _first, _last, email, role in company.people
    ]
    return [
        *people,
        {"email": SUPPORT, "password": PASSWORD, "role": "support", "environment": None},
    ]


@transaction.atomic
def tell() -> list[Made]:
    """Make the demonstration, whole or not at all, and answer the connections with their keys.

    Where it was made before, nothing changes and nothing is answered.
    """
    if User.objects.filter(email=SUPPORT).exists():
        return []
    mails_before = set(Mail.objects.values_list("pk", flat=True))
    _publish_apps()
    for company in COMPANIES:
        _found(company)
    made = _connect()
    _look_after_clients(made)
    _exchange_invoices(made)
    _call(made)
    support = User.objects.create_superuser(SUPPORT, PASSWORD)
    EmailAddress.objects.create(user=support, email=SUPPORT, verified=True, primary=True)
    Mail.objects.exclude(pk__in=mails_before).delete()  # nobody reads mails at these addresses
    return list(made.values())


def _publish_apps():
    for package in PACKAGES:
        app, new = App.objects.get_or_create(
            name=package.name,
            environment=None,
            defaults={
                "description": package.description,
                "functions": package.functions,
                "quick_connect": package.quick_connect,
                "connect_url": BOOKS_WINDOW if package.name == "Koppel Books" else "",
                "autopilot_url": package.autopilot_url,
                "guide": package.guide,
                "guide_nl": package.guide_nl,
            },
        )
        if new:
            connections.store_logo(app, draw_logo(package))


def _found(company):
    first, *others = company.people
    administrator = User(first_name=first[0], last_name=first[1], email=first[2])
    administrator.set_password(PASSWORD)
    accounts.sign_up(user=administrator, environment_name=company.environment)
    EmailAddress.objects.create(
        user=administrator, email=administrator.email, verified=True, primary=True
    )
    environment = administrator.environment
    Environment.objects.filter(pk=environment.pk).update(
        plan=company.plan, accountant_right=company.accountant_right
    )
    if company.plan != Plan.INVOICE_PORTAL:
        integrations.activate(environment=environment, terms=integrations.TERMS, by=administrator)
    organisations = [
        accounts.add_organisation(
            organisation=Organisation(
                name=name, country=Country.NETHERLANDS, registration_number=number
            ),
            by=administrator,
        )
        for name, number in company.organisations
    ]
    for first_name, last_name, email, role in others:
        user = accounts.invite(
            environment=environment,
            email=email,
            role=role,
            organisations=organisations,
            by=administrator,
        )
        accounts.accept_invitation(
            token=accounts.invitation_token(user),
            first_name=first_name,
            last_name=last_name,
            password=PASSWORD,
            language="en",
        )


def _connect():
    """Connections in every state, each under a name for the rest of the story."""
    made = {}

    def connect(key, organisation, app, email, name, access=Access.ALL, functions=()):
        connection, pair = connections.create_connection(
            organisation=Organisation.objects.get(name=organisation),
            app=App.objects.get(name=app),
            name=name,
            access=access,
            confirmed=True,
            functions=functions,
            by=User.objects.get(email=email),
            op_id=uuid.uuid4(),
        )
        made[key] = Made(connection, pair)

    sanne, peter = (
        User.objects.get(email=email)
        for email in ("sanne@demolen.example", "peter@vandijk.example")
    )
    connections.create_own_app(
        environment=sanne.environment,
        name="Webshop",
        functions=["SendDocument", "GetAccountParties"],
        by=sanne,
    )
    connect("bakery", "Bakkerij De Molen B.V.", "Yuki", sanne.email, "Bookkeeping")
    connect(
        "unused", "Bakkerij De Molen B.V.", "Basecone", "joris@demolen.example", "Scanned invoices"
    )
    connect("revoked", "Bakkerij De Molen B.V.", "Exact Globe", sanne.email, "Old bookkeeping")
    connect("webshop", "Bakkerij De Molen B.V.", "Webshop", sanne.email, "Webshop orders")
    connect("transport", "Van Dijk Transport B.V.", "Twinfield", peter.email, "Bookkeeping")
    noor = User.objects.get(email="noor@vandijk.example")
    accounts.change_role(user=noor, role=Role.ADVANCED, by=peter)
    connect("suspended", "Van Dijk Verhuur B.V.", "AFAS Profit", noor.email, "Bookkeeping")
    accounts.change_role(user=noor, role=Role.BASIC, by=peter)
    connect(
        "office", "Administratiekantoor Noord B.V.", "Yuki", "willem@noord.example", "Our own books"
    )
    connect("paused", "Van Dijk Transport B.V.", "Payt", peter.email, "Reminders")
    connections.pause(connection=made["paused"].connection, by=peter)
    connect("rotating", "Van Dijk Verhuur B.V.", "AccountView", peter.email, "Ledger")
    connection = made["rotating"].connection
    pair = connections.rotate(
        connection=connection, overlap=connections.Overlap.WEEK, by=peter, op_id=uuid.uuid4()
    )
    made["rotating"] = Made(connection, pair)
    _limit_joris(made, sanne)
    connections.revoke(connection=made["revoked"].connection, by=sanne)
    replaced = made["transport"].connection
    made["transport"] = Made(
        replaced, connections.create_new_keys(connection=replaced, by=peter, op_id=uuid.uuid4())
    )
    return made


def _limit_joris(made, by):
    """A colleague with few accesses, and a key that lives on him for software that is in no list."""
    joris = User.objects.get(email="joris@demolen.example")
    place = joris.memberships.get()
    connections.change_accesses_of_person(membership=place, accesses=RECEIVE, by=by)
    connection, pair = connections.create_connection(
        organisation=place.organisation,
        app=App(environment=by.environment, name="Year-end tool", functions=BOTH),
        name="Annual accounts",
        access=Access.ALL,
        confirmed=True,
        ends_at=expiry.moment_of(timezone.localdate() + timedelta(days=20)),
        owner=joris,
        by=by,
        op_id=uuid.uuid4(),
    )
    made["year end"] = Made(connection, pair)


def _look_after_clients(made):
    """The accountancy's requests, in every status, and the connection that it made for a client."""
    willem, aisha, sanne, peter, els = (
        User.objects.get(email=email)
        for email in (
            "willem@noord.example",
            "aisha@noord.example",
            "sanne@demolen.example",
            "peter@vandijk.example",
            "els@smit.example",
        )
    )

    def ask(package, client_name, number, email, by=willem, **values):
        app = App.objects.get(name=package)
        return partners.ask(
            client_name=client_name,
            email=email,
            country=Country.NETHERLANDS,
            registration_number=number,
            app=app,
            accountant_pays=True,
            functions=app.functions,
            language="en",
            op_id=uuid.uuid4(),
            by=by,
            **values,
        )

    def accept(request, by):
        return partners.accept(request=request, functions=request.functions, by=by)

    transport = ("Twinfield", "Van Dijk Transport B.V.", "72345672", peter.email)
    connections.end_partnership(partnership=accept(ask(*transport), peter), by=willem)
    accept(ask(*transport), peter)
    connection, pair = connections.create_connection(
        organisation=Organisation.objects.get(name=transport[1]),
        app=App.objects.get(name="Informer"),
        name="Invoices by the office",
        access=Access.ALL,
        confirmed=True,
        by=willem,
        op_id=uuid.uuid4(),
    )
    made["office at transport"] = Made(connection, pair)
    partners.decline(
        request=ask("Payt", "Van Dijk Verhuur B.V.", "73456783", peter.email), by=peter
    )
    accept(ask("SnelStart", "Hovenier Smit", "75678905", els.email, by=aisha), els)
    smit = Organisation.objects.get(name="Hovenier Smit")
    connection, pair = connections.create_connection(
        organisation=smit,
        app=App.objects.get(name="SnelStart"),
        name="Bookkeeping",
        access=Access.ALL,
        confirmed=True,
        by=aisha,
        op_id=uuid.uuid4(),
    )
    made["gardener"] = Made(connection, pair)
    office = Organisation.objects.get(name="Administratiekantoor Noord B.V.")
    connections.add_organisation(
        connection=connection, organisation=office, administration="Own books", by=aisha
    )
    partners.assign(
        mandate=smit.mandates.get(),
        users={aisha, User.objects.get(email="tom@noord.example")},
        by=willem,
    )
    garage = ("Exact Globe", "Garage Post", "76789016", "info@garagepost.example")
    ask(*garage)
    partners.withdraw(request=ask(*garage, replace=True), by=willem)
    forgotten = ask("Yuki", "Kapsalon Knip", "77890127", "knip@kapsalon.example")
    long_ago = timezone.now() - timedelta(days=23)
    AuthorisationRequest.objects.filter(pk=forgotten.pk).update(
        created_at=long_ago, sent_at=long_ago, expires_at=long_ago + timedelta(days=21)
    )
    partners.expire_due()
    ask(
        "Koppel Books",
        "Bakkerij De Molen B.V.",
        "71234561",
        sanne.email,
        note="Hello Sanne, as we said on the phone: with this we can do your books without paper.",
    )


def _exchange_invoices(made):
    bakery, transport = made["bakery"].connection, made["transport"].connection
    rental = made["suspended"].connection
    today = timezone.localdate()
    post = [
        (
            bakery,
            transport,
            "2026-0101",
            [("Lunch for 12, Monday", "138.00"), ("Delivery", "9.50")],
        ),
        (bakery, transport, "2026-0102", [("Cake for the jubilee", "86.25")]),
        (transport, bakery, "VT-5501", [("Flour from the mill, 2 trips", "410.00")]),
        (transport, bakery, "VT-5502", [("Cold transport, week 46", "285.75"), ("Toll", "14.20")]),
        (bakery, rental, "2026-0103", [("Breakfast for the drivers", "64.00")]),
        (bakery, transport, "2026-0104", [("Lunch for 8, Thursday", "92.00")]),
    ]
    nobody = b"79999990"  # the last one goes to a number that is not here, so its delivery fails
    sent = {}
    for place, (sending, receiving, number, lines) in enumerate(post):
        xml = write(
            sender=sending.organisation,
            receiver=receiving.organisation,
            number=number,
            issued=today - timedelta(days=8 - place),
            lines=lines,
        )
        if place == len(post) - 1:
            xml = xml.replace(receiving.organisation.registration_number.encode(), nobody)
        sent[number], _new = invoices.send(xml=xml, through=sending)
        if number == "VT-5502":
            invoices.send(xml=xml, through=sending)  # a duplicate
    invoices.confirm(invoice=sent["2026-0101"], through=transport)
    invoices.set_status(
        invoice=sent["2026-0101"], status="paid", note="Paid by bank", by=transport.owner
    )
    invoices.set_status(
        invoice=sent["2026-0102"], status="rejected", note="Not ordered by us", by=transport.owner
    )
    reoffers.reoffer(
        invoices=bakery.organisation.inbox.all(),
        organisation=bakery.organisation,
        connections=[bakery],
        by=bakery.owner,
    )


def _call(made):
    """Thirty days of calls of the bakery's package, and software that did not hear of new or revoked keys."""
    live = {key: it.connection.key_sets.order_by("-version").first() for key, it in made.items()}
    now = timezone.now()
    CallCount.objects.bulk_create(
        CallCount(
            key_set=live["bakery"],
            day=timezone.localdate() - timedelta(days=ago),
            function=name,
            calls=4 + (ago * 7 + len(name)) % 23,
            last_at=now - timedelta(days=ago),
            last_request_id="",
            last_network="192.0.2.0/24",
        )
        for ago in range(1, 30)
        for name in BOTH[:3]
        if (timezone.localdate() - timedelta(days=ago)).weekday() < 5
    )
    old_set, older = (
        made[key].connection.key_sets.get(version=1) for key in ("transport", "rotating")
    )
    for key_set, name, code, reason in (
        (live["bakery"], "GetInboxDocuments", "", ""),
        (live["bakery"], "SendDocument", "", ""),
        (live["transport"], "GetInboxDocuments", "", ""),
        (live["webshop"], "SendDocument", "", ""),
        (older, "GetInboxDocuments", "", ""),
        (live["webshop"], "GetOutboxDocuments", SCOPE_MISSING.code, "app"),
        (old_set, "GetInboxDocuments", INVALID_KEYS.code, "superseded"),
        (live["revoked"], "GetInboxDocuments", INVALID_KEYS.code, "revoked"),
    ):
        CALLS.note(
            key_set.pk,
            function=name,
            code=code,
            request_id=f"req_{secrets.token_hex(10)}",
            network="192.0.2.0/24",
            extra={"reason": reason},
        )
    CALLS.flush()
