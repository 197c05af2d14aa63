"""What is left of connections, apps and gateways, for the journal (accounts.events.journal)."""

from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.events.journal import ends_again, remains
from accounts.remaining import tell_again
from connections import rights
from connections.models import Access, App, Connection, Gateway, KeySet
from connections.services import end_partnership, places_of
from connections.services.connections import revoke_locked, stop_at
from partners.models import Partnership


@remains("connection")
def left_of_connection(ref):
    connection = Connection.objects.filter(uuid=ref).first()
    return connection and {
        "keys": {
            app_key: ends_at.isoformat() if ends_at else None
            for app_key, ends_at in connection.key_sets.live().values_list("app_key", "ends_at")
        },
        "revoked": connection.is_revoked,
        "deleted": connection.deleted_at is not None,
        "paused": connection.paused_at is not None,
        "functions": sorted(connection.key) if connection.key is not None else None,
        "organisations": [place.organisation.organisation_id for place in places_of(connection)],
    }


@ends_again("connection")
def end_connection(ref, left, by, methods) -> bool:
    connection = Connection.objects.for_list().filter(uuid=ref).first()
    if connection is None:
        return False
    by, before = by or connection.created_by, left_of_connection(ref)
    if left["revoked"] and not connection.is_revoked:
        revoke_locked(connection, by)
    if not connection.is_revoked:
        _end_places(connection, left["organisations"], by)
        connection = Connection.objects.for_list().get(uuid=ref)
    _end_keys(connection, left["keys"], by)
    _lessen(connection, left, by)
    changed = before != left_of_connection(ref)
    if changed:
        sides = connection.organisation.environment, connection.made_by
        tell_again(connection, *sides, organisation=connection.organisation)
    return changed


def _end_places(connection, organisations, by):
    for place in reversed(places_of(connection)):
        if place.organisation.organisation_id not in organisations:
            stop_at(place, by)


def _end_keys(connection, left, by):
    kept = connection.key_sets.kept()
    revoked = KeySet.Retired.REVOKED if connection.is_revoked else KeySet.Retired.SUPERSEDED
    kept.exclude(app_key__in=left).retire(revoked, by)
    for key_set in kept.filter(app_key__in=left):
        ends_at = parse_datetime(left[key_set.app_key] or "")
        if ends_at and (key_set.ends_at is None or ends_at < key_set.ends_at):
            key_set.ends_at = ends_at
            key_set.save(update_fields=["ends_at"])


def _lessen(connection, left, by):
    if left["paused"] and not connection.paused_at:
        connection.paused_at, connection.paused_by = timezone.now(), by
    if left["deleted"] and connection.is_revoked and not connection.deleted_at:
        connection.deleted_at, connection.deleted_by = timezone.now(), by
    given = left["functions"]
    key = rights.common(connection.key, None if given is None else frozenset(given))
    if key != connection.key:
        connection.access, connection.functions = Access.CHOSEN, sorted(key)
    connection.save()


@remains("app")
def left_of_app(ref):
    app = App.objects.filter(pk=ref).first()
    return app and {"since": app.created_at.isoformat(), "functions": app.functions}


@ends_again("app")
def end_app(ref, left, by, methods) -> bool:
    app = App.objects.filter(pk=ref, created_at=left["since"]).first()
    kept = [name for name in app.functions if name in left["functions"]] if app else []
    if app is None or kept == app.functions:
        return False
    app.functions = kept
    app.save(update_fields=["functions"])
    tell_again(app, app.environment)
    return True


@remains("gateway")
def left_of_gateway(ref):
    gateway = Gateway.objects.filter(pk=ref).first()
    return gateway and {"client_id": gateway.client_id, "ended": gateway.ended_at is not None}


@ends_again("gateway")
def end_gateway(ref, left, by, methods) -> bool:
    gateway = Gateway.objects.filter(client_id=left["client_id"], ended_at=None).first()
    if gateway is None or not left["ended"]:
        return False
    gateway.ended_at, gateway.ended_by = timezone.now(), by or gateway.created_by
    gateway.save(update_fields=["ended_at", "ended_by"])
    tell_again(gateway, None)
    return True


@ends_again("partnership")
def end_partnership_again(ref, left, by, methods) -> bool:
    partnership = Partnership.objects.active().filter(uuid=ref).first()
    if partnership is None or not left["ended"]:
        return False
    if by is None:
        either = Q(environment__in=[partnership.client, partnership.accountant])
        by = partnership.client.users.model.objects.filter(either).earliest("pk")
    end_partnership(partnership=partnership, by=by)
    tell_again(partnership, partnership.accountant, partnership.client)
    return True
