"""Who calls: all that decides about a call, read by one statement of our own (decision 37).

Django's ORM takes ten times as long to write such a statement as the database to answer it. What comes back
are plain rows, which borrow the rules of the models: there is one of each (R5, R7, R8).
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connection, connections

from accounts.models import Environment, User
from connections import keys
from connections.models import Connection, KeySet
from connections.models.standing import Standing
from connections.rights import Part
from partners.models import Mandate


@dataclass(slots=True)
class _Environment:
    pk: int
    plan: str
    integrations_at: datetime | None
    blocked_at: datetime | None

    plan_includes_integrations = Environment.plan_includes_integrations
    has_integrations = Environment.has_integrations
    is_blocked = Environment.is_blocked


@dataclass(slots=True)
class _Organisation:
    pk: int
    organisation_id: str
    name: str
    registration_number: str
    country: str
    sending: bool
    receiving: bool
    addresses: list[str]
    environment: _Environment

    @property
    def environment_id(self):
        return self.environment.pk


@dataclass(slots=True)
class _Mandate:
    given_at: datetime | None
    ended_at: datetime | None
    accountant_pays: bool
    functions: Part
    accountant: _Environment

    is_active = Mandate.is_active

    @property
    def accountant_id(self):
        return self.accountant.pk


@dataclass(slots=True)
class _Owner:
    environment_id: int | None
    role: str
    is_active: bool

    may = User.may


@dataclass(slots=True)
class _App:
    name: str
    functions: Part


@dataclass(slots=True)
class _Place(Standing):
    """The connection in one organisation, as `Connection` or `FurtherOrganisation`."""

    organisation: _Organisation
    mandate: _Mandate | None
    owner_is_member: bool
    owner_accesses: Part
    app: _App
    owner: _Owner
    key: Part


@dataclass(slots=True)
class _Connection(_Place):
    pk: int
    uuid: UUID
    name: str
    paused_at: datetime | None

    @property
    def organisation_id(self):
        return self.organisation.pk


@dataclass(slots=True)
class Caller:
    """A key set, and so a connection, that software calls with; `token_…` are those of its token, if it sent
    one."""

    pk: int
    version: int
    app_key: str
    pepper: int
    secret_digest: str = field(repr=False)
    rotated_at: datetime | None
    ends_at: datetime | None
    retired_at: datetime | None
    retired_because: str
    is_shared: bool
    token_scopes: Part
    token_since: datetime | None
    token_ends: datetime | None
    connection: _Connection

    objects = KeySet.objects
    Retired = KeySet.Retired
    ended_because = KeySet.ended_because
    ended_at = KeySet.ended_at
    opens_with = KeySet.opens_with
    hashed = KeySet.hashed


_KEYS = """SELECT k.id, k.version, k.app_key, k.pepper, k.secret_digest, k.rotated_at, k.ends_at,
 k.retired_at, k.retired_because,
 EXISTS (SELECT 1 FROM connections_furtherorganisation WHERE connection_id = c.id),
 {sent}, c.id, c.uuid, c.name, c.paused_at, c.access, c.functions, a.name, a.functions,
 u.environment_id, u.role, u.is_active, {place}
FROM {table}
JOIN connections_connection c ON c.id = k.connection_id
JOIN connections_app a ON a.id = c.app_id
JOIN accounts_user u ON u.id = c.owner_id
{joins}
WHERE {key}
"""
_FURTHER = """SELECT {place}
FROM connections_furtherorganisation f
JOIN connections_connection c ON c.id = f.connection_id
{joins}
WHERE f.connection_id = {value}
ORDER BY f.id
"""
_LOCK = "SELECT 1 FROM {} WHERE id = %s FOR NO KEY UPDATE"
_PLACE = """o.id, o.organisation_id, o.name, o.registration_number, o.country, o.sending, o.receiving,
 (SELECT {strung}(value, ' ') FROM
  (SELECT value FROM accounts_electronicaddress WHERE organisation_id = o.id ORDER BY id) AS listed),
 e.id, e.plan, e.integrations_at, e.blocked_at,
 m.given_at, m.ended_at, m.accountant_pays, m.functions, n.id, n.plan, n.integrations_at, n.blocked_at,
 s.id IS NOT NULL, s.accesses"""
_JOINS = """JOIN accounts_organisation o ON o.id = {place}.organisation_id
JOIN accounts_environment e ON e.id = o.environment_id
LEFT JOIN partners_mandate m ON m.id = {place}.mandate_id
LEFT JOIN accounts_environment n ON n.id = m.accountant_id
LEFT JOIN accounts_membership s ON s.organisation_id = o.id AND s.user_id = c.owner_id"""


def _statements(value, strung):
    """`value` is how the driver names a value, `strung` the database's way to join texts."""
    place = _PLACE.format(strung=strung)
    of_connection = {"place": place, "joins": _JOINS.format(place="c")}
    return {
        "by_app_key": _KEYS.format(
            sent="NULL, NULL, NULL",
            table="connections_keyset k",
            key=f"k.app_key = {value}",
            **of_connection,
        ),
        "by_token": _KEYS.format(
            sent="t.scopes, t.created_at, t.expires_at",
            table="connections_securitytoken t JOIN connections_keyset k ON k.id = t.key_set_id",
            key=f"t.digest = {value}",
            **of_connection,
        ),
        "further": _FURTHER.format(place=place, joins=_JOINS.format(place="f"), value=value),
    }


_STATEMENTS = {
    "sqlite": _statements(":value", "group_concat"),
    "postgresql": _statements("%(value)s", "string_agg"),
}


def by_app_key(app_key: str) -> Caller | None:
    """Whose App Key this is, in use or retired; one statement (R43)."""
    return _caller("by_app_key", app_key)


def by_token(token: keys.Secret) -> Caller | None:
    """Whose SecurityToken this is, dead or alive; one statement (R42)."""
    return _caller("by_token", keys.token_digest(token.reveal()))


def further_places(caller: Caller) -> list[Standing]:
    """The connection in each further organisation, the oldest first; one statement (R15)."""
    it = caller.connection
    rows = _rows("further", it.pk)
    return [_Place(*_place(row), app=it.app, owner=it.owner, key=it.key) for row in rows]


def locked_again(caller: Caller) -> Caller:
    """The same keys as they are now, for the rest of the transaction nobody else's to change."""
    if connection.features.has_select_for_update:
        with connection.cursor() as cursor:
            cursor.execute(_LOCK.format("connections_connection"), [caller.connection.pk])
            cursor.execute(_LOCK.format("connections_keyset"), [caller.pk])
    return by_app_key(caller.app_key)


def _caller(statement, value):
    rows = _rows(statement, value)
    return _made(rows[0]) if rows else None


def _rows(statement, value):
    database = connections[DEFAULT_DB_ALIAS]
    try:
        return _read(database, statement, value)
    except (OperationalError, InterfaceError):
        if database.in_atomic_block:
            raise
        database.close()  # the server was started anew since the last call, perhaps
        return _read(database, statement, value)


def _postgresql_cursor(driver):
    from psycopg import Cursor  # not on SQLite: 7 MB in every web process

    return Cursor(driver)


_CURSORS = {"postgresql": _postgresql_cursor, "sqlite": lambda driver: driver.cursor()}


def _read(database, statement, value):
    """By a cursor of the driver itself: psycopg then has PostgreSQL prepare the statement once."""
    database.ensure_connection()
    cursor = _CURSORS[database.vendor](database.connection)
    if database.queries_logged:
        cursor = database.make_debug_cursor(cursor)
    with database.wrap_database_errors:
        cursor.execute(_STATEMENTS[database.vendor][statement], {"value": value})
        rows = cursor.fetchall()
    database.health_check_done = True
    return rows


def _made(row):
    token, connection_id, uuid, name, paused_at, access, functions = row[10:13], *row[13:19]
    app, asked, environment, role, is_active = row[19:24]
    made = _Connection(
        *_place(row[24:]),
        app=_App(app, _names(asked)),
        owner=_Owner(environment, role, bool(is_active)),
        key=Connection.given(access, _names(functions)),
        pk=connection_id,
        uuid=uuid if isinstance(uuid, UUID) else UUID(uuid),
        name=name,
        paused_at=paused_at,
    )
    pk, version, app_key, pepper, digest, rotated_at, ends_at, retired_at, because, shared = row[
        :10
    ]
    return Caller(
        pk=pk,
        version=version,
        app_key=app_key,
        pepper=pepper,
        secret_digest=digest,
        rotated_at=_moment(rotated_at),
        ends_at=_moment(ends_at),
        retired_at=_moment(retired_at),
        retired_because=because,
        is_shared=bool(shared),
        token_scopes=_names(token[0]),
        token_since=_moment(token[1]),
        token_ends=_moment(token[2]),
        connection=made,
    )


def _place(row):
    """Of what `_PLACE` names: organisation, mandate, whether the owner is a member, and the accesses."""
    *organisation, sending, receiving, addresses = row[:8]
    environment, mandate, accountant = row[8:12], row[12:16], row[16:20]
    return (
        _Organisation(
            *organisation,
            bool(sending),
            bool(receiving),
            (addresses or "").split(),
            _Environment(*environment),
        ),
        None if accountant[0] is None else _mandate(*mandate, _Environment(*accountant)),
        bool(row[20]),
        _names(row[21]),
    )


def _mandate(given_at, ended_at, accountant_pays, functions, accountant):
    return _Mandate(given_at, ended_at, bool(accountant_pays), _names(functions), accountant)


@lru_cache(4096)
def _names(text: str | None) -> Part:
    """The names of functions, or scopes, that a column lists as JSON."""
    value = text and json.loads(text)
    return None if value is None else frozenset(value)


def _moment(value):
    """SQLite keeps no time zone: what it keeps is UTC."""
    return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)
