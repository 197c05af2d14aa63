"""Closing an environment: what ends with it is shown first, ends at once, and after 30 days its people are
forgotten.

What hangs on environments is known to an app above; it registers with `watch`.
"""

import hashlib
from datetime import timedelta

from django.db import models, transaction
from django.db.models.functions import Cast, Concat
from django.utils import timezone

from accounts.events.models import Action
from accounts.events.services import record
from accounts.forgetting import forget
from accounts.mail.services import tell
from accounts.models import ElectronicAddress, Environment, User
from accounts.refusals import ChangedMeanwhile, ClosedMeanwhile, NothingToOpen
from portal.support import whom_to_ask

REVERSIBLE = timedelta(days=30)
AT_ONCE = 50


def _nothing(environment):
    return {}


def _nobody(environment):
    return []


def _nowhere(environment, by):
    pass


_watcher = {"look": _nothing, "sides": _nobody, "end": _nowhere}
_purgers = []


def watch(*, look, sides, end) -> None:
    """Have the closing of environments watched.

    `look(environment)` answers what would end, as `{kind: queryset}`; `end(environment, by)` ends all of it,
    in the transaction of the closing; `sides(environment)` are the ids of the other environments it locks.
    """
    _watcher.update(look=look, sides=sides, end=end)


def purges(purger):
    """Have `purger(environment)` called, in the transaction in which a closed environment is purged."""
    _purgers.append(purger)
    return purger


def what_ends(environment) -> dict[str, models.QuerySet]:
    """What closing would end: `people` who lose their login, and what the apps above add."""
    people = environment.users.filter(blocked_at__isnull=True).order_by("last_name", "pk")
    return {"people": people, **_watcher["look"](environment)}


def fingerprint(environment) -> str:
    """Name what closing would end now: the same has the same name, whoever looks."""
    lines = [
        f"{kind}:{sorted(found.values_list('pk', flat=True))}"
        for kind, found in sorted(what_ends(environment).items())
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


@transaction.atomic
def close(*, environment, seen, by) -> None:
    """Close the environment: keys are revoked, partnerships end, requests are withdrawn, nobody signs in.

    `seen` is the `fingerprint` of what `by` was shown. For 30 days support can let the people in again; what
    was revoked and ended stays so. Invoices and the activity log stay. Raises ClosedMeanwhile and
    ChangedMeanwhile.
    """
    environment = _locked(environment)
    if environment.closed_at:
        raise ClosedMeanwhile
    if fingerprint(environment) != seen:
        raise ChangedMeanwhile
    told = list(environment.users.filter(is_active=True, joined_at__isnull=False))
    environment.closed_at = timezone.now()
    environment.save(update_fields=["closed_at"])
    environment.users.update(is_active=False, session_epoch=models.F("session_epoch") + 1)
    _watcher["end"](environment, by)
    record(Action.ENVIRONMENT_CLOSED, by=by, subject=environment, environment=environment)
    until = environment.closed_at + REVERSIBLE
    context = {"environment": environment, "until": until, "by": by, "support": whom_to_ask()}
    tell("environment_closed", told, **context)


@transaction.atomic
def reopen(*, environment, by) -> None:
    """Let the people of a closed environment in again; no key comes back. Raises NothingToOpen."""
    environment = Environment.objects.select_for_update(no_key=True).get(pk=environment.pk)
    if not can_be_opened(environment):
        raise NothingToOpen(environment)
    environment.closed_at = None
    environment.save(update_fields=["closed_at"])
    environment.users.filter(blocked_at__isnull=True).update(is_active=True)
    record(Action.ENVIRONMENT_REOPENED, by=by, subject=environment, environment=environment)
    people = environment.users.filter(is_active=True, joined_at__isnull=False)
    tell("environment_reopened", people, environment=environment)


def can_be_opened(environment) -> bool:
    """Whether it was closed less than 30 days ago, with people."""
    return (
        environment.closed_at is not None
        and environment.closed_at > timezone.now() - REVERSIBLE
        and environment.users.exists()
    )


def purge_closed() -> int:
    """Forget the people of what was closed 30 days ago, and free its numbers and addresses; answers how many.

    It may be ended anywhere: every person and every environment is a transaction of its own.
    """
    due = Environment.objects.filter(
        closed_at__lte=timezone.now() - REVERSIBLE, purged_at__isnull=True
    )
    people = list(User.objects.filter(environment__in=due).order_by("pk")[:AT_ONCE])
    forgotten = sum(map(_purge_person, people))
    return forgotten + sum(map(_purge_environment, list(due.filter(users=None)[:AT_ONCE])))


@transaction.atomic
def _purge_person(user):
    Environment.objects.select_for_update(no_key=True).get(pk=user.environment_id)
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if user.removed_at:
        return 0
    forget(user)
    return 1


@transaction.atomic
def _purge_environment(environment):
    environment = Environment.objects.select_for_update(no_key=True).get(pk=environment.pk)
    if environment.purged_at:
        return 0
    ElectronicAddress.objects.filter(organisation__environment=environment).delete()
    freed = Concat(models.Value("closed-"), Cast("pk", models.CharField()))
    environment.organisations.update(registration_number=freed)
    for purger in _purgers:
        purger(environment)
    environment.purged_at = timezone.now()
    environment.save(update_fields=["purged_at"])
    record(Action.ENVIRONMENT_PURGED, by=None, subject=environment, environment=environment)
    return 1


def _locked(environment):
    """The environment and the others that its end touches, nobody else's to change now."""
    touched = {environment.pk, *_watcher["sides"](environment)}
    locked = Environment.objects.select_for_update(no_key=True).filter(pk__in=touched)
    return {found.pk: found for found in locked.order_by("pk")}[environment.pk]
