"""Data at size: a few rows made as the portal makes them, repeated in the database under every constraint.

    python -m benchmarks.data base            the demonstration, and one of each kind that is repeated
    python -m benchmarks.data grow KEYS ROWS  that many key sets; and of one accountant that many clients, of
                                              one organisation that many invoices

What differs from one repetition to the next follows from its number, so two runs make the same.
"""

import base64
import json
import random
import sys
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Max

from benchmarks.installations import NOTE

CALLED = 1000  # key sets that are really called; nobody has the Secrets of the others
BLOCK = 100  # clients, and invoices, of which the others are repetitions
KEYS_EACH = 10  # connections of one organisation
LAST_YEAR = datetime(2025, 11, 20, tzinfo=UTC)


@dataclass(frozen=True)
class Block:
    """Rows that were made together: of each model those after `first`, which span `span` numbers."""

    first: dict[type, int]
    span: dict[type, int]


@contextmanager
def made(*kinds):
    """The rows of the models `kinds` that the body makes, as a Block that is complete at its end."""
    block = Block({kind: _last(kind) for kind in kinds}, {})
    yield block
    block.span.update({kind: _last(kind) - block.first[kind] for kind in kinds})


def repeat(block, times, changed):
    """Repeat the rows of a block that many times, each with its own links among them.

    `changed` has for each model the columns that must differ, as SQL in which {id} and every other column in
    braces are those of the new row, {k} the number of the repetition. UUIDs differ by themselves.
    """
    if times:
        with transaction.atomic(), connection.cursor() as cursor:
            for kind in block.span:
                cursor.execute(_repetition(block, kind, times, changed.get(kind, {})))
        with connection.cursor() as cursor:
            for statement in connection.ops.sequence_reset_sql(_no_style(), list(block.span)):
                cursor.execute(statement)


def _repetition(block, kind, times, changed):
    fields = kind._meta.local_concrete_fields
    new = {field.column: _shifted(block, kind, field) for field in fields}
    key = new[kind._meta.pk.column]
    words = new | {"id": key, "k": "k", "hash": f"md5('{kind.__name__}' || ({key}))"}
    own = {field.column: _own_uuid(words) for field in fields if _is_uuid(field)}
    own |= {name: sql.format_map(words) for name, sql in changed.items()}
    columns = ", ".join(f'"{field.column}"' for field in fields)
    values = ", ".join(own.get(field.column, new[field.column]) for field in fields)
    table, pk = kind._meta.db_table, kind._meta.pk.column
    return f"""
        INSERT INTO {table} ({columns})
        WITH RECURSIVE numbers(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM numbers WHERE k < {times})
        SELECT {values} FROM numbers CROSS JOIN {table} old
        WHERE old."{pk}" > {block.first[kind]}
            AND old."{pk}" <= {block.first[kind] + block.span[kind]}
        ORDER BY k, old."{pk}"
    """


def _shifted(block, kind, field):
    """The column in the new row: a number of the block moves on, everything else stays."""
    of = field.related_model if field.is_relation else kind
    column = f'old."{field.column}"'
    if of not in block.span or not (field.is_relation or field.primary_key):
        return column
    return (
        f"CASE WHEN {column} > {block.first[of]} THEN {column} + k * {block.span[of]} "
        f"ELSE {column} END"
    )


def _is_uuid(field):
    return isinstance(field, models.UUIDField)


def _own_uuid(words):
    return f"CAST({words['hash']} AS {'uuid' if connection.vendor == 'postgresql' else 'text'})"


def _earlier(column):
    """SQL of a time an hour before that of the repetition before."""
    if connection.vendor == "postgresql":
        return f"old.{column} - k * interval '1 hour'"
    return f"strftime('%Y-%m-%d %H:%M:%f', old.{column}, '-' || k || ' hours') || '000'"


def _last(kind):
    return kind.objects.aggregate(last=Max("pk"))["last"] or 0


def _no_style():
    from django.core.management.color import no_style

    return no_style()


# What is made


def base():
    """What all sizes begin with: the demonstration."""
    from portal.demo import story

    story.tell()
    _note({})


def grow(number_of_keys, rows):
    """Make the keys and the lists, and write down what calls and visits them need."""
    _hurry()
    pairs = grow_keys(number_of_keys)
    grow_clients(rows)
    receiver = grow_invoices(rows)
    _analyse()
    _write_down(pairs, receiver)


def grow_keys(number):
    """That many key sets, ten of an organisation; answers a thousand of them with their Secrets, or all."""
    from accounts.models import ElectronicAddress, Environment, Membership, Organisation, User
    from connections.functions import FUNCTIONS
    from connections.models import App, Connection, KeySet
    from tests.factories import EnvironmentFactory, MembershipFactory, connect

    EnvironmentFactory()  # with it comes whoever activates Integrations everywhere
    app = App.objects.create(name="Everything", functions=list(FUNCTIONS))
    kinds = [Environment, User, Organisation, ElectronicAddress, Membership, Connection, KeySet]
    with made(*kinds) as block:
        member = MembershipFactory(user__administrator=True)
        address = f"0106:{member.organisation.registration_number}"
        ElectronicAddress.objects.create(organisation=member.organisation, value=address)
        for place in range(KEYS_EACH):
            connect(member.user, app=app, administration=f"Books {place}")
        # The first use of a key leaves an event, which is no part of what a call costs.
        KeySet.objects.filter(pk__gt=block.first[KeySet]).update(
            first_used_at=LAST_YEAR, last_used_at=LAST_YEAR
        )
    repeat(block, number // KEYS_EACH - 1, CHANGED())
    return _give_secrets(KeySet.objects.filter(pk__gt=block.first[KeySet]), min(CALLED, number))


def grow_clients(number):
    """That many clients of the demonstration's accountant, each with three packages."""
    from accounts.models import Environment, Membership, Organisation, User
    from connections.models import Connection, KeySet
    from partners.models import AuthorisationRequest, Mandate, MandateApp, Partnership
    from portal.demo import size, story

    kinds = [Environment, Organisation, User, Partnership, Mandate, Membership]
    kinds += [AuthorisationRequest, MandateApp, Connection, KeySet]
    with made(*kinds) as block:
        size.grow(User.objects.get(email=story.ACCOUNTANT), min(BLOCK, number))
    repeat(block, number // BLOCK - 1, CHANGED())


def grow_invoices(number):
    """That many invoices that one organisation received: of four one paid, one fetched, two new."""
    from connections.invoices import services
    from connections.invoices.models import Document, Invoice, Offer, StatusChange
    from connections.models import Connection
    from portal.demo.invoices import write

    live = Connection.objects.live().filter(name="Bookkeeping", mandate=None)
    sender = live.get(organisation__name="Van Dijk Transport B.V.")
    receiver = live.get(organisation__name="Bakkerij De Molen B.V.")
    with made(Invoice, Document, StatusChange, Offer) as block:
        for place in range(min(BLOCK, number)):
            xml = write(
                sender=sender.organisation,
                receiver=receiver.organisation,
                number=f"B-{place}",
                issued=date(2026, 11, 20),
                lines=[("Flour", "410.00")],
            )
            invoice, _new = services.send(xml=xml, through=sender)
            if place % 4 == 0:
                services.confirm(invoice=invoice, through=receiver)
            if place % 4 == 1:
                services.set_status(invoice=invoice, status="paid", through=receiver)
    repeat(block, number // BLOCK - 1, CHANGED())
    return receiver.organisation


def CHANGED():  # noqa: N802 (a table, of models that are there only once Django is)
    """The columns that must differ from row to row, beside UUIDs."""
    from accounts.models import ElectronicAddress, Environment, Organisation, User
    from connections.invoices.models import Invoice
    from connections.models import Connection, KeySet
    from partners.models import Mandate

    earlier = {name: _earlier(name) for name in ("created_at", "changed_at")}
    return {
        Environment: {"name": "'Company ' || lpad(CAST({id} AS text), 7, '0')"},
        Organisation: {
            "name": "'Company ' || lpad(CAST({id} AS text), 7, '0')",
            "organisation_id": "'KPNL' || (10000 + {id})",
            "registration_number": "CAST(20000000 + {id} AS text)",
        },
        ElectronicAddress: {"value": "'0106:' || (20000000 + {organisation_id})"},
        User: {"email": "'person' || ({id}) || '@bench.example'"},
        Mandate: {
            "name": "'Company ' || lpad(CAST({organisation_id} AS text), 7, '0')",
            "registration_number": "CAST(20000000 + {organisation_id} AS text)",
        },
        # Everybody's side by side in time, as in a portal that has grown for years.
        Connection: {"created_at": earlier["created_at"]},
        KeySet: {
            "created_at": earlier["created_at"],
            "app_key": "'kpa_' || substr({hash}, 1, 22)",
            "secret_digest": "{hash} || {hash}",
            "leak_tag": "md5('leak' || ({id})) || {hash}",
        },
        Invoice: {"number": "'B-' || ({id})", **earlier},
    }


def _give_secrets(key_sets, number):
    """Give that many of them, spread over all, an App Key and a Secret that calls can use."""
    numbers = key_sets.order_by("pk").values_list("pk", flat=True)
    spread = list(numbers[:: max(1, len(numbers) // number)])[:number]
    chosen = list(key_sets.select_related("connection__organisation").in_bulk(spread).values())
    pairs = [made_up_pair(key_set.pk) for key_set in chosen]
    for key_set, pair in zip(chosen, pairs, strict=True):
        key_set.app_key = pair.app_key
        for name, value in key_set.hashed(pair.secret).items():
            setattr(key_set, name, value)
    fields = ["app_key", "pepper", "secret_digest", "leak_tag"]
    type(chosen[0]).objects.bulk_update(chosen, fields, batch_size=100)
    return list(zip(chosen, pairs, strict=True))


def made_up_pair(seed):
    """A pair of the right form that follows from `seed`."""
    from connections import keys

    def written(prefix, length):
        body = prefix + "".join(dice.choices(keys.ALPHABET, k=length - len(prefix) - 6))
        rest, checksum = zlib.crc32(body.encode()), ""
        for _ in range(6):
            rest, digit = divmod(rest, len(keys.ALPHABET))
            checksum = keys.ALPHABET[digit] + checksum
        return body + checksum

    dice = random.Random(seed)  # noqa: S311 (they open nothing but the data of a benchmark)
    pair = keys.pair_of(
        written(keys.APP_KEY_PREFIX, keys.APP_KEY_LENGTH),
        written(keys.SECRET_PREFIX, keys.SECRET_LENGTH),
    )
    if pair is None:
        raise ValueError("The form of keys has changed.")
    return pair


def _hurry():
    """What is lost in a crash is made anew, so it need not reach the disk at once."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous=OFF")
            cursor.execute("PRAGMA cache_size=-1000000")


def _analyse():
    """As the database does by itself after a night."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
        else:
            cursor.execute("PRAGMA optimize=0x10002")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _write_down(pairs, receiver):
    """Keep beside the data what calls and visits need: keys, addresses of pages, cookies."""
    from accounts.models import User
    from portal.demo import story

    folder = Path(settings.PORTAL_DATA)
    lines = []
    for key_set, pair in pairs:
        organisation = key_set.connection.organisation
        basic = base64.b64encode(f"{pair.app_key}:{pair.secret.reveal()}".encode()).decode()
        values = (
            f"Basic {basic}",
            organisation.organisation_id,
            organisation.registration_number,
        )
        lines.append("\t".join(values))
    (folder / "keys.tsv").write_text("\n".join(lines) + "\n")
    (folder / "document.xml").write_text(_document(pairs[0][0].connection.organisation, receiver))
    people = {"accountant": story.ACCOUNTANT, "receiver": "sanne@demolen.example"}
    note = {
        "inbox": f"/organisations/{receiver.organisation_id}/invoices/",
        "cookies": {name: _cookie(User.objects.get(email=email)) for name, email in people.items()},
    }
    _note(note)


def _note(values):
    """Write down that the data are complete, and what visits need to know."""
    Path(settings.PORTAL_DATA, NOTE).write_text(json.dumps(values))


def _document(sender, receiver):
    """An invoice from any of those whose keys are called: the caller fills in who, and which number."""
    from portal.demo.invoices import write

    lines = [("Flour", "410.00"), ("Transport", "38.50"), ("Pallets, returned", "-12.00")]
    issued = date(2026, 11, 20)
    xml = write(sender=sender, receiver=receiver, number="{NUMBER}", issued=issued, lines=lines)
    return xml.decode().replace(sender.registration_number, "{SUPPLIER}")


def _cookie(user):
    from django.test import Client

    visitor = Client(SERVER_NAME="localhost")
    visitor.force_login(user)
    return visitor.cookies[settings.SESSION_COOKIE_NAME].value


if __name__ == "__main__":
    import django

    django.setup()
    if sys.argv[1] == "base":
        base()
    else:
        grow(*map(int, sys.argv[2:]))
