"""What support sees of people: found by what a customer reads out; changed is little."""

from functools import partial

from django.contrib import admin, messages
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts import closing
from accounts.admin_blocking import Blocking
from accounts.forgetting import forget_removed
from accounts.models import ElectronicAddress, Environment, Membership, Organisation, User
from accounts.refusals import Refused
from accounts.ripples import make_and_tell
from portal.admin import KeptAdmin, ReadOnlyInline


class OrganisationsOfUser(ReadOnlyInline):
    model = Membership
    fk_name = "user"
    fields = ["organisation", "accesses", "created_at", "created_by"]
    readonly_fields = ["created_at", "created_by"]


class UsersOfOrganisation(OrganisationsOfUser):
    fk_name = "organisation"
    fields = ["user", "accesses", "created_at", "created_by"]


class AddressInline(admin.TabularInline):
    model = ElectronicAddress
    extra = 0


@admin.register(User)
class UserAdmin(KeptAdmin):
    """Roles and blocking are the business of the environment's administrators, who are logged and mailed."""

    list_display = [
        "email",
        "first_name",
        "last_name",
        "environment",
        "role",
        "status",
        "last_login",
    ]
    list_filter = ["role", "is_staff", "is_active"]
    list_select_related = ["environment"]
    search_fields = ["email", "last_name"]
    fields = [
        *("email", "first_name", "last_name", "language", "environment", "role", "status"),
        *("is_staff", "date_joined", "joined_at", "last_login", "blocked_at", "removed_at"),
    ]
    readonly_fields = [
        name for name in fields if name not in ("first_name", "last_name", "language")
    ]
    inlines = [OrganisationsOfUser]
    actions = ["forget"]

    @admin.action(description=_("Forget the chosen people who were removed"))
    def forget(self, request, people):
        number = sum(forget_removed(user=user, by=request.user) for user in people)
        text = ngettext(
            "%(number)s person is forgotten.", "%(number)s people are forgotten.", number
        )
        self.message_user(request, text % {"number": number})


@admin.register(Environment)
class EnvironmentAdmin(Blocking, KeptAdmin):
    list_display = ["name", "plan", "accountant_right", "blocked_at", "closed_at", "created_at"]
    list_filter = ["plan", "accountant_right", ("closed_at", admin.EmptyFieldListFilter)]
    actions = ["open_again"]
    search_fields = [
        "name",
        "organisations__organisation_id",
        "organisations__registration_number",
        "users__email",
    ]
    fields = [
        *("name", "plan", "accountant_right", "blocked_at", "blocked_because", "closed_at"),
        *("purged_at", "created_at", "integrations_terms", "integrations_at", "integrations_by"),
    ]
    readonly_fields = [
        *("blocked_at", "blocked_because", "closed_at", "purged_at", "created_at"),
        *("integrations_terms", "integrations_at", "integrations_by"),
    ]

    @admin.action(description=_("Open the chosen closed environments again"))
    def open_again(self, request, environments):
        for environment in environments:
            try:
                closing.reopen(environment=environment, by=request.user)
            except Refused as refused:
                self.message_user(request, str(refused), messages.ERROR)
            else:
                done = gettext("%(environment)s is open again.") % {"environment": environment}
                self.message_user(request, done)

    def save_model(self, request, obj, form, change):
        """A plan without the Integrations service suspends keys; those concerned hear it (R54)."""
        save = partial(super().save_model, request, obj, form, change)
        make_and_tell(save, about=obj, by=request.user)


@admin.register(Organisation)
class OrganisationAdmin(KeptAdmin):
    list_display = ["organisation_id", "name", "country", "registration_number", "environment"]
    list_filter = ["country"]
    list_select_related = ["environment"]
    search_fields = ["organisation_id", "name", "registration_number", "addresses__value"]
    fields = [
        *("organisation_id", "environment", "name", "country", "registration_number"),
        *("sending", "receiving", "created_at"),
    ]
    readonly_fields = ["organisation_id", "environment", "created_at"]
    inlines = [AddressInline, UsersOfOrganisation]

    def get_readonly_fields(self, request, obj=None):
        """Accountants know the organisation by its number; with one of them, it stays as it is."""
        known = obj is not None and obj.mandates.exists()
        return [*self.readonly_fields, *(("country", "registration_number") if known else ())]
