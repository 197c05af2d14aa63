"""What is left of environments and people, for the journal, and how what is not left ends again."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.utils import timezone

from accounts.events.journal import ends_again, remains
from accounts.events.models import Action
from accounts.events.services import record_for
from accounts.forgetting import end_place, forget
from accounts.models import Environment, Plan, User
from accounts.roles import GRANTS


def tell_again(subject, *sides, organisation=None) -> None:
    """Write into the logs that a thing ended again because a backup was put back."""
    record_for(sides, Action.ENDED_AGAIN, by=None, subject=subject, organisation=organisation)


@remains("environment")
def left_of_environment(ref):
    environment = Environment.objects.filter(pk=ref).first()
    return environment and {
        "since": environment.created_at.isoformat(),  # numbers are given again after a restore
        "blocked": environment.blocked_at is not None,
        "closed": environment.closed_at is not None,
        "accountant": environment.accountant_right,
        "integrations": environment.integrations_at is not None,
        "paid": environment.plan_includes_integrations,
    }


@ends_again("environment")
def end_environment(ref, left, by, methods) -> bool:
    environment = Environment.objects.filter(pk=ref, created_at=left["since"]).first()
    if environment is None:
        return False
    before = left_of_environment(ref)
    if left["blocked"]:
        environment.blocked_at = environment.blocked_at or timezone.now()
    if left["closed"]:
        environment.closed_at = environment.closed_at or timezone.now()
        environment.users.update(is_active=False)
    if not left["integrations"]:
        environment.integrations_terms = ""
        environment.integrations_at = environment.integrations_by = None
    if not left["paid"]:
        environment.plan = Plan.INVOICE_PORTAL
    environment.accountant_right = environment.accountant_right and left["accountant"]
    environment.save()
    return _told_if_changed(before, left_of_environment(ref), environment, environment)


@remains("user")
def left_of_user(ref):
    user = User.objects.filter(pk=ref).first()
    return user and {
        "since": user.date_joined.isoformat(),
        "removed": user.removed_at is not None,
        "forgotten": user.removed_at is not None and not (user.first_name or user.last_name),
        "blocked": user.blocked_at is not None,
        "active": user.is_active,
        "role": user.role,
        "epoch": user.session_epoch,  # an invitation names it
        "staff": [user.is_staff, user.is_superuser],
        "groups": sorted(user.groups.values_list("name", flat=True)),
        "organisations": {
            member.organisation.organisation_id: member.accesses
            for member in user.memberships.select_related("organisation")
        },
    }


@ends_again("user")
def end_user(ref, left, by, methods) -> bool:
    user = User.objects.filter(pk=ref, date_joined=left["since"]).first()
    if user is None:
        return False
    before, environment = left_of_user(ref), user.environment
    if left["forgotten"]:
        if not before["forgotten"]:
            forget(user)
    elif left["removed"]:
        if not before["removed"]:
            end_place(user)
    else:
        _lessen(user, left)
        _end_memberships(user, left["organisations"])
        if methods:
            _end_logins(user, methods)
    return _told_if_changed(before, left_of_user(ref), user, environment) or bool(methods)


def _lessen(user, left):
    if left["blocked"]:
        user.blocked_at = user.blocked_at or timezone.now()
    user.is_active = user.is_active and left["active"] and not left["blocked"]
    if GRANTS.get(left["role"], frozenset()) < GRANTS.get(user.role, frozenset()):
        user.role = left["role"]
    user.session_epoch = max(user.session_epoch, left["epoch"])
    user.is_staff, user.is_superuser = (
        has and kept
        for has, kept in zip((user.is_staff, user.is_superuser), left["staff"], strict=True)
    )
    if "groups" in left:
        user.groups.remove(*user.groups.exclude(name__in=left["groups"]))
    user.save()


def _end_memberships(user, organisations):
    for member in user.memberships.select_related("organisation"):
        if member.organisation.organisation_id not in organisations:
            member.delete()
            continue
        kept = organisations[member.organisation.organisation_id]
        if kept is not None and (member.accesses is None or set(member.accesses) - set(kept)):
            member.accesses = [
                it for it in kept if member.accesses is None or it in member.accesses
            ]
            member.save(update_fields=["accesses"])


def _end_logins(user, methods):
    """The password and the authenticators of the backup may be in wrong hands by now; so may the address."""
    Authenticator.objects.filter(user=user).delete()
    user.set_unusable_password()
    if any(method.startswith("email_") for method in methods):
        EmailAddress.objects.filter(user=user).delete()
        user.email = f"changed-{user.pk}@changed.invalid"
    user.save(update_fields=["password", "email"])


def _told_if_changed(before, after, subject, environment):
    if before != after:
        tell_again(subject, environment)
    return before != after
