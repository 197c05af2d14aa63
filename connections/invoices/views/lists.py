"""The invoices that organisations received and sent, with search and filters."""

from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.access import environment_page, organisation_page
from accounts.models import Organisation
from accounts.roles import Permission
from connections.functions import FUNCTIONS
from connections.invoices.deliveries import PAGE, add_delivery
from connections.invoices.forms import ReceivedFilterForm, SentFilterForm
from connections.invoices.models import Invoice, Reoffer
from connections.invoices.reoffers import connections_to_offer
from connections.invoices.rows import rows_of
from portal.htmx import render_part
from portal.paging import page_of, query_of

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


def _of_all(request, box):
    """The invoices of all organisations within reach; who has one sees the page of that one."""
    organisations = Organisation.objects.reachable_by(request.user, LISTS[box])
    first = list(organisations[:2])
    if len(first) == 1:
        page = reverse(f"invoices:{box}-of", args=[first[0].organisation_id])
        return redirect(f"{page}?{request.GET.urlencode()}".rstrip("?"))
    side = "receiver" if box == "received" else "sender"
    within_reach = Organisation.objects.reached_at(side, request.user, LISTS[box])
    return _list(request, box, Invoice.objects.filter(within_reach), member=bool(first))


def _list(request, box, invoices, organisation=None, *, member=True):
    is_received = box == "received"
    form = (ReceivedFilterForm if is_received else SentFilterForm)(request.GET)
    found = form.applied_to(invoices)
    may_manage_keys = request.user.may(Permission.MANAGE_KEYS)
    may_reoffer = bool(organisation) and is_received and may_manage_keys
    rows = Invoice.objects.all()
    if organisation is None:
        rows = rows.select_related("receiver" if is_received else "sender")
    how = {"size": PAGE, "rows": rows.in_bulk, "counted": True}
    page = page_of(request, found, by="-created_at", **how)
    if is_received:
        add_delivery(page.rows)
    connections = connections_to_offer(organisation, request.user) if may_reoffer else []
    context = {
        "page": page,
        "rows": rows_of(
            page.rows,
            is_received=is_received,
            organisation=organisation,
            can_be_ticked=bool(connections),
        ),
        "count": page.count(found),
        "form": form,
        "organisation": organisation,
        "is_member": member,
        "is_received": is_received,
        "may_manage_keys": may_manage_keys,
        "may_reoffer": may_reoffer,
        "connections": connections,
        "running": _running(organisation) if may_reoffer else None,
        "query": query_of(request),
    }
    return render_part(request, "invoices/list.html", "invoices/_rows.html", context)


def _running(organisation):
    """The re-offer that is not done yet, so that who left its page finds the way back."""
    jobs = Reoffer.objects.running().filter(organisation=organisation)
    return jobs.select_related("organisation").order_by("created_at").first()
