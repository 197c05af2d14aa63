"""What support does with apps and sees of connections: found by what a customer reads out."""

from itertools import chain

from django import forms
from django.contrib import admin
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from connections import catalogue, logos, refused, services
from connections.forms import AutopilotUrlMixin, FunctionsField
from connections.models import AddedFunction, App, Connection, Gateway, KeySet, RefusedCall
from portal.admin import KeptAdmin, ReadOnlyAdmin, ReadOnlyInline


class GenericAppForm(AutopilotUrlMixin, forms.ModelForm):
    """Publishes a Generic App; its logo goes through the same cleaning as everybody's."""

    functions = FunctionsField(label=_("API functions"))
    new_logo = forms.FileField(
        label=_("Logo"), required=False, help_text=_("PNG, JPEG or WebP, at most 512 KB.")
    )

    class Meta:
        model = App
        fields = [
            *("name", "description", "functions", "published", "minimum_plan"),
            *("quick_connect", "connect_url", "autopilot_url", "guide", "guide_nl"),
        ]

    def clean_new_logo(self):
        file = self.cleaned_data["new_logo"]
        return logos.clean(file) if file else None


@admin.register(App)
class AppAdmin(KeptAdmin):
    """Generic Apps are published and changed here; an Own App belongs to its environment."""

    form = GenericAppForm
    list_display = ["name", "environment", "published", "quick_connect", "created_at"]
    list_filter = ["published", "quick_connect", ("environment", admin.EmptyFieldListFilter)]
    list_select_related = ["environment"]
    search_fields = ["name", "environment__name"]
    fields = [
        *("name", "description", "functions", "new_logo", "published", "minimum_plan"),
        *("quick_connect", "connect_url", "autopilot_url", "guide", "guide_nl"),
    ]

    def has_add_permission(self, request):
        return admin.ModelAdmin.has_add_permission(self, request)

    def has_change_permission(self, request, obj=None):
        return (obj is None or obj.is_generic) and super().has_change_permission(request, obj)

    def get_fields(self, request, obj=None):
        if obj and not obj.is_generic:
            return ["name", "description", "environment", "functions", "created_at"]
        return self.fields

    def save_model(self, request, obj, form, change):
        super().save_model(request, obj, form, change)
        services.store_logo(obj, form.cleaned_data["new_logo"])


@admin.register(AddedFunction)
class AddedFunctionAdmin(KeptAdmin):
    """Functions of the operator's own API. What they are called stays: keys and gateways know them."""

    list_display = ["name", "scope", "label", "created_at"]
    fields = ["name", "scope", "label", "label_nl"]

    def has_add_permission(self, request):
        return admin.ModelAdmin.has_add_permission(self, request)

    def get_readonly_fields(self, request, obj=None):
        return ["name", "scope"] if obj else []

    def save_model(self, request, obj, form, change):
        if change:
            super().save_model(request, obj, form, change)
        else:
            catalogue.add_function(obj, by=request.user)


@admin.register(Gateway)
class GatewayAdmin(KeptAdmin):
    """Credentials of gateways; only the answer to the form that makes one shows its Secret."""

    list_display = ["name", "client_id", "created_at", "created_by", "ended_at"]
    list_select_related = ["created_by"]
    actions = ["end"]

    def has_add_permission(self, request):
        return admin.ModelAdmin.has_add_permission(self, request)

    def has_change_permission(self, request, obj=None):
        return obj is None and super().has_change_permission(request)

    def get_fields(self, request, obj=None):
        ended = ["client_id", "created_at", "created_by", "ended_at", "ended_by"]
        return ["name", *ended] if obj else ["name"]

    @sensitive_variables()
    def save_model(self, request, obj, form, change):
        request.made = catalogue.create_gateway(obj, by=request.user)

    @sensitive_variables()
    def response_add(self, request, obj, post_url_continue=None):
        context = {
            **self.admin_site.each_context(request),
            "title": obj.name,
            "client_id": request.made.app_key,
            "secret": request.made.secret.reveal(),
        }
        return render(request, "admin/connections/gateway/made.html", context)

    @admin.action(description=_("End the chosen gateways"))
    def end(self, request, gateways):
        for gateway in gateways:
            catalogue.end_gateway(gateway, by=request.user)


class KeySets(ReadOnlyInline):
    """The history of keys: support sees when, never what."""

    model = KeySet
    fk_name = "connection"
    fields = [
        *("version", "app_key", "created_at", "created_by", "first_used_at", "last_used_at"),
        *("retired_at", "retired_because", "retired_by"),
    ]
    readonly_fields = fields


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    list_display = ["name", "app", "organisation", "owner", "created_at", "revoked_at"]
    list_filter = [("revoked_at", admin.EmptyFieldListFilter)]
    list_select_related = ["app", "organisation", "owner"]
    search_fields = [
        *("=key_sets__app_key", "=organisation__organisation_id"),
        *("name", "organisation__name"),
    ]
    show_full_result_count = False
    inlines = [KeySets]


@admin.register(RefusedCall)
class RefusedCallAdmin(ReadOnlyAdmin):
    """What a request ID stands for (R44)."""

    list_display = ["request_id", "at", "key_set", "function", "code", "reason"]
    list_filter = ["code", "reason"]
    list_select_related = ["key_set"]
    search_fields = ["=request_id", "=key_set__app_key"]
    show_full_result_count = False
    fields = [
        *("request_id", "at", "connection", "key_set", "function", "code", "reason", "details"),
        *("network", "missing_now", "who_can_change", "asked_at"),
    ]
    readonly_fields = ["connection", "missing_now", "who_can_change"]

    @admin.display(description=_("connection"))
    def connection(self, found):
        connection = refused.connection_of(found)
        return f"{connection}: {connection.app}, {connection.organisation}"

    @admin.display(description=_("missing now"))
    def missing_now(self, found):
        mark = refused.mark_of(found, _place_of(found))
        return ", ".join(mark.lacking) if mark else ""

    @admin.display(description=_("who can change it"))
    def who_can_change(self, found):
        people = dict.fromkeys(chain(*refused.who_can_change(found, _place_of(found)).values()))
        return ", ".join(f"{user.get_full_name()} ({user.email})" for user in people)


def _place_of(found):
    return refused.place_of(found, refused.connection_of(found))
