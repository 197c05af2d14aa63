"""What people type about apps, connections and keys."""

import uuid
from dataclasses import dataclass

from django import forms
from django.utils.translation import gettext_lazy as _

from connections import logos
from connections.functions import FUNCTIONS, ApiFunction
from connections.models import Access, Connection

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

    def __init__(self, *args, app, owner_accesses, **kwargs):
        super().__init__(*args, **kwargs)
        self.app = app
        self.owner_accesses = owner_accesses

    def options(self):
        """Every function that the app asks for, as a box; those that the owner lacks are locked."""
        ticked = self["functions"].value() or []
        for function in self.app.asked:
            locked = (
                ""
                if function.name in self.owner_accesses
                else _("the owner of the key does not have it")
            )
            yield Option(function, function.name in ticked and not locked, locked)

    def clean_functions(self):
        asked = self.cleaned_data["functions"]
        return [
            name for name in asked if name in self.app.functions and name in self.owner_accesses
        ]


class ConnectionForm(OpIdMixin, AccessForm):
    name = forms.CharField(
        label=_("Name of the key"),
        max_length=60,
        help_text=_("How you recognise it in the overview, for instance “Bookkeeping”."),
    )
    administration = forms.CharField(
        label=_("Administration in the package"),
        max_length=60,
        required=False,
        help_text=_(
            "Only when the package keeps more than one administration of this organisation."
        ),
    )

    def clean_name(self):
        return " ".join(self.cleaned_data["name"].split())

    def clean_administration(self):
        return " ".join(self.cleaned_data["administration"].split())


class NewKeysForm(OpIdMixin):
    pass


class OwnAppForm(forms.Form):
    """The name and logo of an Own App, and the API functions that its keys open (R11)."""

    name = forms.CharField(label=_("Name"), max_length=60)
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

    def clean_name(self):
        return " ".join(self.cleaned_data["name"].split())

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
        elif status == Connection.Status.REVOKED:
            connections = connections.revoked()
        return connections

    @property
    def is_set(self):
        return any(self.cleaned_data.values())
