"""What of people stands in the files of accountants, and when it goes (accounts.forgetting)."""

from accounts.closing import purges
from accounts.forgetting import forgets
from partners.models import ActivationLink, AuthorisationRequest, Batch, Mandate


@forgets
def forget_requests(user, addresses) -> None:
    """Take the addresses out of requests that are over; one that waits goes on, the client can still be told.

    What accountants wrote down about their clients is theirs.
    """
    over = AuthorisationRequest.objects.filter(email__in=addresses).exclude(
        status=AuthorisationRequest.Status.PENDING
    )
    _without_addresses(over)
    Mandate.kept_out.through.objects.filter(user=user).delete()


@purges
def purge_clients(environment) -> None:
    """Delete the files of an accountant that is gone, and the addresses of its clients."""
    Batch.objects.filter(environment=environment).delete()
    _without_addresses(AuthorisationRequest.objects.filter(accountant=environment))
    Mandate.objects.filter(accountant=environment).update(email="")


def _without_addresses(requests):
    ActivationLink.objects.filter(request__in=requests.values("pk")).update(email="")
    requests.update(email="")
