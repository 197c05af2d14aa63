"""Support blocks an environment: its keys stop and its people read why, until support unblocks it.

Nothing ends by it: all that a block stops is computed from one moment in the row of the environment, so that
unblocking brings back all of it, with the same keys (decision 33).
"""

from functools import partial

from django.db import models, transaction
from django.utils import timezone

from accounts.events.models import Action
from accounts.events.services import record
from accounts.mail.services import tell
from accounts.models import Environment, Organisation, User
from accounts.refusals import BlockedAlready, NotBlocked
from accounts.ripples import Loss, concerned, rehearse
from portal.support import whom_to_ask

LONGEST_REASON = Environment._meta.get_field("blocked_because").max_length


@transaction.atomic
def block(*, environment, reason, by) -> None:
    """Stop what goes out of the environment and into it, until `unblock`: calls, requests, invoices.

    Its people are signed out, for a stranger may be among them. `reason` is a sentence of at most
    LONGEST_REASON characters for its people, and for nobody else. Its administrators are told, and on both
    sides of partnerships those whose keys stop, each of which ones. Raises BlockedAlready.
    """
    environment = _locked(environment)
    if environment.is_blocked:
        raise BlockedAlready(environment)
    losses = stops(environment)
    _set(environment, timezone.now(), reason)
    joined = environment.users.filter(joined_at__isnull=False)  # the links of the others go on
    joined.update(session_epoch=models.F("session_epoch") + 1)
    _record(Action.ENVIRONMENT_BLOCKED, environment, by, reason=reason)
    _tell("environment_blocked", environment, losses, reason=reason, support=whom_to_ask())


@transaction.atomic
def unblock(*, environment, by) -> None:
    """Let everything go on as before the block, with the same keys; who heard of the one hears of the other.

    Raises NotBlocked.
    """
    environment = _locked(environment)
    if not environment.is_blocked:
        raise NotBlocked(environment)
    _set(environment, None, "")
    _record(Action.ENVIRONMENT_UNBLOCKED, environment, by)
    _tell("environment_unblocked", environment, stops(environment))


def stops(environment) -> list[Loss]:
    """The keys that blocking the environment would stop now: its own, and those that it made at clients."""
    return rehearse(partial(_set, environment, timezone.now(), ""), about=environment)


def _locked(environment):
    """The environment as it is now. Nobody makes or changes keys that hang on it before this is done."""
    environment = Environment.objects.select_for_update(no_key=True).get(pk=environment.pk)
    organisations = Organisation.objects.filter(
        models.Q(environment=environment)
        | models.Q(
            mandates__accountant=environment,
            mandates__given_at__isnull=False,
            mandates__ended_at__isnull=True,
        )
    )
    locked = Organisation.objects.select_for_update(no_key=True)
    list(locked.filter(pk__in=organisations.values("pk")).order_by("pk").values_list("pk"))
    return environment


def _set(environment, at, reason):
    row = Environment.objects.filter(pk=environment.pk)
    row.update(blocked_at=at, blocked_because=reason)


def _record(action, environment, by, **details):
    """Both sides of a partnership see it (R36); why is for the environment's own people."""
    record(action, by=by, subject=environment, environment=environment, **details)
    for partner in _partners(environment):
        record(action, by=by, subject=environment, environment=partner)


def _partners(environment):
    """The other side of each of its Active partnerships."""
    given = Environment.objects.filter(
        mandates__organisation__environment=environment,
        mandates__given_at__isnull=False,
        mandates__ended_at__isnull=True,
    )
    taken = Environment.objects.filter(
        organisations__mandates__accountant=environment,
        organisations__mandates__given_at__isnull=False,
        organisations__mandates__ended_at__isnull=True,
    )
    return Environment.objects.filter(
        models.Q(pk__in=given.values("pk")) | models.Q(pk__in=taken.values("pk"))
    ).order_by("pk")


def _tell(template, environment, losses, **context):
    """One mail for each person: the administrators, and those whom the losses concern."""
    of_person = {user: [] for user in User.objects.administrators_of(environment)}
    for user, theirs in (of_person | concerned(losses)).items():
        tell(template, [user], environment=environment, losses=theirs, **context)
