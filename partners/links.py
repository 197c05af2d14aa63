"""The pages of requests, files and partnerships that events are about."""

from django.urls import reverse

from accounts.events.links import pages_of
from partners.models import AuthorisationRequest, Batch, Partnership


@pages_of("request")
def _requests(user, references):
    asked = AuthorisationRequest.objects.filter(uuid__in=references)
    received = asked.received_by(user.environment).values_list("uuid", flat=True)
    pages = {str(uuid): reverse("partners:consent", kwargs={"uuid": uuid}) for uuid in received}
    return pages | {str(sent.uuid): sent.get_absolute_url() for sent in asked.seen_by(user)}


@pages_of("partnership")
def _partnerships(user, references):
    found = Partnership.objects.of(user.environment).filter(uuid__in=references)
    return {str(partnership.uuid): partnership.get_absolute_url() for partnership in found}


@pages_of("batch")
def _batches(user, references):
    if not user.environment.may_send_requests:
        return {}
    found = Batch.objects.seen_by(user).filter(uuid__in=references)
    return {str(batch.uuid): batch.get_absolute_url() for batch in found}
