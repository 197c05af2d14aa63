from django.apps import AppConfig
from django.contrib.admin import apps as admin


class PortalConfig(AppConfig):
    name = "portal"
    default = True

    def ready(self):
        from portal import checks  # noqa: F401 (registers them)


class DeskConfig(admin.AdminConfig):
    default = False
    default_site = "portal.admin.Desk"
