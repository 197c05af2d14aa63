"""What support sees of accountants and clients: who asked whom, and how it stands. Changed is nothing."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from accounts.desk import ReadOnlyAdmin, ReadOnlyInline
from accounts.models import Environment, User
from partners.models import AuthorisationRequest, Mandate, Partnership


@admin.register(AuthorisationRequest)
class AuthorisationRequestAdmin(ReadOnlyAdmin):
    """Whom it was sent to reads of a look too, answered or not. Only the accountant sends it again."""

    belongs_to = ("accountant", "client")
    list_display = ["client_name", "email", "accountant", "app", "status", "sent_at", "expires_at"]
    list_filter = ["status"]
    list_select_related = ["accountant", "app"]
    search_fields = ["email", "client_name", "mandate__registration_number", "accountant__name"]
    fields = [
        *("client_name", "email", "accountant", "asked_by", "app", "functions", "accountant_pays"),
        *("status", "created_at", "sent_at", "mails", "expires_at", "closed_at", "client"),
        "answered_by",
    ]
    readonly_fields = ["mails"]

    def environments_of(self, rows):
        asked = [row.email for row in rows if row.client_id is None]
        receivers = User.objects.filter(email__in=asked, joined_at__isnull=False)
        found = super().environments_of(rows)
        return found | Environment.objects.filter(pk__in=receivers.values("environment"))

    @admin.display(description=_("mails"))
    def mails(self, request):
        """Where support sees whether it went out, and who can send it again."""
        return format_html(
            '<a href="{}?q={}">{}</a> {}',
            reverse("admin:mail_mail_changelist"),
            request.email,
            _("Mails to this address"),
            _(
                "The accountant sends it again: Resend, on the page of the request; the old link ends then."
            ),
        )


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
