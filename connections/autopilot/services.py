"""What people do with Autopilot. For pausing, resuming, revoking and taking over: connections.services."""

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts.events.models import Action
from connections.autopilot.models import FUNCTION, OVERLAP, Autopilot, SigningSecret
from connections.autopilot.refusals import (
    KeysFirst,
    MayNotReceive,
    NoAutopilot,
    SecretShown,
    WithKeys,
)
from connections.history import record_about
from connections.keys import Secret
from connections.models import Access, Connection, Kind
from connections.models.standing import Standing
from connections.refusals import OwnerGone
from connections.services import live_places_at
from connections.services.connections import (
    joined,
    of_administration,
    refuse_conflicts,
    refuse_stopped_for,
)
from connections.services.keys import mail
from connections.services.standing import entered, locked, refuse_stopped


@sensitive_variables("secret")
@transaction.atomic
def switch_on(
    *, organisation, app, name, administration="", confirmed=False, by, op_id
) -> tuple[Connection, Secret]:
    """Have received invoices of `organisation` pushed to `app`; answers connection and signing secret.

    It lives on `by`, and is given nothing but fetching received invoices (R5, R6). `administration` and
    `confirmed` are those of `create_connection`. `op_id` names the form: the same form makes it once (R14).
    Raises OutOfReach, SecretShown, IntegrationsOff, NoAutopilot, KeysFirst with the key connections to that
    administration, AlreadyConnected, ConfirmFirst, CannotOwn, MayNotReceive and MoreThanYours (R22).
    """
    organisation = entered(organisation, by)
    _refuse_second_click(op_id, organisation)
    refuse_stopped_for(organisation, by)
    if not app.autopilot_url or FUNCTION not in app.functions:
        raise NoAutopilot(app)
    if places := with_keys(organisation, administration):
        raise KeysFirst(places)
    refuse_conflicts(organisation, app, administration, confirmed=confirmed)
    connection = joined(
        organisation=organisation,
        app=app,
        kind=Kind.AUTOPILOT,
        name=name,
        administration=administration,
        access=Access.CHOSEN,
        functions=[FUNCTION],
        owner=by,
        by=by,
    )
    if not connection.functions:
        raise MayNotReceive(organisation)
    Autopilot.objects.create(connection=connection)
    secret = _new_secret(connection, by, op_id)
    record_about(connection, Action.AUTOPILOT_ON, by=by, address=connection.autopilot.host)
    mail("autopilot_on", connection, by)
    return connection, secret


@sensitive_variables("secret")
@transaction.atomic
def new_signing_secret(*, connection, by, op_id) -> Secret:
    """Make a new signing secret; for 24 hours the ones before sign beside it, so the change can be planned.

    `op_id` names the form, as for `switch_on`. Raises OutOfReach, NotYours, Ended, SecretShown, WithKeys,
    OwnerGone and IntegrationsOff.
    """
    connection = locked(connection, by)
    _refuse_second_click(op_id, connection.organisation)
    if not connection.is_autopilot:
        raise WithKeys
    if not connection.owner_stands:
        raise OwnerGone(connection.owner)
    refuse_stopped(connection)
    until = timezone.now() + OVERLAP
    connection.signing_secrets.filter(ends_at=None).update(ends_at=until)
    secret = _new_secret(connection, by, op_id)
    record_about(connection, Action.SIGNING_SECRET_MADE, by=by, until=until.isoformat())
    mail("signing_secret_made", connection, by, until=until)
    return secret


def with_keys(organisation, administration) -> list[Standing]:
    """What works with keys in that administration now, and has to be revoked before Autopilot (R22)."""
    places = of_administration(live_places_at(organisation), administration)
    return [place for place in places if not getattr(place, "connection", place).is_autopilot]


def _refuse_second_click(op_id, organisation):
    earlier = SigningSecret.objects.filter(op_id=op_id).select_related("connection").first()
    if earlier:
        known = earlier.connection.organisation_id == organisation.pk
        raise SecretShown(earlier if known else None)


@sensitive_variables()
def _new_secret(connection, by, op_id):
    last = connection.signing_secrets.aggregate(last=Max("version"))["last"] or 0
    try:
        with transaction.atomic():
            made = SigningSecret.objects.create(
                connection=connection,
                version=last + 1,
                key=settings.SIGNING_KEYS.current,
                op_id=op_id,
                created_by=by,
            )
    except IntegrityError:
        raise SecretShown from None
    return made.reveal()
