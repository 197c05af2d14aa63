"""What support sees and mends of environments, people, the activity log and mails."""

from functools import partial

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from accounts import admin_blocking, closing, ripples, staff  # noqa: F401 (it has pages)
from accounts.desk import (
    KeptAdmin,
    ReadOnlyAdmin,
    ReadOnlyInline,
    change_said,
    mended,
    question,
)
from accounts.events.models import Event
from accounts.forgetting import forget_removed
from accounts.mail.models import Mail
from accounts.models import ElectronicAddress, Environment, Membership, Organisation, User
from accounts.refusals import Refused


class OrganisationsOfUser(ReadOnlyInline):
    model = Membership
    fk_name = "user"
    fields = ["organisation", "accesses", "created_at", "created_by"]
    readonly_fields = ["created_at", "created_by"]


class UsersOfOrganisation(OrganisationsOfUser):
    fk_name = "organisation"
    fields = ["user", "accesses", "created_at", "created_by"]


class AddressInline(admin.StackedInline):
    model = ElectronicAddress
    extra = 0
    view_on_site = False


class GroupsField(forms.ModelMultipleChoiceField):
    def label_from_instance(self, group):
        return staff.LABELS.get(group.name, group.name)


class StaffForm(forms.ModelForm):
    """A member of support; what they may do are their groups."""

    groups = GroupsField(
        Group.objects.order_by("-name"),
        label=_("Groups"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = User
        fields = ["email", "first_name", "last_name", "groups"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["groups"].required = self.instance.pk is None


@admin.register(User)
class UserAdmin(KeptAdmin):
    """Roles and blocking are the business of the environment's administrators, who are logged and mailed.

    Members of support are shown to superusers alone, who make them, choose their groups and end their access.
    """

    belongs_to = ("environment",)
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
    actions = ["forget"]

    def get_queryset(self, request):
        people = super().get_queryset(request)
        return people if request.user.is_superuser else people.filter(is_staff=False)

    def has_add_permission(self, request):
        return request.user.is_superuser

    def get_fields(self, request, obj=None):
        if obj is None:
            return StaffForm.Meta.fields
        return [*self.fields, "groups"] if obj.is_staff else self.fields

    def get_readonly_fields(self, request, obj=None):
        return self.readonly_fields if obj else []

    def get_form(self, request, obj=None, change=False, **kwargs):
        if obj is None or obj.is_staff:
            kwargs["form"] = StaffForm
        return super().get_form(request, obj, change, **kwargs)

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        if db_field.name == "language":
            return forms.ChoiceField(label=_("language"), choices=settings.LANGUAGES)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def add_view(self, request, form_url="", extra_context=None):
        title = {"title": gettext("Invite a member of support")}
        return super().add_view(request, form_url, {**title, **(extra_context or {})})

    def get_inlines(self, request, obj):
        return [OrganisationsOfUser] if obj and not obj.is_staff else []

    def buttons(self, request, row):
        if not row.is_staff or row == request.user:
            return []
        invited = row.status == User.Status.INVITED
        again = [(_("Send a new link"), reverse("admin:invite_again", args=[row.pk]))]
        return [
            *(again if invited else []),
            (_("End the access to the desk"), reverse("admin:end_access", args=[row.pk])),
        ]

    def save_model(self, request, obj, form, change):
        if not change:
            made = staff.invite_staff(by=request.user, **form.cleaned_data)
            obj.pk, obj._state.adding = made.pk, False
            return
        super().save_model(request, obj, form, change)
        if "groups" in form.changed_data:
            groups = form.cleaned_data["groups"]
            staff.change_groups(user=obj, groups=groups, by=request.user)

    def changes(self, before, after, names):
        """Names as a whole, by which the log finds them when the person is forgotten."""
        said = super().changes(before, after, [name for name in names if name == "language"])
        if len(names) > len(said):
            said["name"] = {"from": before.get_full_name(), "to": after.get_full_name()}
        return said

    @admin.action(
        description=_("Forget the chosen people who were removed"), permissions=["change"]
    )
    def forget(self, request, people):
        people = [user for user in people if user.removed_at]
        if people and "confirmed" not in request.POST:
            return question(
                request,
                title=gettext("Forget these people?"),
                sentences=[
                    gettext(
                        "Their names leave every activity log. What they did stays, as done by a "
                        "former user. It cannot be undone."
                    )
                ],
                items=people,
                button=gettext("Forget them"),
                back=request.get_full_path(),
            )
        number = sum(forget_removed(user=user, by=request.user) for user in people)
        text = ngettext(
            "%(number)s person is forgotten.", "%(number)s people are forgotten.", number
        )
        self.message_user(request, text % {"number": number})
        return None


@admin.site.page("staff/<int:pk>/invite/", "accounts.add_user")
@require_POST
def invite_again(request, pk):
    user = get_object_or_404(User, pk=pk, is_staff=True)
    done = gettext("A new link is on its way to %(email)s.") % {"email": user.email}
    again = partial(staff.invite_again, user=user, by=request.user)
    return mended(request, again, done, "accounts_user_change", pk)


@admin.site.page("staff/<int:pk>/end/", "accounts.add_user")
@require_POST
def end_access(request, pk):
    user = get_object_or_404(User, pk=pk, is_staff=True)
    if "confirmed" not in request.POST:
        return question(
            request,
            title=gettext("End the access of %(name)s to the desk?") % {"name": user},
            sentences=[
                gettext("The login ends at once, with all sessions. The name stays in the logs.")
            ],
            button=gettext("End the access"),
            back=reverse("admin:accounts_user_change", args=[pk]),
        )
    done = gettext("The access of %(name)s has ended.") % {"name": user}
    end = partial(staff.end_access, user=user, by=request.user)
    return mended(request, end, done, "accounts_user_change", pk)


@admin.register(Environment)
class EnvironmentAdmin(KeptAdmin):
    belongs_to = ("pk",)
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

    @admin.action(
        description=_("Open the chosen closed environments again"), permissions=["change"]
    )
    def open_again(self, request, environments):
        for environment in environments:
            try:
                closing.reopen(environment=environment, by=request.user)
            except Refused as refused:
                self.message_user(request, str(refused), messages.ERROR)
            else:
                done = gettext("%(environment)s is open again.") % {"environment": environment}
                self.message_user(request, done)

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Stops as stops:
            return question(
                request,
                title=gettext("Change %(environment)s?") % {"environment": stops.environment},
                sentences=[
                    gettext("These connections lose API functions. Those concerned are told.")
                ],
                items=[loss.of for loss in stops.losses],
                button=gettext("Change it"),
                back=request.get_full_path(),
                shown=ripples.fingerprint(stops.losses),
            )

    def save_model(self, request, obj, form, change):
        """A plan without the Integrations service suspends keys: that is asked first, and told (R54)."""
        save = partial(super().save_model, request, obj, form, change)
        seen = request.POST.get("shown", "")
        losses = ripples.make(save, about=obj, by=request.user, seen=seen)
        if losses:
            raise Stops(obj, losses)


class Stops(Exception):
    """A change of an environment would stop what the member of support has not seen."""

    def __init__(self, environment, losses):
        super().__init__(environment, losses)
        self.environment, self.losses = environment, losses


@admin.register(Organisation)
class OrganisationAdmin(KeptAdmin):
    belongs_to = ("environment",)
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

    def save_related(self, request, form, formsets, change):
        before = _addresses_of(form.instance)
        super().save_related(request, form, formsets, change)
        after = _addresses_of(form.instance)
        if before != after:
            self.note_change(request, form.instance, addresses=change_said(before, after))


def _addresses_of(organisation):
    return sorted(organisation.addresses.values_list("value", flat=True))


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    belongs_to = ("environment",)
    list_display = ["at", "environment", "actor_name", "action", "subject_name", "details_in_words"]
    list_filter = ["action"]
    list_select_related = ["environment"]
    date_hierarchy = "at"
    fields = [
        *("at", "environment", "organisation", "actor_name", "action", "subject_name"),
        *("details_in_words", "request_id", "number"),
    ]
    readonly_fields = ["details_in_words"]
    search_fields = [
        "=request_id",
        "=organisation__organisation_id",
        "=actor__email",
        "subject_name",
    ]


@admin.register(Mail)
class MailAdmin(ReadOnlyAdmin):
    """Never what a mail says: it can hold a link that opens an account."""

    belongs_to = ("to",)
    list_display = [
        "to",
        "subject",
        "created_at",
        "attempts",
        "sent_at",
        "given_up_at",
        "last_error",
    ]
    list_filter = [
        ("sent_at", admin.EmptyFieldListFilter),
        ("given_up_at", admin.EmptyFieldListFilter),
    ]
    search_fields = ["to"]
    fields = [
        *("to", "subject", "created_at", "send_after", "attempts"),
        *("sent_at", "given_up_at", "last_error"),
    ]

    def environments_of(self, rows):
        return staff.readers_of(rows)

    def buttons(self, request, row):
        if row.sent_at or not request.user.has_perm("mail.change_mail"):
            return []
        return [(_("Send it now"), reverse("admin:send_again", args=[row.pk]))]


@admin.site.page("mail/<int:pk>/again/", "mail.change_mail")
@require_POST
def send_again(request, pk):
    mail = get_object_or_404(Mail, pk=pk)
    done = gettext("The mail to %(address)s is tried now.") % {"address": mail.to}
    again = partial(staff.send_again, mail=mail, by=request.user)
    return mended(request, again, done, "mail_mail_change", pk)
