"""What people type about requests, clients and partners."""

import re
import uuid

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.forms import OneLineField, SearchForm
from accounts.models import User
from accounts.registration import REGISTRATION, Country
from partners.models import AuthorisationRequest

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # as addresses of pages hold them
PAYS = [
    ("client", _("The client pays")),
    ("accountant", _("We pay")),
]
LONGEST_NUMBER = 18  # digits of a primary key


class RequestForm(forms.Form):
    """A new authorisation request (R30). The functions are those that the chosen package asks for."""

    op_id = forms.UUIDField(
        widget=forms.HiddenInput,
        initial=uuid.uuid4,
        error_messages={"required": _("Open this page again, then send the request.")},
    )
    replace = forms.BooleanField(required=False, widget=forms.HiddenInput)
    client_name = OneLineField(label=_("Client"), max_length=150)
    email = forms.EmailField(
        label=_("Email of the client"),
        max_length=254,
        help_text=_(
            "Of somebody who may decide there; the first user of a new environment is its administrator."
        ),
    )
    app = forms.ModelChoiceField(
        None, label=_("Software package"), empty_label=_("Choose a package")
    )
    country = forms.ChoiceField(label=_("Country"), choices=Country, initial=Country.NETHERLANDS)
    registration_number = forms.CharField(
        label=_("Registration number"),
        max_length=20,
        help_text=_(
            "Of the organisation whose books you keep. In the Netherlands the KvK number of 8 digits."
        ),
    )
    pays = forms.ChoiceField(
        label=_("Who pays"), choices=PAYS, initial="accountant", widget=forms.RadioSelect
    )
    functions = forms.MultipleChoiceField(
        label=_("What you ask"), required=False, widget=forms.CheckboxSelectMultiple
    )
    note = forms.CharField(
        label=_("Personal note"),
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Stands in the mail, in your words."),
    )
    language = forms.ChoiceField(label=_("Language of the mail"), choices=settings.LANGUAGES)

    def __init__(self, *args, apps, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["app"].queryset = apps
        self.fields["functions"].choices = [
            (name, name) for name in dict.fromkeys(name for app in apps for name in app.functions)
        ]

    def chosen_app(self):
        """The package chosen so far, in whatever state the form is; or None."""
        value = self["app"].value()
        try:
            return self.fields["app"].clean(value) if value else None
        except ValidationError:
            return None

    def clean_registration_number(self):
        return self.cleaned_data["registration_number"].replace(" ", "").replace(".", "")

    def clean(self):
        values = super().clean()
        country, number = values.get("country"), values.get("registration_number")
        if country and number:
            pattern, _scheme, message = REGISTRATION[Country(country)]
            if not pattern.fullmatch(number):
                self.add_error("registration_number", message)
        values["accountant_pays"] = values.pop("pays", "") == "accountant"
        return values


class RequestsFilterForm(SearchForm):
    status = forms.ChoiceField(
        label=_("Status"),
        choices=[("", _("Every status")), *AuthorisationRequest.Status.choices],
        required=False,
    )

    def narrow(self, found):
        found = super().narrow(found)
        status = self.cleaned_data.get("status")
        return found.in_status(status) if status else found


class ConsentForm(forms.Form):
    """What the client allows of what was asked; the boxes come from the request, not from the browser."""

    functions = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args, functions, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["functions"].choices = [(name, name) for name in functions]


class NewOrganisationForm(forms.Form):
    """The organisation of a request that the client does not have yet: only its name is open."""

    name = OneLineField(label=_("Name of the organisation"), max_length=150)


class PeopleField(forms.ModelMultipleChoiceField):
    def clean(self, value):
        """No database looks for numbers of any length."""
        if any(len(str(number)) > LONGEST_NUMBER for number in value or ()):
            raise ValidationError(self.error_messages["invalid_list"], code="invalid_list")
        return super().clean(value)


class ColleaguesForm(forms.Form):
    """Who of the accountant's people may enter a client's organisation."""

    users = PeopleField(
        User.objects.none(),
        label=_("Colleagues"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Only who is ticked can enter this client's organisation."),
    )

    def __init__(self, *args, environment, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["users"].queryset = colleagues_of(environment)


class AssignForm(forms.Form):
    """Several clients for one colleague."""

    user = forms.ModelChoiceField(
        User.objects.none(), label=_("Colleague"), empty_label=_("Choose a colleague")
    )

    def __init__(self, *args, environment, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["user"].queryset = colleagues_of(environment)


def colleagues_of(environment):
    return environment.users.in_status(User.Status.ACTIVE).order_by("last_name", "pk")


class FileForm(forms.Form):
    file = forms.FileField(
        label=_("CSV file"),
        help_text=_("At most 10,000 lines and 5 MB."),
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
    )
