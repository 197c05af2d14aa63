"""The invoices that organisations received and sent, and offering them to the software again."""

import re

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import environment_page, organisation_page
from accounts.models import Organisation
from accounts.roles import Permission
from connections.functions import FUNCTIONS
from connections.invoices import services, ubl
from connections.invoices.forms import ReceivedFilterForm, ReofferForm, SentFilterForm
from connections.invoices.models import Invoice
from portal.htmx import render_part
from portal.paging import page_of

# What software needs to list, and a partner's people to look.
LISTS = {"received": "GetInboxDocuments", "sent": "GetOutboxDocuments"}


@environment_page(Permission.VIEW_ORGANISATION)
@require_safe
def received(request):
    return _of_all(request, "received")


@environment_page(Permission.VIEW_ORGANISATION)
@require_safe
def sent(request):
    return _of_all(request, "sent")


@organisation_page(Permission.VIEW_ORGANISATION, FUNCTIONS["GetInboxDocuments"])
@require_safe
def received_of(request, organisation):
    return _list(request, "received", Invoice.objects.received_by(organisation), organisation)


@organisation_page(Permission.VIEW_ORGANISATION, FUNCTIONS["GetOutboxDocuments"])
@require_safe
def sent_of(request, organisation):
    return _list(request, "sent", Invoice.objects.sent_by(organisation), organisation)


@organisation_page(Permission.VIEW_ORGANISATION)
@require_safe
def detail(request, organisation, uuid):
    invoice = _invoice(organisation, uuid, "document", "receiver", "sent_through__app")
    is_received = invoice.receiver_id == organisation.pk
    context = {
        "invoice": invoice,
        "organisation": organisation,
        "is_received": is_received,
        "is_sent": invoice.sender_id == organisation.pk,
        "contents": ubl.contents(bytes(invoice.document.xml)),
        "offers": _offers(invoice) if is_received else (),
        "may_manage_keys": request.user.may(Permission.MANAGE_KEYS),
    }
    return render(request, "invoices/detail.html", context)


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


@organisation_page(Permission.MANAGE_KEYS, FUNCTIONS["GetInboxDocument"])
@require_http_methods(["GET", "HEAD", "POST"])
def reoffer(request, organisation):
    """Re-offer to API: ticked invoices at once, everything that the filter finds after a question (R50)."""
    filters = ReceivedFilterForm(request.GET)
    found = filters.applied_to(Invoice.objects.received_by(organisation))
    form = ReofferForm(request.POST)
    refusal = None
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        ticked = Invoice.objects.filter(uuid__in=chosen["invoice"])
        try:
            done = services.reoffer(
                invoices=found if chosen["everything"] else ticked,
                organisation=organisation,
                by=request.user,
            )
        except services.NothingChosen as nothing:
            messages.warning(request, str(nothing))
            return redirect(_back(request, organisation, chosen))
        except services.Refused as refused:
            refusal = refused
        else:
            messages.success(request, _in_words(done))
            return redirect(_back(request, organisation, chosen))
    connections = services.connections_to_offer(organisation, request.user)
    context = {
        "organisation": organisation,
        "query": _filters_of(request),
        "filters": filters,
        "refusal": refusal,
        "connections": connections,
        "count": found.count(),
        "again": found.with_delivery().filter(confirmed=True).count(),
        "most": services.MOST_AT_ONCE,
    }
    return render(request, "invoices/reoffer.html", context, status=422 if refusal else 200)


def _of_all(request, box):
    """The invoices of all organisations within reach; who has one sees the page of that one."""
    organisations = Organisation.objects.reachable_by(request.user, LISTS[box])
    first = list(organisations[:2])
    if len(first) == 1:
        page = reverse(f"invoices:{box}-of", args=[first[0].organisation_id])
        return redirect(f"{page}?{request.GET.urlencode()}".rstrip("?"))
    within_reach = {("receiver" if box == "received" else "sender") + "__in": organisations}
    return _list(request, box, Invoice.objects.filter(**within_reach), member=bool(first))


def _list(request, box, invoices, organisation=None, *, member=True):
    is_received = box == "received"
    form = (ReceivedFilterForm if is_received else SentFilterForm)(request.GET)
    found = form.applied_to(invoices)
    may_manage_keys = request.user.may(Permission.MANAGE_KEYS)
    may_reoffer = bool(organisation) and is_received and may_manage_keys
    rows = found.with_delivery().select_related("receiver", "sender")
    page = page_of(request, rows, by="-created_at")
    context = {
        "page": page,
        "count": found.count(),
        "form": form,
        "organisation": organisation,
        "is_member": member,
        "is_received": is_received,
        "may_manage_keys": may_manage_keys,
        "may_reoffer": may_reoffer,
        "connected": may_reoffer
        and bool(services.connections_to_offer(organisation, request.user)),
        "query": _filters_of(request),
    }
    return render_part(request, "invoices/list.html", "invoices/_rows.html", context)


def _invoice(organisation, uuid, *related):
    """One that the organisation received or sent; a partner's people open what their software may fetch."""
    found = Invoice.objects.of(organisation)
    if organisation.let_do is not None:
        found = Invoice.objects.none()
        if "GetInboxDocument" in organisation.let_do:
            found |= Invoice.objects.received_by(organisation)
        if "GetOutboxDocument" in organisation.let_do:
            found |= Invoice.objects.sent_by(organisation)
    return get_object_or_404(found.with_delivery().select_related(*related), uuid=uuid)


def _offers(invoice):
    """How far each connection is with it: what was retrieved or waits; the newest offer first."""
    return invoice.offers.select_related(
        "connection__app__logo", "connection__organisation", "offered_by"
    ).order_by("-offered_at", "-pk")


def _filters_of(request):
    """The query string of the list without the place in it."""
    query = request.GET.copy()
    query.pop("after", None)
    return query.urlencode()


def _back(request, organisation, chosen):
    """Where the person came from: the page of the invoice, or the list with its filters."""
    if "back" in request.POST and len(chosen["invoice"]) == 1:
        return reverse("invoices:invoice", args=[organisation.organisation_id, *chosen["invoice"]])
    page = reverse("invoices:received-of", args=[organisation.organisation_id])
    return f"{page}?{_filters_of(request)}".rstrip("?")


def _in_words(done):
    words = {"count": done.invoices, "connections": ", ".join(map(str, done.connections))}
    text = ngettext(
        "%(count)s invoice is offered again to %(connections)s.",
        "%(count)s invoices are offered again to %(connections)s.",
        done.invoices,
    )
    return text % words
