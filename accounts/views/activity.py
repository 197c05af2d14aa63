"""The activity log of an environment."""

from django.views.decorators.http import require_safe

from accounts.access import environment_page
from accounts.events.models import Event
from accounts.forms import ActivityFilterForm
from accounts.roles import Permission
from portal.htmx import render_part
from portal.paging import page_of


@environment_page(Permission.VIEW_ACTIVITY)
@require_safe
def activity(request):
    environment = request.user.environment
    filters = ActivityFilterForm(request.GET, environment=environment)
    found = filters.narrow(Event.objects.of(environment).select_related("organisation"))
    context = {"filters": filters, "page": page_of(request, found, by="-at")}
    return render_part(request, "accounts/activity.html", "accounts/_activity.html", context)
