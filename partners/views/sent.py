"""The accountant's side of authorisation requests: asking, sending again, withdrawing."""

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import accountant_page, environment_page
from accounts.events.models import Event
from accounts.roles import Permission
from partners import services
from partners.forms import UUID, RequestForm, RequestsFilterForm
from partners.models import AuthorisationRequest, packages
from partners.refusals import AlreadyAsked, AlreadyClient, AlreadySent
from portal.htmx import render_part
from portal.paging import page_of

EVENTS_SHOWN = 10
# What is asked again, or asked of a client that is known: the fields that a new form begins with.
AGAIN = ("client_name", "email", "note", "language")


@environment_page(Permission.VIEW_ORGANISATION)
@require_safe
def authorisations(request):
    """The menu's way in: accountants to what they sent, everybody else to what waits for them."""
    user = request.user
    sends = user.environment.may_send_requests and user.may(Permission.SEND_REQUESTS)
    return redirect("partners:sent" if sends else "partners:received")


@environment_page(Permission.SEND_REQUESTS)
@require_safe
def sent(request):
    filters = RequestsFilterForm(request.GET)
    found = filters.narrow(AuthorisationRequest.objects.seen_by(request.user))
    context = {
        "filters": filters,
        "page": page_of(
            request, found, by="-created_at", rows=AuthorisationRequest.objects.for_list().in_bulk
        ),
        "may_send": request.user.environment.may_send_requests,
    }
    return render_part(request, "partners/sent.html", "partners/_sent.html", context)


@accountant_page(Permission.SEND_REQUESTS)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request):
    """New authorisation request. What is posted twice is sent once (R30, R33)."""
    if request.method != "POST":
        form = RequestForm(apps=packages(), initial=_beginning(request))
        return _new_page(request, form, 200)
    form = RequestForm(request.POST, apps=packages())
    if not form.is_valid():
        return _new_page(request, form, 422)
    try:
        sent = services.ask(by=request.user, **form.cleaned_data)
    except AlreadySent as already:
        return redirect(already.request)
    except AlreadyAsked as already:
        return _new_page(request, form, 409, pending=already.request, refused=already)
    except AlreadyClient as already:
        return _new_page(request, form, 409, mandate=already.mandate, refused=already)
    except services.Refused as refused:
        return _new_page(request, form, 409, refused=refused)
    messages.success(request, _("The request is on its way to %(email)s.") % {"email": sent.email})
    return redirect(sent)


@accountant_page(Permission.SEND_REQUESTS)
@require_safe
def functions(request):
    """What the chosen package asks for, as boxes; fetched when another package is chosen."""
    form = RequestForm(initial={"app": request.GET.get("app")}, apps=packages())
    return render(request, "partners/_functions.html", {"form": form, "app": form.chosen_app()})


@environment_page(Permission.SEND_REQUESTS)
@require_safe
def request_page(request, uuid):
    return _page_of(request, _sent(request, uuid))


@accountant_page(Permission.SEND_REQUESTS)
@require_POST
def resend(request, uuid):
    sent = _sent(request, uuid)
    try:
        services.resend(request=sent, by=request.user)
    except services.Refused as refused:
        return _page_of(request, _sent(request, uuid), status=409, refused=refused)
    messages.success(
        request,
        _("A fresh link is on its way to %(email)s; the earlier one is dead.")
        % {"email": sent.email},
    )
    return redirect(sent)


@environment_page(Permission.SEND_REQUESTS)
@require_POST
def withdraw(request, uuid):
    sent = _sent(request, uuid)
    try:
        services.withdraw(request=sent, by=request.user)
    except services.Refused as refused:
        return _page_of(request, _sent(request, uuid), status=409, refused=refused)
    messages.success(request, _("The request is withdrawn. The link in the mail is dead."))
    return redirect(sent)


@accountant_page(Permission.SEND_REQUESTS)
@require_http_methods(["GET", "HEAD", "POST"])
def remind(request):
    """Remind all pending older than 7 days: says whom, then sends (R35)."""
    found = services.to_be_reminded(request.user)
    if request.method != "POST":
        now = found.for_list().order_by("sent_at", "pk")[: services.REMINDED_AT_ONCE]
        context = {"requests": now[:100], "count": now.count()}
        return render(request, "partners/remind.html", context)
    try:
        reminded = services.remind(by=request.user)
    except services.Refused as refused:
        messages.warning(request, str(refused))
        return redirect("partners:sent")
    text = ngettext(
        "%(count)s client is reminded.", "%(count)s clients are reminded.", reminded
    ) % {"count": reminded}
    messages.success(request, text)
    return redirect("partners:sent")


def _beginning(request):
    """What a new form begins with: nothing, or an earlier request that is asked again (`again`)."""
    beginning = {"language": request.user.language}
    again = request.GET.get("again", "")
    if UUID.fullmatch(again):
        earlier = _sent(request, again)
        beginning |= {name: getattr(earlier, name) for name in AGAIN}
        beginning |= {
            "app": earlier.app_id,
            "functions": earlier.functions,
            "country": earlier.mandate.country,
            "registration_number": earlier.mandate.registration_number,
            "pays": "accountant" if earlier.accountant_pays else "client",
        }
    return beginning


def _sent(request, uuid):
    found = AuthorisationRequest.objects.seen_by(request.user).for_list()
    return get_object_or_404(found, uuid=uuid)


def _new_page(request, form, status, **context):
    context |= {"form": form, "app": form.chosen_app()}
    return render(request, "partners/new.html", context, status=status)


def _page_of(request, sent, status=200, **context):
    context |= {
        "sent": sent,
        "may_send": request.user.environment.may_send_requests,
        "links": sent.links.order_by("-pk")[:10],
        "events": Event.objects.of(request.user.environment)
        .about("request", sent.uuid)
        .newest_first()[:EVENTS_SHOWN],
    }
    return render(request, "partners/request.html", context, status=status)
