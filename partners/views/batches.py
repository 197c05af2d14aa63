"""Many authorisation requests from a file: upload, dry run, sending with progress, what is to be mended."""

from django.contrib import messages
from django.db.models import Count
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import accountant_page
from accounts.roles import Permission
from partners import imports
from partners.forms import FileForm
from partners.models import ActivationLink, Batch, BatchLine, packages
from partners.services import Refused
from portal.htmx import render_part
from portal.paging import page_of
from portal.tables import csv_answer

BATCHES_SHOWN = 10
State = BatchLine.State


@accountant_page(Permission.SEND_REQUESTS)
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request):
    """Choose a file; it is judged and shown, nothing is sent."""
    if request.method != "POST":
        return _upload_page(request, FileForm(), 200)
    form = FileForm(request.POST, request.FILES)
    if not form.is_valid():
        return _upload_page(request, form, 422)
    try:
        return redirect(imports.judge(file=form.cleaned_data["file"], by=request.user))
    except Refused as refused:
        form.add_error("file", str(refused))
        return _upload_page(request, form, 422)


@accountant_page(Permission.SEND_REQUESTS)
@require_safe
def template(request):
    """The header and two lines to copy, for a spreadsheet program."""
    names = [app.name for app in packages().select_related(None)[:2]] or [_("Software package")]
    examples = [
        {
            "client_name": _("Bakery Example"),
            "email": "info@bakery.example.org",
            "package": names[0],
            "country": "NL",
            "registration_number": "12345678",
            "pays": imports.pays_in_words(True),
            "note": _("As we agreed by phone."),
            "language": "nl",
        },
        {
            "client_name": _("Florist Example"),
            "email": "books@florist.example.org",
            "package": names[-1],
            "country": "BE",
            "registration_number": "1012345678",
            "pays": imports.pays_in_words(False),
            "language": "en",
        },
    ]
    rows = [[line.get(column.name, "") for column in imports.COLUMNS] for line in examples]
    return csv_answer("template.csv", [column.title for column in imports.COLUMNS], rows)


@accountant_page(Permission.SEND_REQUESTS)
@require_safe
def batch(request, batch):
    """What the file says line by line, and how far it is; htmx asks again for the part `progress` alone."""
    found = _batch(request, batch)
    state = request.GET.get("state", "")
    lines = found.lines.filter(state=state) if state in State.values else found.lines.all()
    watched = request.htmx and request.htmx.target == "progress"
    context = {**_progress(found), "batch": found, "state": state}
    if not watched:
        context["page"] = page_of(request, lines.select_related("request"), by="number")
    part = "partners/_progress.html" if watched else "partners/_batch_lines.html"
    response = render_part(request, "partners/batch.html", part, context)
    patch_vary_headers(response, ["HX-Target"])
    return response


@accountant_page(Permission.SEND_REQUESTS)
@require_POST
def send(request, batch):
    """Let the worker begin. A second click changes nothing."""
    found = _batch(request, batch)
    try:
        started = imports.start(batch=found, by=request.user)
    except Refused as refused:
        messages.error(request, str(refused))
        return redirect(found)
    if started:
        messages.success(
            request, _("Sending has begun. You may leave this page; it goes on by itself.")
        )
    return redirect(found)


@accountant_page(Permission.SEND_REQUESTS)
@require_safe
def mend(request, batch):
    """The lines that were not sent and why, as a file that can be mended and uploaded."""
    found = _batch(request, batch)
    columns = (*imports.COLUMNS, imports.WHY)
    name = found.file_name.rpartition(".")[0] or found.file_name
    return csv_answer(
        _("%(file)s to mend.csv") % {"file": name[:100]},
        [column.title for column in columns],
        imports.to_be_mended(found),
    )


def _batch(request, uuid):
    return get_object_or_404(
        Batch.objects.seen_by(request.user).select_related("by", "environment"), uuid=uuid
    )


def _progress(batch):
    """How many lines are in which state, and whether the rest has to wait for tomorrow."""
    counted = batch.lines.order_by().values_list("state").annotate(number=Count("pk"))
    counts = {state.value: 0 for state in State} | dict(counted)
    done = counts[State.SENT] + counts[State.REFUSED]
    left = ActivationLink.objects.left_today(batch.environment)
    return {
        "counts": counts,
        "states": [(state, state.label, counts[state]) for state in State],
        "total": done + counts[State.READY] + counts[State.WRONG],
        "done": done,
        "to_send": done + counts[State.READY],
        "to_mend": counts[State.WRONG] + counts[State.REFUSED],
        "today": left if left < counts[State.READY] and not batch.finished_at else None,
    }


def _upload_page(request, form, status):
    batches = (
        Batch.objects.seen_by(request.user)
        .select_related("by")
        .order_by("-created_at", "-pk")[:BATCHES_SHOWN]
    )
    context = {"form": form, "batches": batches, "columns": imports.COLUMNS}
    return render(request, "partners/upload.html", context, status=status)
