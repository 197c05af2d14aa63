"""The Integrations service, which an administrator orders before an environment's first key (R8)."""

from django.db import transaction
from django.utils import timezone

from accounts.events.models import Action
from accounts.events.services import record
from accounts.mail.services import tell
from accounts.models import Environment, User
from accounts.refusals import PlanWithoutIntegrations, TermsChanged

TERMS = (
    "2026-11"  # the version in force; the text of every version stays in templates/accounts/terms/
)


@transaction.atomic
def activate(*, environment, terms, by) -> None:
    """Order the service: keep which version of the terms was accepted, by whom and when (R8).

    `terms` is the version that the person has read. Again with the same version changes nothing; a newer
    version takes the place of the older one. Raises PlanWithoutIntegrations and TermsChanged.
    """
    environment = _locked(environment)
    if not environment.plan_includes_integrations:
        raise PlanWithoutIntegrations(environment)
    if terms != TERMS:
        raise TermsChanged
    if environment.integrations_terms == terms:
        return
    _store(environment, terms, timezone.now(), by)
    record(
        Action.INTEGRATIONS_ACTIVATED,
        by=by,
        subject=environment,
        environment=environment,
        terms=terms,
    )


@transaction.atomic
def end(*, environment, by) -> None:
    """End the service: the keys that it pays for are suspended at once, until it is activated again (R8).

    Again changes nothing.
    """
    environment = _locked(environment)
    if environment.integrations_at is None:
        return
    _store(environment, "", None, None)
    record(Action.INTEGRATIONS_ENDED, by=by, subject=environment, environment=environment)
    administrators = User.objects.administrators_of(environment)
    tell("integrations_ended", administrators, environment=environment, by=by)


def _locked(environment):
    return Environment.objects.select_for_update(no_key=True).get(pk=environment.pk)


def _store(environment, terms, at, by):
    environment.integrations_terms = terms
    environment.integrations_at, environment.integrations_by = at, by
    environment.save(update_fields=["integrations_terms", "integrations_at", "integrations_by"])
