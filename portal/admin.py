"""The desk of support: who may sit at it, and the two kinds of tables on it."""

from functools import wraps

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.contrib import admin, messages
from django.shortcuts import redirect
from django.utils.translation import gettext as _

SECOND_FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]


def staff_with_second_factor(request):
    """Whether the desk opens: for support staff who sign in with two factors."""
    user = request.user
    return user.is_active and user.is_staff and is_mfa_enabled(user, SECOND_FACTORS)


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


class KeptAdmin(admin.ModelAdmin):
    """For what has a history: it is changed at most, never added or deleted here."""

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


class ReadOnlyAdmin(KeptAdmin):
    def has_change_permission(self, request, obj=None):
        return False


class ReadOnlyInline(admin.TabularInline):
    extra = 0
    can_delete = False

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False
