"""What support sees of invoices: that they are there and how far they came, never what they say."""

from django.contrib import admin

from accounts.desk import ReadOnlyAdmin, ReadOnlyInline
from connections.invoices.models import Invoice, Offer


class Offers(ReadOnlyInline):
    model = Offer
    fields = readonly_fields = ["connection", "offered_at", "retrieved_at"]


@admin.register(Invoice)
class InvoiceAdmin(ReadOnlyAdmin):
    belongs_to = ("sender__environment", "receiver__environment")
    list_display = ["number", "kind", "sender_name", "receiver_name", "status", "created_at"]
    list_filter = ["kind", "status"]
    search_fields = ["=uuid", "=number", "=sender__organisation_id", "=receiver__organisation_id"]
    date_hierarchy = "created_at"
    inlines = [Offers]
