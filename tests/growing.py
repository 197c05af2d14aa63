"""Lists at size: copies of rows by the hundred thousand, each kind in one statement of the database."""

from types import SimpleNamespace

from django.db import connection as db
from django.db import transaction

from accounts.events.models import Event
from accounts.mail.models import Mail, Notice
from accounts.models import Membership
from connections.invoices.models import Invoice, Offer
from partners.models import Mandate, MandateApp
from partners.services import accept
from tests.factories import (
    AppFactory,
    MembershipFactory,
    ask,
    connect,
)
from tests.software import Software

PADDED = "substr(CAST(1000000 + i AS text), 2)"
RANDOM = {"sqlite": "lower(hex(randomblob(16)))", "postgresql": "md5(random()::text || i)"}
UUID = {"sqlite": "lower(hex(randomblob(16)))", "postgresql": "gen_random_uuid()"}
EARLIER = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', {0}, '-' || i || ' seconds')",
    "postgresql": "{0} - i * interval '1 second'",
}


def new_uuid():
    return UUID[db.vendor]


def unique():
    return RANDOM[db.vendor]


def earlier(column):
    """The value of that column, one second earlier for each copy."""
    return EARLIER[db.vendor].format(column)


def multiply(row, size, **values):
    """Add `size` copies of `row`; `values` are SQL for columns that differ, over `i` and the row's columns.

    The primary keys of the copies are a million times that of the row and i, so that copies of rows that
    belong together can name each other: see `of`.
    """
    table = row._meta.db_table
    columns = {field.column: f'"{field.column}"' for field in row._meta.concrete_fields}
    columns |= {"id": f"{of(row)}"} | values
    names, sql = ", ".join(f'"{name}"' for name in columns), ", ".join(columns.values())
    with db.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {size})"
            f' INSERT INTO "{table}" ({names}) SELECT {sql} FROM "{table}", n WHERE "id" = {row.pk}'
        )


def of(row):
    """The primary key of the copy with the same `i`."""
    return f"({row.pk * 1_000_000} + i)"


@transaction.atomic
def grow(size):
    """An accountant with that many clients, and an organisation with that many of everything else.

    Each has `size` rows of its own and a fifth of that of others around it.
    """
    _trust_the_copies()
    apps = [AppFactory(name=name) for name in ("Yuki", "Twinfield", "Basecone")]
    (boss, clients), _others = (
        _accountant(apps, number, start) for number, start in ((size, 0), (size // 5, 500_000))
    )
    books, other_books = (connect(app=apps[0])[0] for _ in range(2))
    for connection, number in ((books, size), (other_books, size // 5)):
        _connections(connection, number)
        _history(connection, number)
    (seller, sends), (buyer, receives) = (connect(app=apps[0]) for _ in range(2))
    _invoices(seller, buyer, size)
    _invoices(buyer, seller, size // 5)
    _mails(size)
    if db.vendor == "postgresql":
        with db.cursor() as cursor:
            cursor.execute("ANALYZE")
    return SimpleNamespace(
        boss=boss,
        clients=clients,
        books=books,
        buyer=buyer,
        receives=Software(receives, buyer.organisation),
        seller=seller,
        sends=Software(sends, seller.organisation),
    )


def _trust_the_copies():
    """Where we may, look up no foreign key of them: that takes PostgreSQL longer than to write them."""
    if db.vendor == "postgresql":
        with db.cursor() as cursor:
            cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
            if cursor.fetchone()[0]:
                cursor.execute("SET LOCAL session_replication_role = replica")


def _accountant(apps, size, start):
    office = MembershipFactory(user__administrator=True, organisation__environment__accountant=True)
    boss = office.user
    name, number = f"'Client ' || {PADDED}", f"CAST({20_000_000 + start} + i AS text)"
    client = MembershipFactory(user__administrator=True)
    asked = [ask(boss, client, app=app) for app in apps]
    accept(request=asked[0], functions=asked[0].functions, by=client.user)
    mandate = Mandate.objects.get(accountant=boss.environment)
    organisation, environment = client.organisation, client.organisation.environment
    connection, _pair = connect(owner=boss, organisation=organisation, app=apps[0])
    place = Membership.objects.get(user=boss, organisation=organisation)
    multiply(environment, size, name=name)
    multiply(
        organisation,
        size,
        name=name,
        registration_number=number,
        environment_id=of(environment),
        organisation_id=f"'KPNL' || {of(organisation)}",
    )
    multiply(place, size, organisation_id=of(organisation))
    multiply(mandate.partnership, size, uuid=new_uuid(), client_id=of(environment))
    multiply(
        mandate,
        size,
        uuid=new_uuid(),
        name=name,
        email=f"'client' || {PADDED} || '@clients.example'",
        registration_number=number,
        partnership_id=of(mandate.partnership),
        organisation_id=of(organisation),
    )
    for request in mandate.requests.all():
        cell = MandateApp.objects.get(mandate=mandate, app=request.app)
        multiply(
            request,
            size,
            uuid=new_uuid(),
            op_id=new_uuid(),
            mandate_id=of(mandate),
            client_name=name,
            email=f"'client' || {PADDED} || '@clients.example'",
            created_at=earlier("created_at"),
        )
        multiply(cell, size, mandate_id=of(mandate), request_id=of(request))
    multiply(
        connection,
        size,
        uuid=new_uuid(),
        organisation_id=of(organisation),
        mandate_id=of(mandate),
        created_at=earlier("created_at"),
    )
    _key_sets(connection, size)
    _own, pair = connect(owner=boss, organisation=office.organisation, app=apps[0])
    return boss, Software(pair, office.organisation)


def _key_sets(connection, size):
    """One in fifty is rotating or was never used; the others were used now."""
    key_set = connection.key_sets.get()
    multiply(
        key_set,
        size,
        connection_id=of(connection),
        app_key=f"substr({unique()}, 1, 26)",
        op_id=new_uuid(),
        leak_tag=unique(),
        first_used_at="CASE WHEN i % 50 = 1 THEN NULL ELSE created_at END",
        last_used_at="CASE WHEN i % 50 = 1 THEN NULL ELSE created_at END",
    )


def _connections(connection, size):
    """Of fifty one is paused and one revoked."""
    multiply(
        connection,
        size,
        uuid=new_uuid(),
        number="i + 1",
        name=f"'Till ' || {PADDED}",
        administration="CAST(i AS text)",
        created_at=earlier("created_at"),
        paused_at="CASE WHEN i % 50 = 2 THEN created_at END",
        revoked_at="CASE WHEN i % 50 = 3 THEN created_at END",
        revoked_by_id="CASE WHEN i % 50 = 3 THEN owner_id END",
    )
    _key_sets(connection, size)


def _history(connection, size):
    """Events, notices and users of its environment."""
    environment = connection.organisation.environment
    event = Event.objects.of(environment).newest_first()[0]
    multiply(
        event,
        size,
        at=earlier("at"),
        seal=unique(),
        subject_name=f"'Till ' || {PADDED}",
        number="i + 10",
    )
    notice = Notice.objects.create(user=connection.owner, template="x", title="Title", text="Text")
    multiply(notice, size, created_at=earlier("created_at"))
    multiply(
        connection.owner,
        size // 100,
        email=f"'person{connection.pk}-' || i || '@example.com'",
        last_name=f"'Jansen ' || {PADDED}",
    )


def _invoices(seller, buyer, size):
    """Of a hundred one is rejected, one ready and one offered to nobody."""
    invoice = Invoice.objects.create(
        kind="Invoice",
        number="F-0",
        issue_date="2026-01-01",
        currency="EUR",
        total=100,
        sender=seller.organisation,
        sender_name="Supplier",
        sender_address="0088:7300010000001",
        receiver=buyer.organisation,
        receiver_name="Customer",
        receiver_address="0192:987654325",
        sent_through=seller,
        status="paid",
    )
    offer = Offer.objects.create(invoice=invoice, connection=buyer, retrieved_at=invoice.created_at)
    multiply(
        invoice,
        size,
        uuid=new_uuid(),
        number=f"'F-' || {PADDED}",
        sender_name="'Supplier ' || i % 5000",
        receiver_name="'Customer ' || i % 5000",
        created_at=earlier("created_at"),
        changed_at=earlier("changed_at"),
        status="CASE WHEN i % 100 = 0 THEN 'rejected' ELSE status END",
    )
    multiply(
        offer,
        size,
        invoice_id=of(invoice),
        retrieved_at="CASE WHEN i % 100 = 1 THEN NULL ELSE retrieved_at END",
    )


def _mails(size):
    mail = Mail.objects.create(to="a@example.com", sender="b@example.com", subject="S", body="B")
    multiply(mail, size, created_at=earlier("created_at"), sent_at="created_at")
