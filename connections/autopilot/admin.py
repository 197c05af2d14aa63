"""What support sees of Autopilot: what was tried and how it ended, never what an invoice says."""

from django.contrib import admin

from accounts.desk import ReadOnlyAdmin
from connections.autopilot.models import Attempt, Autopilot, Push


@admin.register(Autopilot)
class AutopilotAdmin(ReadOnlyAdmin):
    belongs_to = ("connection__organisation__environment", "connection__mandate__accountant")
    list_display = ["connection", "last_delivered_at", "failing_since", "failures", "rests_until"]
    list_filter = [("failing_since", admin.EmptyFieldListFilter)]
    list_select_related = ["connection"]
    search_fields = ["=connection__organisation__organisation_id", "connection__name"]

    def subject_of(self, row):
        return row.connection


@admin.register(Push)
class PushAdmin(ReadOnlyAdmin):
    belongs_to = (
        "offer__connection__organisation__environment",
        "offer__connection__mandate__accountant",
    )
    list_display = ["message", "attempts", "send_after", "first_tried_at", "given_up_at"]
    list_filter = [("given_up_at", admin.EmptyFieldListFilter)]
    search_fields = ["=message", "=offer__connection__organisation__organisation_id"]

    def subject_of(self, row):
        return row.offer.connection


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    belongs_to = ("connection__organisation__environment", "connection__mandate__accountant")
    list_display = ["at", "connection", "message", "number", "outcome", "status", "milliseconds"]
    list_filter = ["outcome"]
    list_select_related = ["connection"]
    search_fields = ["=message", "=connection__organisation__organisation_id"]

    def subject_of(self, row):
        return row.connection
