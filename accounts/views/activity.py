"""The activity log of an environment."""

from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from accounts.access import environment_page, public_page
from accounts.events.export import COLUMNS, csv_rows, json_lines, lines_of
from accounts.events.links import add_pages
from accounts.events.models import Event
from accounts.events.services import head_of
from accounts.forms import ActivityFilterForm
from accounts.roles import Permission
from portal.htmx import render_part
from portal.paging import page_of
from portal.tables import csv_answer


@environment_page(Permission.VIEW_ACTIVITY)
@require_safe
def activity(request):
    environment = request.user.environment
    filters, found = _found(request)
    page = page_of(request, found.select_related("organisation"), by="-at")
    add_pages(page.rows, request.user)
    number, link = head_of(environment.pk)
    context = {
        "filters": filters,
        "page": page,
        "check_value": f"{number}-{link}" if number else "",
    }
    return render_part(request, "accounts/activity.html", "accounts/_activity.html", context)


@environment_page(Permission.VIEW_ACTIVITY)
@require_safe
def activity_csv(request):
    """What the filter finds, with its places in the chain."""
    return csv_answer("activity.csv", COLUMNS, csv_rows(_lines(request)))


@environment_page(Permission.VIEW_ACTIVITY)
@require_safe
def activity_jsonl(request):
    """What the filter finds; of all other lines, the digest that holds the chain together."""
    return StreamingHttpResponse(
        json_lines(_lines(request)),
        content_type="application/jsonl",
        headers={"Content-Disposition": content_disposition_header(True, "activity.jsonl")},
    )


@public_page
@require_safe
def verifier(request):
    """The program that follows the chain of a download, for anybody who was given one."""
    program = settings.BASE_DIR / "scripts/verify_export.py"
    disposition = f'attachment; filename="{program.name}"'
    return HttpResponse(
        program.read_bytes(),
        content_type="text/x-python",
        headers={"Content-Disposition": disposition},
    )


def _found(request):
    environment = request.user.environment
    filters = ActivityFilterForm(request.GET, environment=environment)
    return filters, filters.narrow(Event.objects.of(environment))


def _lines(request):
    _filters, found = _found(request)
    return lines_of(request.user.environment, found)
