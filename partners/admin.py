"""What support sees of accountants and clients: who asked whom, and how it stands. Changed is nothing."""

from django.contrib import admin

from partners.models import AuthorisationRequest, Mandate, Partnership
from portal.admin import ReadOnlyAdmin, ReadOnlyInline


@admin.register(AuthorisationRequest)
class AuthorisationRequestAdmin(ReadOnlyAdmin):
    list_display = ["client_name", "email", "accountant", "app", "status", "sent_at", "expires_at"]
    list_filter = ["status"]
    list_select_related = ["accountant", "app"]
    search_fields = ["email", "client_name", "mandate__registration_number", "accountant__name"]
    exclude = ["op_id"]
    show_full_result_count = False


class MandatesOfPartnership(ReadOnlyInline):
    model = Mandate
    fields = ["name", "organisation", "functions", "accountant_pays", "given_at", "ended_at"]
    readonly_fields = fields


@admin.register(Partnership)
class PartnershipAdmin(ReadOnlyAdmin):
    list_display = ["accountant", "client", "started_at", "ended_at"]
    list_select_related = ["accountant", "client"]
    search_fields = ["accountant__name", "client__name", "mandates__registration_number"]
    readonly_fields = ["accountant", "client", "started_at", "ended_at", "ended_by"]
    inlines = [MandatesOfPartnership]
    show_full_result_count = False
