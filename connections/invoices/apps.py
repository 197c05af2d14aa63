from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class InvoicesConfig(AppConfig):
    name = "connections.invoices"
    label = "invoices"
    verbose_name = _("Invoices")

    def ready(self):
        from connections.invoices import checks, export  # noqa: F401 (they register)
