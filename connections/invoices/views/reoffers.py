"""Re-offer to API: which invoices, to which connections, how far it is and what was refused."""

from django.contrib import messages
from django.db.models import Count, Q
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import organisation_page
from accounts.roles import Permission
from connections.functions import FUNCTIONS
from connections.invoices import reoffers
from connections.invoices.forms import ReceivedFilterForm, ReofferForm
from connections.invoices.models import Invoice, ReofferLine, Status
from portal.htmx import render_part
from portal.paging import page_of, query_of

EARLIER_SHOWN = 5
State = ReofferLine.State


@organisation_page(Permission.MANAGE_KEYS, FUNCTIONS["GetInboxDocument"])
@require_http_methods(["GET", "HEAD", "POST"])
def reoffer(request, organisation):
    """Ticked invoices at once; everything that the filter in the address finds after a question (R50)."""
    filters = ReceivedFilterForm(request.GET)
    found = filters.applied_to(Invoice.objects.received_by(organisation))
    form = ReofferForm(request.POST)
    if request.method != "POST" or not form.is_valid():
        return _question(request, organisation, found)
    chosen = form.cleaned_data
    ticked = Invoice.objects.filter(uuid__in=chosen["invoice"])
    try:
        job = reoffers.reoffer(
            invoices=found if chosen["everything"] else ticked,
            organisation=organisation,
            connections=organisation.connections.filter(number__in=chosen["connection"]),
            by=request.user,
        )
    except reoffers.Refused as refused:
        if chosen["everything"] or isinstance(refused, reoffers.NothingConnected):
            return _question(request, organisation, found, refused)
        messages.warning(request, str(refused))
        return redirect(_back(request, organisation, chosen))
    return _done(request, organisation, job, chosen)


@organisation_page(Permission.MANAGE_KEYS, FUNCTIONS["GetInboxDocument"])
@require_safe
def reoffered(request, organisation, job):
    """How far a re-offer is, and what was refused; htmx asks again for the part `progress` alone."""
    found = get_object_or_404(organisation.reoffers.select_related("by"), uuid=job)
    watched = request.htmx and request.htmx.target == "progress"
    refused_alone = "refused" in request.GET
    context = {
        **_progress(found),
        "organisation": organisation,
        "job": found,
        "refused_alone": refused_alone,
    }
    if not watched:
        lines = found.lines.refused() if refused_alone else found.lines.all()
        context["page"] = page_of(request, lines.select_related("invoice"), by="id")
    part = "invoices/_progress.html" if watched else "invoices/_reoffer_lines.html"
    response = render_part(request, "invoices/reoffered.html", part, context)
    patch_vary_headers(response, ["HX-Target"])
    return response


def _question(request, organisation, found, refusal=None):
    earlier = organisation.reoffers.select_related("by", "organisation")
    context = {
        "organisation": organisation,
        "query": query_of(request),
        "refusal": refusal,
        "again": found.retrieved_before().count(),
        "connections": reoffers.connections_to_offer(organisation, request.user),
        **found.aggregate(
            count=Count("pk"),
            duplicates=Count("pk", filter=Q(status=Status.DUPLICATE)),
        ),
        "most": reoffers.MOST_AT_ONCE,
        "earlier": earlier.order_by("-created_at", "-pk")[:EARLIER_SHOWN],
    }
    return render(request, "invoices/reoffer.html", context, status=422 if refusal else 200)


def _progress(job):
    """How many lines are done and refused, and how far each connection is with those that were offered."""
    counts = dict(job.lines.order_by().values_list("state").annotate(Count("pk")))
    waiting, offered = counts.get(State.WAITING, 0), counts.get(State.OFFERED, 0)
    since = {"retrieved_at__gte": job.created_at, "connection__in": job.connections.all()}
    retrieved = dict(
        job.lines.offered()
        .filter(**{f"invoice__offers__{name}": value for name, value in since.items()})
        .order_by()
        .values_list("invoice__offers__connection")
        .annotate(Count("pk"))
    )
    return {
        "done": job.number - waiting,
        "offered": offered,
        "refused": job.number - waiting - offered,
        "fetched": [
            (connection, retrieved.get(connection.pk, 0))
            for connection in job.connections.select_related("app", "organisation").order_by("pk")
        ],
    }


def _done(request, organisation, job, chosen):
    """A short re-offer is told where the person is; one that goes on or refused some, on its own page."""
    refused = [] if job.finished_at is None else list(job.lines.refused()[:1])
    if job.number == 1 and refused:
        messages.warning(request, refused[0].get_state_display())
    elif job.finished_at is None or refused:
        return redirect(job)
    else:
        messages.success(request, _in_words(job))
    return redirect(_back(request, organisation, chosen))


def _back(request, organisation, chosen):
    """Where the person came from: the page of the invoice, or the list with its filters."""
    if "back" in request.POST and len(chosen["invoice"]) == 1:
        return reverse("invoices:invoice", args=[organisation.organisation_id, *chosen["invoice"]])
    page = reverse("invoices:received-of", args=[organisation.organisation_id])
    return f"{page}?{query_of(request)}".rstrip("?")


def _in_words(job):
    words = {
        "count": job.number,
        "connections": ", ".join(map(str, job.connections.order_by("pk"))),
    }
    text = ngettext(
        "%(count)s invoice is offered again to %(connections)s.",
        "%(count)s invoices are offered again to %(connections)s.",
        job.number,
    )
    return text % words
