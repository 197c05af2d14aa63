"""What of a forgotten person stands in the files of accountants (accounts.forgetting)."""

from accounts.forgetting import forgets
from partners.models import ActivationLink, AuthorisationRequest, Mandate


@forgets
def forget_requests(user, addresses) -> None:
    """Take the addresses out of requests that are over; one that waits goes on, the client can still be told.

    What accountants wrote down about their clients is theirs.
    """
    over = AuthorisationRequest.objects.filter(email__in=addresses).exclude(
        status=AuthorisationRequest.Status.PENDING
    )
    ActivationLink.objects.filter(request__in=over.values("pk")).update(email="")
    over.update(email="")
    Mandate.kept_out.through.objects.filter(user=user).delete()
