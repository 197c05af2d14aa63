from django.apps import AppConfig
from django.contrib.admin import apps as admin
from django.db.models.signals import post_migrate


class PortalConfig(AppConfig):
    name = "portal"
    default = True

    def ready(self):
        from portal import checks, search  # noqa: F401 (registers the checks)

        post_migrate.connect(search.put_up)


class DeskConfig(admin.AdminConfig):
    default = False
    default_site = "portal.admin.Desk"
