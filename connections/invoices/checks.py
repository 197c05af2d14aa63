"""What Django's system check looks at in invoices."""

from django.conf import settings
from django.core.checks import Error, register

from connections.invoices import rules


@register
def rules_are_installed(**kwargs):
    """Whoever wants invoices checked must not find out by an invoice that nothing checks them."""
    if not settings.INVOICE_RULES or rules.installed():
        return []
    return [
        Error(
            "PORTAL_INVOICE_RULES=1 needs packages that are not installed.",
            hint="Install requirements-rules.txt.",
            id="invoices.E001",
        )
    ]
