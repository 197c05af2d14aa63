from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class EventsConfig(AppConfig):
    name = "accounts.events"
    label = "events"
    verbose_name = _("Activity")

    def ready(self):
        from accounts.events import guards

        post_migrate.connect(guards.put_up, sender=self)
