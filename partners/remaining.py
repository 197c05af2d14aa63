"""What is left of mandates, partnerships and requests, for the journal (accounts.events.journal)."""

from django.utils import timezone

from accounts.events.journal import ends_again, remains
from accounts.models import Membership, User
from accounts.remaining import tell_again
from partners.models import AuthorisationRequest, Mandate, Partnership

Status = AuthorisationRequest.Status


@remains("partnership")
def left_of_partnership(ref):
    partnership = Partnership.objects.filter(uuid=ref).first()
    return partnership and {"ended": not partnership.is_active}


@remains("client")
def left_of_client(ref):
    mandate = Mandate.objects.filter(uuid=ref).first()
    return mandate and {
        "functions": mandate.functions,
        "people": sorted(_members(mandate).values_list("user", flat=True)),
        "kept_out": sorted(mandate.kept_out.values_list("pk", flat=True)),
    }


@ends_again("client")
def end_client(ref, left, by, methods) -> bool:
    mandate = Mandate.objects.filter(uuid=ref).first()
    if mandate is None:
        return False
    before = left_of_client(ref)
    mandate.functions = [name for name in mandate.functions if name in left["functions"]]
    mandate.save(update_fields=["functions"])
    _members(mandate).exclude(user__in=left["people"]).delete()
    theirs = User.objects.filter(environment=mandate.accountant_id)
    mandate.kept_out.add(*theirs.filter(pk__in=left["kept_out"]))
    changed = before != left_of_client(ref)
    if changed and mandate.organisation:
        sides = mandate.accountant, mandate.organisation.environment
        tell_again(mandate, *sides, organisation=mandate.organisation)
    return changed


@remains("request")
def left_of_request(ref):
    request = AuthorisationRequest.objects.filter(uuid=ref).first()
    return request and {"status": request.status}


@ends_again("request")
def end_request(ref, left, by, methods) -> bool:
    """A request that was accepted since can be accepted once more; nothing else can."""
    over = left["status"] not in (Status.PENDING, Status.ACTIVE)
    pending = AuthorisationRequest.objects.filter(uuid=ref, status=Status.PENDING)
    request = pending.select_related("accountant").first() if over else None
    if request is None:
        return False
    pending.update(status=Status.WITHDRAWN, closed_at=timezone.now())
    tell_again(request, request.accountant)
    return True


def _members(mandate):
    return Membership.objects.filter(
        organisation=mandate.organisation_id, user__environment=mandate.accountant_id
    )
