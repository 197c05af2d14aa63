"""What support sees of accountants and clients: who asked whom, and how it stands. Changed is nothing."""

from django.contrib import admin

from accounts.desk import ReadOnlyAdmin, ReadOnlyInline
from partners.models import AuthorisationRequest, Mandate, Partnership


@admin.register(AuthorisationRequest)
class AuthorisationRequestAdmin(ReadOnlyAdmin):
    belongs_to = ("accountant", "client")
    list_display = ["client_name", "email", "accountant", "app", "status", "sent_at", "expires_at"]
    list_filter = ["status"]
    list_select_related = ["accountant", "app"]
    search_fields = ["email", "client_name", "mandate__registration_number", "accountant__name"]
    fields = [
        *("client_name", "email", "accountant", "asked_by", "app", "functions", "accountant_pays"),
        *("status", "created_at", "sent_at", "expires_at", "closed_at", "client", "answered_by"),
    ]


class MandatesOfPartnership(ReadOnlyInline):
    model = Mandate
    fields = ["name", "organisation", "functions", "accountant_pays", "given_at", "ended_at"]
    readonly_fields = fields


@admin.register(Partnership)
class PartnershipAdmin(ReadOnlyAdmin):
    belongs_to = ("accountant", "client")
    list_display = ["accountant", "client", "started_at", "ended_at"]
    list_select_related = ["accountant", "client"]
    search_fields = ["accountant__name", "client__name", "mandates__registration_number"]
    readonly_fields = ["accountant", "client", "started_at", "ended_at", "ended_by"]
    inlines = [MandatesOfPartnership]
