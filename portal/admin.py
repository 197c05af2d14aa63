"""The desk of support as a site: who may sit at it, and which pages it has beside its tables."""

from functools import wraps

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

SECOND_FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
# What Django's site has beside tables and tells of rows without a look of which anybody would read.
UNWANTED = {"autocomplete", "view_on_site", "password_change", "password_change_done"}


class Desk(admin.AdminSite):
    site_header = site_title = index_title = gettext_lazy("Support desk")
    enable_nav_sidebar = False

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.pages = []

    def register(self, model_or_iterable, admin_class=None, **options):
        """Only tables that say to which environments a row belongs; those of packages stay away."""
        if hasattr(admin_class, "belongs_to"):
            super().register(model_or_iterable, admin_class, **options)

    def page(self, route, permission):
        """Register a view as a page of the desk, for whoever has `permission`; its name is the view's."""

        def decorator(view):
            @wraps(view)
            def permitted(request, *args, **kwargs):
                if not request.user.has_perm(permission):
                    raise PermissionDenied
                return view(request, *args, **kwargs)

            self.pages.append(path(route, self.admin_view(permitted), name=view.__name__))
            return view

        return decorator

    def get_urls(self):
        tables = [url for url in super().get_urls() if getattr(url, "name", "") not in UNWANTED]
        return [*self.pages, *tables]

    def has_permission(self, request):
        """Whether the desk opens: for support staff who sign in with two factors."""
        user = request.user
        return user.is_active and user.is_staff and is_mfa_enabled(user, SECOND_FACTORS)

    def admin_view(self, view, cacheable=False):
        """With a NUL in the address nothing is found, and PostgreSQL would not even look."""

        @wraps(view)
        def checked(request, *args, **kwargs):
            if any("\0" in text for text in [request.path, *_texts(request.GET)]):
                messages.error(request, _("That is nothing to look for. Type it again."))
                return redirect("admin:index")
            return view(request, *args, **kwargs)

        return super().admin_view(checked, cacheable)


def second_factor_first(login):
    """Send staff without a second factor to where they get one."""

    @wraps(login)
    def view(request, *args, **kwargs):
        if not is_mfa_enabled(request.user, SECOND_FACTORS):
            messages.warning(
                request, _("The support desk needs two-step sign-in. Switch it on here first.")
            )
            return redirect("mfa_index")
        return login(request, *args, **kwargs)

    return view


def _texts(query):
    for name, values in query.lists():
        yield from (name, *values)
