from django.contrib import admin

from accounts.events.models import Event
from portal.admin import ReadOnlyAdmin


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ["at", "environment", "actor_name", "action", "subject_name", "details_in_words"]
    list_filter = ["action"]
    list_select_related = ["environment"]
    date_hierarchy = "at"
    search_fields = [
        "=request_id",
        "=organisation__organisation_id",
        "=actor__email",
        "subject_name",
    ]
    show_full_result_count = False
