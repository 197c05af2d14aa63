"""One invoice: what it says, how far it is, its status, and the XML."""

import re

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.access import organisation_page
from accounts.roles import Permission
from connections.functions import FUNCTIONS
from connections.invoices import services, ubl
from connections.invoices.deliveries import deliveries_of, overall
from connections.invoices.forms import StatusForm
from connections.invoices.history import told_to_receiver, told_to_sender
from connections.invoices.models import Invoice
from connections.invoices.reoffers import may_offer_to


@organisation_page(Permission.VIEW_ORGANISATION)
@require_safe
def detail(request, organisation, uuid):
    """A person of the receiver who looks at it has opened it."""
    invoice = _invoice(organisation, uuid, "document", "receiver", "duplicate_of")
    if request.method == "GET" and _may_set_status(request.user, organisation, invoice):
        services.opened(invoice=invoice, by=request.user)
    return _page(request, organisation, invoice, StatusForm())


@organisation_page(Permission.HANDLE_INVOICES, FUNCTIONS["SetInboxDocumentStatus"])
@require_POST
def set_status(request, organisation, uuid):
    invoice = _received(organisation, uuid)
    form = StatusForm(request.POST)
    if not form.is_valid():
        return _page(request, organisation, invoice, form, status=422)
    try:
        services.set_status(invoice=invoice, by=request.user, **form.cleaned_data)
    except services.Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("The status is set. The sender sees it too."))
    return redirect(invoice.url("invoice", organisation))


@organisation_page(Permission.MANAGE_KEYS, FUNCTIONS["GetInboxDocument"])
@require_POST
def mark_as_original(request, organisation, uuid):
    invoice = _received(organisation, uuid)
    try:
        services.mark_as_original(invoice=invoice, by=request.user)
    except services.Refused as refused:
        messages.error(request, str(refused))
    else:
        text = _("It is an invoice of its own now, and can be offered to your software.")
        messages.success(request, text)
    return redirect(invoice.url("invoice", organisation))


@organisation_page(Permission.VIEW_ORGANISATION)
@require_safe
def xml(request, organisation, uuid):
    """The document, byte for byte as it was sent. It is a stranger's: the browser only stores it."""
    invoice = _invoice(organisation, uuid, "document")
    name = re.sub(r"[^\w.-]+", "-", invoice.number).strip(".-") or str(invoice.uuid)
    return HttpResponse(
        bytes(invoice.document.xml),
        content_type="application/xml",
        headers={
            "Content-Disposition": content_disposition_header(True, f"{name}.xml"),
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
        },
    )


def _page(request, organisation, invoice, form, status=200):
    is_received = invoice.receiver_id == organisation.pk
    fetching = services.connections_that_fetch(organisation) if is_received else []
    deliveries = deliveries_of(invoice, fetching) if is_received else []
    context = {
        "invoice": invoice,
        "organisation": organisation,
        "is_received": is_received,
        "contents": ubl.contents(bytes(invoice.document.xml)),
        "history": reversed((told_to_receiver if is_received else told_to_sender)(invoice)),
        "deliveries": deliveries,
        "delivery": overall({delivery.state for delivery in deliveries}),
        "form": form if _may_set_status(request.user, organisation, invoice) else None,
        "may_manage_keys": request.user.may(Permission.MANAGE_KEYS),
        "connections": [it for it in fetching if may_offer_to(it, organisation, request.user)],
    }
    return render(request, "invoices/detail.html", context, status=status)


def _may_set_status(user, organisation, invoice):
    function = "SetInboxDocumentStatus"
    return (
        invoice.receiver_id == organisation.pk
        and user.may(Permission.HANDLE_INVOICES)
        and (organisation.let_do is None or function in organisation.let_do)
    )


def _received(organisation, uuid):
    """One that the organisation received."""
    found = Invoice.objects.received_by(organisation)
    return get_object_or_404(
        found.select_related("document", "receiver", "duplicate_of"), uuid=uuid
    )


def _invoice(organisation, uuid, *related):
    """One that the organisation received or sent; a partner's people open what their software may fetch."""
    found = Invoice.objects.of(organisation)
    if organisation.let_do is not None:
        found = Invoice.objects.none()
        if "GetInboxDocument" in organisation.let_do:
            found |= Invoice.objects.received_by(organisation)
        if "GetOutboxDocument" in organisation.let_do:
            found |= Invoice.objects.sent_by(organisation)
    return get_object_or_404(found.select_related(*related), uuid=uuid)
