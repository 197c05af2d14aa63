from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("People and organisations")

    def ready(self):
        from accounts import links, remaining  # noqa: F401 (they register below)
        from accounts.staff import make_groups

        post_migrate.connect(make_groups)
