"""What the rows of the lists of invoices say (portal.rows)."""

from django.template.defaultfilters import floatformat
from django.utils.translation import gettext as _

from connections.invoices.models import Invoice
from portal.rows import Row
from portal.templatetags.ui import ago, written


def rows_of(invoices, *, is_received, organisation=None, can_be_ticked=False):
    """The rows of these invoices in the inbox or outbox of `organisation`, or of all within reach.

    Received ones need `add_delivery`.
    """
    form_of_days = _("j M Y")
    return [
        Row(
            {
                "is_received": is_received,
                "of_one_organisation": organisation is not None,
                "can_be_ticked": can_be_ticked,
                "kind": Invoice.Kind(invoice.kind),
                "status": invoice.shown_status if is_received else invoice.sent_status,
                "delivery": invoice.delivery if is_received else None,
            },
            {
                "uuid": invoice.uuid,
                "number": invoice.number,
                "issued": written(invoice.issue_date, form_of_days),
                "currency": invoice.currency,
                "total": floatformat(invoice.total, "2g"),
                "arrived": ago(invoice.created_at),
                **_sides(invoice, is_received, organisation),
            },
        )
        for invoice in invoices
    ]


def _sides(invoice, is_received, organisation):
    if is_received:
        here = organisation or invoice.receiver
        there = invoice.sender_name or invoice.sender_address
    else:
        here = organisation or invoice.sender
        there = invoice.receiver_name or invoice.receiver_address
    return {"here": here.name, "organisation_id": here.organisation_id, "there": there}
