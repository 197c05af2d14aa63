"""What support sees of Autopilot: what was tried and how it ended, never what an invoice says."""

from django.contrib import admin

from connections.autopilot.models import Attempt, Autopilot, Push
from portal.admin import ReadOnlyAdmin


@admin.register(Autopilot)
class AutopilotAdmin(ReadOnlyAdmin):
    list_display = ["connection", "last_delivered_at", "failing_since", "failures", "rests_until"]
    list_filter = [("failing_since", admin.EmptyFieldListFilter)]
    list_select_related = ["connection"]
    search_fields = ["=connection__organisation__organisation_id", "connection__name"]


@admin.register(Push)
class PushAdmin(ReadOnlyAdmin):
    list_display = ["message", "attempts", "send_after", "first_tried_at", "given_up_at"]
    list_filter = [("given_up_at", admin.EmptyFieldListFilter)]
    search_fields = ["=message", "=offer__connection__organisation__organisation_id"]
    show_full_result_count = False


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    list_display = ["at", "connection", "message", "number", "outcome", "status", "milliseconds"]
    list_filter = ["outcome"]
    list_select_related = ["connection"]
    search_fields = ["=message", "=connection__organisation__organisation_id"]
    show_full_result_count = False
