"""What people type about apps, connections and keys."""

import uuid
from dataclasses import dataclass
from datetime import timedelta

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.forms import OneLineField, SearchForm
from accounts.models import Organisation, User
from connections import expiry, logos, portfolio
from connections.functions import ApiFunction
from connections.models import Access, App, Connection, catalogue
from connections.rights import has
from connections.services import Overlap, Reason, accesses_seen
from partners.models import looked_after_by
from portal.outgoing import validate_address

LONGEST = timedelta(days=5 * 366)  # that a set of keys is given


@dataclass(frozen=True)
class Option:
    """One API function as a box to tick; `locked` is the reason why it cannot be, or empty."""

    function: ApiFunction
    ticked: bool
    locked: str = ""


class FunctionsField(forms.MultipleChoiceField):
    """API functions of the catalogue, which is read once for each form."""

    catalogue: dict[str, ApiFunction] = {}

    def __init__(self, **options):
        super().__init__(widget=forms.CheckboxSelectMultiple, **options)

    def __deepcopy__(self, memo):
        field = super().__deepcopy__(memo)
        field.catalogue = catalogue()
        field.choices = [(name, function.label) for name, function in field.catalogue.items()]
        return field


class OpIdMixin(forms.Form):
    """The name of this very form: posted twice, it makes keys once (R14)."""

    op_id = forms.UUIDField(
        widget=forms.HiddenInput,
        initial=uuid.uuid4,
        error_messages={"required": _("Open this page again, then create the keys.")},
    )


class EndMixin(forms.Form):
    """When the keys end by themselves, if they are to: on a working day at ten, unless told otherwise."""

    ends_on = forms.DateField(
        label=_("The keys end on"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_(
            "Empty: never. At 10:00, and on a Monday instead of in a weekend. Whoever looks after the "
            "connection gets a mail 30, 7 and 1 days before, and on the day."
        ),
    )
    exactly = forms.BooleanField(label=_("On that day, even in a weekend"), required=False)

    def clean(self):
        values = super().clean()
        day = values.pop("ends_on", None)
        exactly = values.pop("exactly", False)
        values["ends_at"] = expiry.moment_of(day, exactly=exactly) if day else None
        return values

    def clean_ends_on(self):
        day, today = self.cleaned_data["ends_on"], timezone.localdate()
        if day and not today < day <= today + LONGEST:
            raise forms.ValidationError(
                _("Choose a day from tomorrow on, at most five years away, or leave it empty.")
            )
        return day


class AdministrationMixin(forms.Form):
    """Where the package books, and whether a second connection to that is wanted (R22)."""

    administration = OneLineField(
        label=_("Administration in the package"),
        max_length=60,
        required=False,
        help_text=_(
            "Its name there. Only when the package keeps more than one administration of this organisation."
        ),
    )
    confirmed = forms.BooleanField(label=_("I want both connections"), required=False)


class AccessForm(forms.Form):
    """What a key is given (R27). Boxes are rebuilt at every post: a tampered form changes nothing (R6)."""

    access = forms.ChoiceField(
        label=_("Access"), choices=Access, initial=Access.ALL, widget=forms.RadioSelect
    )
    functions = FunctionsField(label=_("API functions"), required=False)

    def __init__(
        self, *args, app, owner_accesses, client_allows=None, own_accesses=None, given=(), **kwargs
    ):
        super().__init__(*args, **kwargs)
        self.app = app
        self.owner_accesses = owner_accesses
        self.client_allows = client_allows  # for people of a partner: what the client lets them do
        self.own_accesses = (
            own_accesses  # of the person at the form, when somebody else owns the key
        )
        self.given = given  # what the key opens already stays, whoever is at the form

    def options(self):
        """Every function that the app asks for, as a box; those that the owner lacks are locked."""
        ticked = self["functions"].value() or []
        for function in self.app.asked:
            locked = self._locked(function.name)
            yield Option(function, function.name in ticked and not locked, locked)

    def _locked(self, name):
        if self._may_be_given(name):
            return ""
        if has(self.owner_accesses, name):
            return _("you do not have it yourself")
        if self.client_allows is not None and name not in self.client_allows:
            return _("the client does not allow it")
        return _("the owner of the key does not have it")

    def _may_be_given(self, name):
        within_own = name in self.given or has(self.own_accesses, name)
        return within_own and has(self.owner_accesses, name)

    def clean_functions(self):
        asked = self.cleaned_data["functions"]
        return [name for name in self.app.functions if name in asked and self._may_be_given(name)]


class ConnectionForm(OpIdMixin, EndMixin, AdministrationMixin, AccessForm):
    name = OneLineField(
        label=_("Name of the key"),
        max_length=60,
        help_text=_("How you recognise it in the overview, for instance “Bookkeeping”."),
    )


class NewKeysForm(OpIdMixin, EndMixin):
    """A new set of keys instead of the old one (R16)."""


class RotateForm(OpIdMixin, EndMixin):
    """A new set of keys beside the old one, for a while (R17)."""

    reason = forms.ChoiceField(
        label=_("Why?"),
        choices=Reason,
        widget=forms.RadioSelect,
        error_messages={"required": _("Say why you change the keys.")},
    )
    overlap = forms.TypedChoiceField(
        label=_("The old keys work for"),
        choices=Overlap,
        coerce=int,
        initial=Overlap.DAY,
        widget=forms.RadioSelect,
    )


class EndForm(EndMixin):
    """When the keys in use end."""


class OrganisationForm(AdministrationMixin):
    """One more organisation for which a connection is used (R15)."""

    organisation = forms.ModelChoiceField(
        Organisation.objects.none(),
        to_field_name="organisation_id",
        label=_("Organisation"),
        empty_label=_("Choose one"),
    )

    field_order = ["organisation"]

    def __init__(self, *args, organisations, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["organisation"].queryset = organisations.select_related("environment")


class TakeOverForm(OpIdMixin, EndMixin):
    """On whom the connection lives from now on."""

    owner = forms.TypedChoiceField(
        label=_("New owner"),
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose the new owner.")},
    )

    def __init__(self, *args, candidates, owner, **kwargs):
        super().__init__(*args, **kwargs)
        self.candidates = candidates
        # The owner of now is none to choose, but what a second click on the same form asks for.
        users = {str(user.pk): user for user in [owner, *(user for user, _missing in candidates)]}
        self.fields["owner"].choices = users.items()
        self.fields["owner"].coerce = users.get

    def options(self):
        """Each candidate, with what the keys would lose, and whether it is ticked."""
        ticked = str(self["owner"].value())
        return [(user, missing, str(user.pk) == ticked) for user, missing in self.candidates]


class SeenMixin(forms.Form):
    """What the person had before the eyes: a change on top of somebody else's is asked again."""

    seen = forms.CharField(
        widget=forms.HiddenInput, required=False, max_length=32, empty_value=None
    )


class EditAccessForm(SeenMixin, AccessForm):
    """What the keys of a connection are given, changed (R26)."""


class PersonAccessesForm(SeenMixin):
    """What a person may do in an organisation: all that the role brings, or a list of API functions."""

    ALL, CHOSEN = "all", "chosen"

    scope = forms.ChoiceField(
        label=_("Accesses"),
        choices=[(ALL, _("All accesses")), (CHOSEN, _("Decide for yourself"))],
        widget=forms.RadioSelect,
    )
    functions = FunctionsField(label=_("API functions"), required=False)

    def __init__(self, *args, membership, client_allows=None, **kwargs):
        accesses = membership.accesses
        initial = {
            "scope": self.ALL if accesses is None else self.CHOSEN,
            "functions": accesses,
            "seen": accesses_seen(membership),
        }
        super().__init__(*args, initial=initial, **kwargs)
        self.catalogue = self.fields["functions"].catalogue
        if accesses is None:
            self.initial["functions"] = list(self.catalogue)
        self.client_allows = client_allows

    def options(self):
        """Every API function as a box; what the own organisation does not allow a partner is locked."""
        ticked = self["functions"].value() or []
        for function in self.catalogue.values():
            locked = "" if self._allowed(function.name) else _("not allowed to this partner")
            yield Option(function, function.name in ticked and not locked, locked)

    def _allowed(self, name):
        return self.client_allows is None or name in self.client_allows

    @property
    def accesses(self):
        """What was chosen, as a membership keeps it: a list, or None for all."""
        if self.cleaned_data["scope"] == self.ALL:
            return None
        return [name for name in self.catalogue if name in self.cleaned_data["functions"]]


class CustomApp(forms.Form):
    """The name of an application that is in no list, as the software's maker gave it (R12)."""

    custom = OneLineField(max_length=60)


class NewKeyForm(forms.Form):
    """For which organisation and which application: one of the list, or Custom set-up (R12, R26)."""

    organisation = forms.ModelChoiceField(
        Organisation.objects.none(),
        to_field_name="organisation_id",
        label=_("Organisation"),
        empty_label=None,
    )
    application = forms.ModelChoiceField(
        App.objects.none(), label=_("Application"), required=False, empty_label=_("Choose one")
    )
    is_custom = forms.BooleanField(label=_("Custom set-up"), required=False)
    custom = OneLineField(
        label=_("Application name"),
        max_length=60,
        required=False,
        help_text=_("As the maker of the software gave it to you."),
    )

    def __init__(self, *args, organisations, user, **kwargs):
        super().__init__(*args, **kwargs)
        self.user = user
        for name in ("application", "custom"):  # one of the two
            self.fields[name].one_of_several = True
        self.fields["organisation"].queryset = organisations.select_related("environment")
        self.fields["application"].queryset = App.objects.seen_by(user).by_name()
        self.registered = None  # the application whose name differs only in capitals

    def clean(self):
        values = super().clean()
        organisation = values.get("organisation")
        if organisation is None or self.errors:
            return values
        usable = App.objects.usable_by(organisation.environment)
        if values["is_custom"] or (values["custom"] and values["application"] is None):
            values["app"] = self._custom(values["custom"], organisation.environment, usable)
        elif values["application"] is None:
            self.add_error("application", _("Choose an application, or tick Custom set-up."))
        elif not usable.filter(pk=values["application"].pk).exists():
            self.add_error("application", _("This application is not one of that organisation."))
        else:
            values["app"] = values["application"]
        return values

    def _custom(self, name, environment, usable):
        if not name:
            self.add_error("custom", _("Type the name of the application."))
            return None
        found = usable.called(name)
        if found and found.name != name:
            self.registered = found
            self.add_error(
                "custom",
                _("It is registered as “%(name)s”. Use that spelling.") % {"name": found.name},
            )
        elif not found and environment != self.user.environment:
            self.add_error(
                "custom", _("Only people of %(name)s can add it there.") % {"name": environment}
            )
        return found or App(environment=environment, name=name)


class FoundKeyForm(forms.Form):
    """Whatever somebody found; the Secrets in it are known by their form."""

    text = forms.CharField(
        label=_("What you found"),
        max_length=4096,
        widget=forms.Textarea(attrs={"rows": 4, "autocomplete": "off", "spellcheck": "false"}),
        help_text=_("The Secret begins with kps_. Other text around it does no harm."),
    )


class AutopilotUrlMixin:
    """Invoices are pushed as far as the app may fetch them."""

    def clean(self):
        values = super().clean()
        functions = values.get("functions")
        if values.get("autopilot_url") and functions and "GetInboxDocument" not in functions:
            self.add_error(
                "autopilot_url",
                _(
                    "Autopilot pushes received invoices, so the app must ask for the API function "
                    "GetInboxDocument: tick it, or leave the address empty."
                ),
            )
        return values


class OwnAppForm(AutopilotUrlMixin, forms.Form):
    """The name and logo of an Own App, the API functions that its keys open, its Autopilot address (R11)."""

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
    autopilot_url = forms.CharField(
        label=_("Autopilot address"),
        max_length=200,
        required=False,
        validators=[validate_address],
        widget=forms.URLInput(attrs={"autocomplete": "off"}),
        help_text=_(
            "Where received invoices are pushed to when somebody switches on Autopilot, such as "
            "https://books.example.com/invoices. Leave it empty when the app fetches them with keys."
        ),
    )

    def __init__(self, *args, app=None, initial=None, **kwargs):
        if app:
            initial = {
                "name": app.name,
                "functions": app.functions,
                "autopilot_url": app.autopilot_url,
            }
        super().__init__(*args, initial=initial, **kwargs)

    def options(self):
        ticked = self["functions"].value() or []
        asked = self.fields["functions"].catalogue.values()
        return [Option(function, function.name in ticked) for function in asked]

    def clean_logo(self):
        file = self.cleaned_data["logo"]
        return logos.clean(file) if file else None


class FilterForm(forms.Form):
    """Search and status filter of the overview; what cannot be read filters nothing."""

    q = forms.CharField(required=False, max_length=100)
    status = forms.ChoiceField(
        required=False, choices=[("", _("All statuses")), *Connection.Status.choices]
    )

    _IN_STATUS = {
        Connection.Status.ACTIVE: "working",
        Connection.Status.NEVER_USED: "never_used",
        Connection.Status.ROTATING: "rotating",
        Connection.Status.PAUSED: "paused",
        Connection.Status.SUSPENDED: "suspended",
        Connection.Status.BLOCKED: "blocked",
        Connection.Status.KEYS_ENDED: "without_keys",
        Connection.Status.REVOKED: "revoked",
    }

    def applied_to(self, connections):
        self.is_valid()
        text, status = self.cleaned_data.get("q", "").strip(), self.cleaned_data.get("status")
        if text:
            connections = connections.search(text)
        if status:
            connections = getattr(connections, self._IN_STATUS[status])()
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
        self.fields["package"].queryset = portfolio.packages_of(environment)
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
