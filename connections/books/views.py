"""The pages of Koppel Books. Every one shows the administration of the browser that asks, and no other."""

from django.http import Http404
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connections.books import services
from connections.books.access import keep, own_books
from connections.books.client import Failed, portal_address
from connections.books.findings import help_of, say
from connections.books.forms import InvoiceForm, PasteForm, SeriesForm, SettingsForm
from connections.books.models import Direction, State


@own_books
@require_GET
def invoices(request):
    """Inbox and outbox, as the portal has them."""
    return _invoices(request)


@own_books
@require_POST
def fetch(request):
    """Book what waits. Doing so twice changes nothing, so the answer is the page itself."""
    if not request.administration.connected_at:
        return redirect("books:invoices")
    return _invoices(request, services.fetch(request.administration))


def _invoices(request, fetched=None):
    administration = request.administration
    if not administration.has_keys:
        return _page(request, "empty", here="invoices")
    if not administration.connected_at:
        return _page(request, "empty", here="invoices", said=say(administration.tested))
    inbox, outbox, finding = services.boxes(administration)
    booked = {
        invoice.api_id: invoice
        for invoice in administration.invoices.defer("xml").filter(
            api_id__in=[row.id for row in inbox.rows + outbox.rows]
        )
    }
    waiting = administration.invoices.defer("xml").filter(
        direction=Direction.SENT, state__in=(State.UNANSWERED, State.REFUSED)
    )
    return _page(
        request,
        "invoices",
        inbox=inbox,
        outbox=outbox,
        received=[(row, booked.get(row.id)) for row in inbox.rows],
        sent=[(row, booked.get(row.id)) for row in outbox.rows],
        waiting=waiting[:20],
        ready=sum(row.state == "ready" for row in inbox.rows),
        not_offered=sum(row.state == "not offered" and row.id not in booked for row in inbox.rows),
        said=say(finding),
        said_of_inbox=say(inbox.finding),
        said_of_outbox=say(outbox.finding),
        fetched=fetched,
        said_of_fetching=say(fetched.finding) if fetched else None,
    )


@own_books
@require_http_methods(["GET", "HEAD", "POST"])
def send(request):
    """Write an invoice with one line and send it."""
    administration = request.administration
    if not administration.connected_at:
        return redirect("books:invoices")
    form = InvoiceForm(request.POST or None, administration=administration)
    said = None
    if form.is_valid():
        values = {name: form.cleaned_data[name] for name in form.SENT}
        try:
            invoice = services.send(administration, uuid=form.cleaned_data["op"], **values)
            return redirect("books:invoice", invoice.uuid)
        except Failed as failure:
            said = say(failure.finding)
    status = 502 if said else 422 if form.is_bound else 200
    return _page(request, "send", status, form=form, said=said, here="invoices")


@own_books
@require_GET
def invoice(request, uuid):
    """An invoice in these books, and what the portal answered."""
    found = _invoice(request, uuid)
    return _page(
        request,
        "invoice",
        here="invoices",
        invoice=found,
        document=bytes(found.xml).decode(errors="replace")[:100_000],
        said=say(found.answer) if found.answer.get("what") else None,
        help=help_of(found.answer),
    )


@own_books
@require_POST
def send_again(request, uuid):
    """Send the same document under the same Idempotency-Key, when no answer came."""
    found = _invoice(request, uuid)
    if found.direction != Direction.SENT:
        raise Http404
    services.hand_over(request.administration, found)
    return redirect("books:invoice", found.uuid)


def _invoice(request, uuid):
    if request.administration.pk is None:
        raise Http404
    found = request.administration.invoices.filter(uuid=uuid).first()
    if found is None:
        raise Http404
    return found


@own_books
@sensitive_post_parameters()
@sensitive_variables()
@require_http_methods(["GET", "HEAD", "POST"])
def settings(request):
    """App Key, Secret, organisation ID and email; saving tests them."""
    administration = request.administration
    form = SettingsForm(request.POST or None, administration=administration)
    if form.is_valid():
        administration = keep(request)
        form.store(administration)
        services.test(administration)
        return redirect("books:settings")
    status = 422 if form.is_bound else 200
    return _page(request, "settings", status, form=form, said=say(administration.tested))


@own_books
@require_POST
def choose(request):
    """Take one of the organisations that the keys are for."""
    administration = request.administration
    listed = {it["id"] for it in administration.tested.get("organisations", [])}
    if request.POST.get("organisation") in listed:
        administration.organisation_id = request.POST["organisation"]
        services.test(administration)
    return redirect("books:settings")


@own_books
@require_POST
def test(request):
    """Test the stored keys once more."""
    if request.administration.has_keys:
        services.test(request.administration)
    return redirect("books:settings")


@own_books
@require_http_methods(["GET", "HEAD", "POST"])
def disconnect(request):
    """Delete the keys here; in the portal they go on until they are revoked there."""
    administration = request.administration
    had = administration.app_key
    if request.method == "POST" and had:
        administration.forget_keys()
        administration.save()
        return _page(request, "disconnected", here="settings", app_key=had)
    if not had:
        return redirect("books:settings")
    return _page(request, "disconnect", here="settings")


@own_books
@sensitive_post_parameters()
@sensitive_variables()
@require_http_methods(["GET", "HEAD", "POST"])
def connect(request):
    """The window of Quick Connect: read a pasted text, show what was found, connect on a click."""
    form, connecting = _pasted(request)
    if connecting:
        return redirect("books:settings")
    return _page(request, "connect", 422 if form.errors else 200, form=form)


@own_books
@require_GET
def guide(request):
    """The first step: what is needed."""
    return _page(request, "guide", step=0)


@own_books
@sensitive_post_parameters()
@sensitive_variables()
@require_http_methods(["GET", "HEAD", "POST"])
def guide_key(request):
    """The second step: paste the key; going on tests it."""
    administration = request.administration
    if "again" in request.POST and administration.has_keys:
        services.test(administration)
        return redirect("books:guide-key")
    form = PasteForm(request.POST or None, administration=administration)
    if form.is_valid():
        administration = keep(request)
        form.store(administration)
        services.test(administration)
        works = administration.tested["what"] == "ok"
        return redirect("books:guide-numbers" if works else "books:guide-key")
    said = say(administration.tested)
    return _page(request, "guide_key", 422 if form.errors else 200, form=form, said=said, step=1)


@own_books
@require_http_methods(["GET", "HEAD", "POST"])
def guide_numbers(request):
    """The third step: number series that do not collide with those of a shop."""
    form = SeriesForm(request.POST or None)
    if "proposed" in request.POST and not form.is_valid():
        form = SeriesForm(request.POST.dict() | form.proposals)
    if form.is_valid():
        administration = keep(request)
        administration.first_customer = form.cleaned_data["first_customer"]
        administration.first_invoice = form.cleaned_data["first_invoice"]
        administration.save(update_fields=["first_customer", "first_invoice"])
        return redirect("books:guide-done")
    return _page(request, "guide_numbers", 422 if form.is_bound else 200, form=form, step=2)


@own_books
@require_GET
def guide_done(request):
    """What was set up."""
    return _page(request, "guide_done", step=3)


@own_books
@require_GET
def secret(request):
    """How we keep your Secret."""
    return _page(request, "secret")


@sensitive_variables()
def _pasted(request):
    """The window and whether "Connect" stored the keys that it had shown. Reading alone stores nothing."""
    form = PasteForm(request.POST or None, administration=request.administration)
    if not form.is_valid() or request.POST.get("connect") != form.found.app_key:
        return form, False
    administration = keep(request)
    form.store(administration)
    services.test(administration)
    return form, True


def _page(request, name, status=200, **context):
    steps = [_("Get started"), _("Paste the key"), _("Number series"), _("Done")]
    context = {"here": name.partition("_")[0], "steps": steps, **context}
    context |= {"administration": request.administration, "portal": portal_address()}
    return render(request, f"books/{name}.html", context, status=status)
