"""What ends when an environment is closed: keys, partnerships and requests (accounts.closing)."""

from contextlib import suppress

from django.db.models import Exists, OuterRef, Q

from accounts import closing
from accounts.models import Organisation
from connections import services
from connections.models import Connection
from partners import services as partners
from partners.models import AuthorisationRequest, Mandate, Partnership
from partners.refusals import NotPending


def look(environment):
    """What would be revoked, ended and withdrawn, the newest first."""
    return {
        "connections": Connection.objects.live().concerning(environment).for_list().order_by("-pk"),
        "partnerships": Partnership.objects.active()
        .of(environment)
        .select_related("accountant", "client")
        .order_by("-pk"),
        "requests": AuthorisationRequest.objects.open()
        .filter(accountant=environment)
        .select_related("app")
        .order_by("-pk"),
    }


def sides(environment):
    """The environments of the organisations concerned."""
    return _concerned(environment).values_list("environment", flat=True)


def end(environment, by) -> None:
    """Withdraw the requests, end the partnerships, revoke the rest; the other sides are told (R33, R34)."""
    concerned = Organisation.objects.select_for_update(no_key=True, of=["self"])
    list(concerned.filter(pk__in=_concerned(environment)).order_by("pk"))
    for request in look(environment)["requests"]:
        with suppress(NotPending):  # it ran out a moment ago
            partners.withdraw(request=request, by=by)
    for partnership in look(environment)["partnerships"].order_by("pk"):
        services.end_partnership(partnership=partnership, by=by)
    own = look(environment)["connections"].select_for_update(no_key=True, of=["self"])
    for connection in own.order_by("pk"):
        services.revoke_locked(connection, by)


def watch() -> None:
    """Called once, when the apps are ready."""
    closing.watch(look=look, sides=sides, end=end)


def _concerned(environment):
    """The own organisations, those of its clients, and those that could accept one of its requests."""
    mandates = Mandate.objects.filter(accountant=environment)
    clients = mandates.active().filter(organisation=OuterRef("pk"))
    asked = mandates.filter(
        requests__status=AuthorisationRequest.Status.PENDING,
        country=OuterRef("country"),
        registration_number=OuterRef("registration_number"),
    )
    return Organisation.objects.filter(
        Q(environment=environment) | Q(Exists(clients)) | Q(Exists(asked))
    )
