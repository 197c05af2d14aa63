"""What people type about apps, connections and keys."""

import uuid
from dataclasses import dataclass

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.forms import OneLineField, SearchForm
from accounts.models import User
from connections import logos, portfolio
from connections.functions import FUNCTIONS, ApiFunction
from connections.models import Access, App, Connection
from partners.models import MandateApp, looked_after_by

_FUNCTION_CHOICES = [(name, function.label) for name, function in FUNCTIONS.items()]


@dataclass(frozen=True)
class Option:
    """One API function as a box to tick; `locked` is the reason why it cannot be, or empty."""

    function: ApiFunction
    ticked: bool
    locked: str = ""


class FunctionsField(forms.MultipleChoiceField):
    def __init__(self, **options):
        super().__init__(choices=_FUNCTION_CHOICES, widget=forms.CheckboxSelectMultiple, **options)


class OpIdMixin(forms.Form):
    """The name of this very form: posted twice, it makes keys once (R14)."""

    op_id = forms.UUIDField(
        widget=forms.HiddenInput,
        initial=uuid.uuid4,
        error_messages={"required": _("Open this page again, then create the keys.")},
    )


class AccessForm(forms.Form):
    """What a key is given (R27). Boxes are rebuilt at every post: a tampered form changes nothing (R6)."""

    access = forms.ChoiceField(
        label=_("Access"), choices=Access, initial=Access.ALL, widget=forms.RadioSelect
    )
    functions = FunctionsField(label=_("API functions"), required=False)

    def __init__(self, *args, app, owner_accesses, client_allows=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.app = app
        self.owner_accesses = owner_accesses
        self.client_allows = client_allows  # for people of a partner: what the client lets them do

    def options(self):
        """Every function that the app asks for, as a box; those that the owner lacks are locked."""
        ticked = self["functions"].value() or []
        for function in self.app.asked:
            locked = self._locked(function.name)
            yield Option(function, function.name in ticked and not locked, locked)

    def _locked(self, name):
        if name in self.owner_accesses:
            return ""
        if self.client_allows is not None and name not in self.client_allows:
            return _("the client does not allow it")
        return _("the owner of the key does not have it")

    def clean_functions(self):
        asked = self.cleaned_data["functions"]
        return [
            name for name in asked if name in self.app.functions and name in self.owner_accesses
        ]


class ConnectionForm(OpIdMixin, AccessForm):
    name = OneLineField(
        label=_("Name of the key"),
        max_length=60,
        help_text=_("How you recognise it in the overview, for instance “Bookkeeping”."),
    )
    administration = OneLineField(
        label=_("Administration in the package"),
        max_length=60,
        required=False,
        help_text=_(
            "Only when the package keeps more than one administration of this organisation."
        ),
    )


class NewKeysForm(OpIdMixin):
    pass


class FoundKeyForm(forms.Form):
    """Whatever somebody found; the Secrets in it are known by their form."""

    text = forms.CharField(
        label=_("What you found"),
        max_length=4096,
        widget=forms.Textarea(attrs={"rows": 4, "autocomplete": "off", "spellcheck": "false"}),
        help_text=_("The Secret begins with kps_. Other text around it does no harm."),
    )


class OwnAppForm(forms.Form):
    """The name and logo of an Own App, and the API functions that its keys open (R11)."""

    name = OneLineField(label=_("Name"), max_length=60)
    logo = forms.FileField(
        label=_("Logo"),
        required=False,
        help_text=_("PNG, JPEG or WebP, at most 512 KB."),
        widget=forms.FileInput(attrs={"accept": "image/png,image/jpeg,image/webp"}),
    )
    functions = FunctionsField(
        label=_("API Permissions"),
        error_messages={"required": _("Choose at least one API function.")},
    )

    def __init__(self, *args, app=None, initial=None, **kwargs):
        if app:
            initial = {"name": app.name, "functions": app.functions}
        super().__init__(*args, initial=initial, **kwargs)

    def options(self):
        ticked = self["functions"].value() or []
        return [Option(function, function.name in ticked) for function in FUNCTIONS.values()]

    def clean_logo(self):
        file = self.cleaned_data["logo"]
        return logos.clean(file) if file else None


class FilterForm(forms.Form):
    """Search and status filter of the overview; what cannot be read filters nothing."""

    q = forms.CharField(required=False, max_length=100)
    status = forms.ChoiceField(
        required=False, choices=[("", _("All statuses")), *Connection.Status.choices]
    )

    def applied_to(self, connections):
        self.is_valid()
        text, status = self.cleaned_data.get("q", "").strip(), self.cleaned_data.get("status")
        if text:
            connections = connections.search(text)
        if status == Connection.Status.ACTIVE:
            connections = connections.working()
        elif status == Connection.Status.NEVER_USED:
            connections = connections.never_used()
        elif status == Connection.Status.SUSPENDED:
            connections = connections.suspended()
        elif status == Connection.Status.KEYS_ENDED:
            connections = connections.without_keys()
        elif status == Connection.Status.REVOKED:
            connections = connections.revoked()
        return connections

    @property
    def is_set(self):
        return any(self.cleaned_data.values())


class ClientsFilterForm(SearchForm):
    """What narrows the portfolio: search, status word, package, colleague (R35)."""

    word = forms.ChoiceField(
        label=_("Status"),
        required=False,
        choices=[("", _("Every status")), *portfolio.Word.choices],
    )
    package = forms.ModelChoiceField(
        App.objects.none(),
        label=_("Software package"),
        empty_label=_("Every package"),
        required=False,
    )
    colleague = forms.ModelChoiceField(
        User.objects.none(), label=_("Colleague"), empty_label=_("Everybody"), required=False
    )

    def __init__(self, *args, environment, **kwargs):
        super().__init__(*args, **kwargs)
        self.environment = environment
        of_clients = MandateApp.objects.filter(mandate__accountant=environment).values("app")
        self.fields["package"].queryset = App.objects.filter(pk__in=of_clients).by_name()
        self.fields["colleague"].queryset = environment.users.order_by("last_name", "pk")

    def narrow(self, found):
        found = super().narrow(found)
        asked = self.cleaned_data
        if asked.get("colleague"):
            found = found.filter(looked_after_by(asked["colleague"]))
        if asked.get("word"):
            return portfolio.in_word(found, asked["word"], self.app)
        return found.filter(apps__app=self.app) if self.app else found

    @property
    def app(self):
        """The package asked for, or None; known after `narrow`."""
        return self.cleaned_data.get("package")

    def columns(self):
        return [self.app] if self.app else portfolio.columns(self.environment)

    def has_other_packages(self, columns):
        """Whether clients have packages beside these columns, when nobody asked for one package."""
        return not self.app and self.fields["package"].queryset.count() > len(columns)

    @property
    def is_set(self):
        return any(self.cleaned_data.values())
