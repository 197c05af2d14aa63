from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ConnectionsConfig(AppConfig):
    name = "connections"
    verbose_name = _("Connections")

    def ready(self):
        from connections import (  # noqa: F401 (links says where the activity log leads)
            closing,
            export,
            links,
            remaining,
            ripples,
        )

        ripples.watch()
        closing.watch()
