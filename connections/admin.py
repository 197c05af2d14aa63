"""What support does with apps and sees of connections: found by what a customer reads out."""

from itertools import chain

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from accounts.desk import KeptAdmin, ReadOnlyAdmin, question
from connections import catalogue, desk, logos, refused, services
from connections.forms import AutopilotUrlMixin, FunctionsField
from connections.models import AddedFunction, App, Connection, Gateway, RefusedCall


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

    belongs_to = ("environment",)
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

    def get_queryset(self, request):
        """Who publishes Generic Apps sees no Own Apps, which belong to environments."""
        apps = super().get_queryset(request)
        return apps if request.user.has_perm(desk.SEEN) else apps.filter(environment=None)

    def before_search(self, queryset):
        return queryset.filter(environment=None)

    def save_model(self, request, obj, form, change):
        super().save_model(request, obj, form, change)
        services.store_logo(obj, form.cleaned_data["new_logo"])


@admin.register(AddedFunction)
class AddedFunctionAdmin(KeptAdmin):
    """Functions of the operator's own API. What they are called stays: keys and gateways know them."""

    belongs_to = ()
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

    belongs_to = ()
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

    @admin.action(description=_("End the chosen gateways"), permissions=["change"])
    def end(self, request, gateways):
        if "confirmed" not in request.POST:
            return question(
                request,
                title=gettext("End these gateways?"),
                sentences=[gettext("Their credentials stop at once and for ever.")],
                items=gateways,
                button=gettext("End them"),
                back=request.get_full_path(),
            )
        for gateway in gateways:
            catalogue.end_gateway(gateway, by=request.user)
        return None


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    """The list; a row leads to the page of the connection at the desk."""

    belongs_to = ("organisation__environment", "mandate__accountant")
    list_display = ["name", "app", "organisation", "owner", "created_at", "revoked_at"]
    list_filter = [("revoked_at", admin.EmptyFieldListFilter)]
    list_select_related = ["app", "organisation", "owner"]
    search_fields = [
        *("=key_sets__app_key", "=organisation__organisation_id"),
        *("name", "organisation__name"),
    ]

    def change_view(self, request, object_id, form_url="", extra_context=None):
        row = self.get_object(request, unquote(object_id)) if request.method == "GET" else None
        if row is None:
            return super().change_view(request, object_id, form_url, extra_context)
        return redirect("admin:connection", row.pk)


@admin.register(RefusedCall)
class RefusedCallAdmin(ReadOnlyAdmin):
    """What a request ID stands for (R44)."""

    belongs_to = (
        "key_set__connection__organisation__environment",
        "key_set__connection__mandate__accountant",
    )
    narrowed_by = ("key_set__connection",)
    list_display = ["request_id", "at", "key_set", "function", "code", "reason"]
    list_filter = ["code", "reason"]
    list_select_related = ["key_set"]
    search_fields = ["=request_id", "=key_set__app_key"]
    fields = [
        *("request_id", "at", "connection", "key_set", "function", "code", "why", "missing_now"),
        *("who_can_change", "asked_at", "reason", "details", "network"),
    ]
    readonly_fields = ["connection", "why", "missing_now", "who_can_change"]

    def subject_of(self, row):
        return refused.connection_of(row)

    @admin.display(description=_("connection"))
    def connection(self, found):
        connection = refused.connection_of(found)
        text = f"{connection}: {connection.app}, {connection.organisation}"
        address = reverse("admin:connection", args=[connection.pk])
        return format_html('<a href="{}">{}</a>', address, text)

    @admin.display(description=_("why"))
    def why(self, found):
        context = {
            "code": found.code,
            "retired_because": found.key_set.retired_because,
            "message": found.error.message if found.error else found.code,
        }
        return render_to_string("connections/_refusal.html", context)

    @admin.display(description=_("missing now"))
    def missing_now(self, found):
        found.connection = refused.connection_of(found)
        found.place = refused.place_of(found, found.connection)
        found.mark = refused.mark_of(found, found.place)
        return render_to_string("admin/_who.html", {"call": found, "reader": None})

    @admin.display(description=_("who can change it"))
    def who_can_change(self, found):
        people = dict.fromkeys(chain(*refused.who_can_change(found, _place_of(found)).values()))
        return ", ".join(f"{user.get_full_name()} ({user.email})" for user in people)


def _place_of(found):
    return refused.place_of(found, refused.connection_of(found))
