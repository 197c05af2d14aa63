"""Partnerships: who of the accountant comes in, what they may do there, and the end (R32, R34)."""

from contextlib import suppress

from django.db import transaction
from django.utils import timezone

from accounts.events.models import Action
from accounts.events.services import record_for
from accounts.mail.services import tell
from accounts.models import Environment, Membership, Organisation, User
from partners.models import AuthorisationRequest, Mandate, Partnership
from partners.refusals import KeptOut, NothingAllowed, PartnershipEnded

Status = AuthorisationRequest.Status


@transaction.atomic
def assign(*, mandate, users, by) -> None:
    """Make exactly `users`, of the accountant's environment, members of the client's organisation (R32).

    Raises PartnershipEnded, and KeptOut for somebody whom the client has removed.
    """
    mandate = _active(mandate)
    before = {member.user for member in _members(mandate).select_related("user")}
    after = set(_here(mandate, users))
    for user in after & set(mandate.kept_out.all()):
        raise KeptOut(user, mandate)
    _members(mandate).exclude(user__in=after).delete()
    _add(mandate, after - before, by)
    if before != after:
        _record(
            Action.CLIENT_COLLEAGUES_CHANGED,
            mandate,
            by,
            added=sorted(map(str, after - before)),
            removed=sorted(map(str, before - after)),
        )


@transaction.atomic
def assign_to_many(*, mandates, user, by) -> int:
    """Make `user` a member of the organisations of these active mandates too; answers how many are new.

    What ends in the meantime is left out, and where the client has removed this person.
    """
    new = 0
    without = mandates.active().exclude(organisation__memberships__user=user).exclude(kept_out=user)
    for mandate in without.order_by("organisation"):
        with suppress(PartnershipEnded):
            new += _let_in_too(_active(mandate), user, by)
    return new


@transaction.atomic
def remove_person(*, mandate, user, by) -> None:
    """Take one person of the accountant out of the client's organisation, at once (R32).

    Connections that the person owns are suspended (R7). The accountant cannot let the person in again; the
    client can. Again changes nothing. Raises PartnershipEnded.
    """
    mandate = _active(mandate)
    removed, _rows = _members(mandate).filter(user=user).delete()
    if removed:
        mandate.kept_out.add(user)
        _record(Action.CLIENT_PERSON_REMOVED, mandate, by, removed=[str(user)])
        told = {user, *User.objects.administrators_of(mandate.accountant)}
        tell("client_person_removed", told, mandate=mandate, person=user, by=by)


@transaction.atomic
def readmit_person(*, mandate, user, by) -> None:
    """Let in again whom the client has removed. Again changes nothing. Raises PartnershipEnded."""
    mandate = _active(mandate)
    if user.environment_id == mandate.accountant_id and user in mandate.kept_out.all():
        mandate.kept_out.remove(user)
        Membership.objects.get_or_create(
            user=user, organisation=mandate.organisation, defaults={"created_by": by}
        )
        _record(Action.CLIENT_PERSON_READMITTED, mandate, by, added=[str(user)])


@transaction.atomic
def change_functions(*, mandate, functions, by) -> None:
    """Allow the accountant exactly `functions` in this organisation, from the next call on (R5).

    Raises NothingAllowed and PartnershipEnded.
    """
    mandate = _active(mandate)
    if not functions:
        raise NothingAllowed
    before, mandate.functions = mandate.functions, list(functions)
    if set(before) == set(functions):
        return
    mandate.save(update_fields=["functions"])
    changes = {
        "added": [name for name in functions if name not in before],
        "removed": [name for name in before if name not in functions],
    }
    _record(Action.CLIENT_FUNCTIONS_CHANGED, mandate, by, **changes)
    people = {member.user for member in _members(mandate).select_related("user")}
    tell("client_functions_changed", people, mandate=mandate, by=by, **changes)


@transaction.atomic
def end(*, partnership, also=None, by) -> list[Mandate]:
    """End the partnership for both sides and answer the mandates that end with it (R34).

    Nobody of the accountant is a member of the client's organisations any more. The connections made through
    it are for the caller to revoke, in the same transaction; `also` are the organisations that this concerns.
    Raises PartnershipEnded.
    """
    Environment.objects.select_for_update(no_key=True).get(pk=partnership.client_id)
    mandates = list(partnership.mandates.active())
    organisations = [mandate.organisation_id for mandate in mandates]
    others = [] if also is None else also.values_list("pk", flat=True)
    locked = Organisation.objects.select_for_update(no_key=True)
    list(locked.filter(pk__in={*organisations, *others}).order_by("pk"))
    partnership = (
        Partnership.objects.select_for_update(no_key=True, of=["self"])
        .select_related("accountant", "client")
        .get(pk=partnership.pk)
    )
    if not partnership.is_active:
        raise PartnershipEnded
    now = timezone.now()
    members = Membership.objects.filter(
        organisation__in=organisations, user__environment=partnership.accountant_id
    )
    active = members.filter(user__is_active=True)
    people = {member.user for member in active.select_related("user")}
    members.delete()
    AuthorisationRequest.objects.filter(
        mandate__in=mandates, client=partnership.client, status=Status.ACTIVE
    ).update(status=Status.ENDED, closed_at=now)
    Mandate.objects.filter(pk__in=[mandate.pk for mandate in mandates]).update(ended_at=now)
    partnership.ended_at, partnership.ended_by = now, by
    partnership.save(update_fields=["ended_at", "ended_by"])
    sides = (partnership.accountant, partnership.client)
    names = [str(mandate) for mandate in mandates]
    record_for(sides, Action.PARTNERSHIP_ENDED, by=by, subject=partnership, organisations=names)
    for side in sides:
        people |= set(User.objects.administrators_of(side))
    tell("partnership_ended", people, partnership=partnership, mandates=mandates, by=by)
    return mandates


def _active(mandate):
    """The mandate, while nobody can end it. Raises PartnershipEnded."""
    if mandate.organisation_id:
        Organisation.objects.select_for_update(no_key=True).get(pk=mandate.organisation_id)
    mandate = (
        Mandate.objects.select_for_update(no_key=True, of=["self"])
        .select_related("accountant", "organisation__environment", "partnership")
        .get(pk=mandate.pk)
    )
    if not mandate.is_active:
        raise PartnershipEnded
    return mandate


def _let_in_too(mandate, user, by):
    """Add one person to those who are members; answers whether that is new."""
    if mandate.kept_out.filter(pk=user.pk).exists():
        return False
    if not _here(mandate, [user]) or _members(mandate).filter(user=user).exists():
        return False
    _add(mandate, {user}, by)
    _record(Action.CLIENT_COLLEAGUES_CHANGED, mandate, by, added=[str(user)])
    return True


def _here(mandate, users):
    """Those of `users` who are the accountant's people now; nobody can remove them before this is done."""
    found = User.objects.select_for_update(no_key=True).filter(
        pk__in=[user.pk for user in users], environment=mandate.accountant_id, is_active=True
    )
    return list(found.order_by("pk"))


def _members(mandate):
    """The memberships of the accountant's people in the client's organisation."""
    return Membership.objects.filter(
        organisation=mandate.organisation_id, user__environment=mandate.accountant_id
    )


def _add(mandate, users, by):
    Membership.objects.bulk_create(
        Membership(user=user, organisation=mandate.organisation, created_by=by) for user in users
    )


def _record(action, mandate, by, **details):
    organisation = mandate.organisation
    sides = (mandate.accountant, organisation.environment)
    record_for(sides, action, by=by, subject=mandate, organisation=organisation, **details)
