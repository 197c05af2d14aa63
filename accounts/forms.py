"""What people type about themselves, each other and their organisations."""

from datetime import date, datetime, time, timedelta

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.events.models import Action, Event
from accounts.mail.groups import CHOSEN
from accounts.models import STATUS_FILTERS, Organisation
from accounts.names import validate_first_name, validate_last_name
from accounts.roles import Role
from accounts.services import RegistrationNumberInUse


class OneLineField(forms.CharField):
    """A name: line breaks and double spaces become one space, so that it fits into any sentence and mail."""

    def clean(self, value):
        return " ".join(super().clean(value).split())


PASSWORD_HELP = _(
    "At least 12 characters. A sentence that you remember is better than a short riddle."
)


class NamesForm(forms.Form):
    """First and last name, in the way of R56."""

    first_name = forms.CharField(
        label=_("First name"),
        max_length=100,
        validators=[validate_first_name],
        widget=forms.TextInput(attrs={"autocomplete": "given-name"}),
    )
    last_name = forms.CharField(
        label=_("Last name"),
        max_length=100,
        validators=[validate_last_name],
        widget=forms.TextInput(attrs={"autocomplete": "family-name"}),
    )


class SignupForm(NamesForm):
    """What allauth asks at sign-up beside address and password."""

    environment = OneLineField(
        label=_("Company"),
        max_length=100,
        help_text=_("Your company or office. You become its administrator."),
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )

    field_order = ["environment", "first_name", "last_name", "email", "password1", "password2"]

    def signup(self, request, user):
        """allauth wants it; the adapter has stored everything already."""


class MailsForm(forms.Form):
    """Which groups of mails a person gets, of those that can be switched off."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for group in CHOSEN:
            self.fields[group.value] = forms.BooleanField(
                label=group.label, help_text=group.says, required=False
            )

    def switched_off(self):
        return [name for name, wanted in self.cleaned_data.items() if not wanted]


class AcceptInvitationForm(NamesForm):
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=PASSWORD_HELP,
    )

    def __init__(self, *args, user, **kwargs):
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_password(self):
        validate_password(self.cleaned_data["password"], self.user)
        return self.cleaned_data["password"]


class SearchForm(forms.Form):
    """What narrows a list. A value that cannot be meant narrows nothing."""

    q = forms.CharField(label=_("Search"), max_length=100, required=False)

    def narrow(self, found):
        self.is_valid()
        text = self.cleaned_data.get("q")
        return found.search(text) if text else found


class UsersFilterForm(SearchForm):
    status = forms.ChoiceField(
        label=_("Status"),
        choices=[("", _("Every status")), *((status, status.label) for status in STATUS_FILTERS)],
        required=False,
    )

    def narrow(self, found):
        found = super().narrow(found)
        status = self.cleaned_data.get("status")
        return found.in_status(status) if status else found


class DayField(forms.DateField):
    """A day on which something can have happened, or nothing."""

    default_validators = [MinValueValidator(date(2000, 1, 1)), MaxValueValidator(date(2200, 1, 1))]

    def __init__(self, **kwargs):
        # A browser understands only this notation, whatever the language.
        super().__init__(
            required=False,
            widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
            **kwargs,
        )


class ActivityFilterForm(forms.Form):
    """What narrows the activity log."""

    action = forms.ChoiceField(
        label=_("What"), choices=[("", _("Everything")), *Action.choices], required=False
    )
    person = forms.ChoiceField(label=_("Who"), required=False)
    organisation = forms.ModelChoiceField(
        Organisation.objects.none(),
        label=_("Organisation"),
        empty_label=_("Every organisation"),
        required=False,
    )
    about = forms.CharField(label=_("About"), max_length=100, required=False)
    since = DayField(label=_("From"))
    until = DayField(label=_("Until"))

    def __init__(self, *args, environment, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["person"].choices = [("", _("Everybody")), *_people(environment)]
        self.fields["organisation"].queryset = environment.organisations.by_name()

    def narrow(self, found):
        self.is_valid()
        asked = {name: value for name, value in self.cleaned_data.items() if value}
        found = found.filter(
            **{LOOKUPS[name]: value for name, value in asked.items() if name in LOOKUPS}
        )
        if "since" in asked:
            found = found.filter(at__gte=_midnight(asked["since"]))
        if "until" in asked:
            found = found.filter(at__lt=_midnight(asked["until"] + timedelta(days=1)))
        return found


LOOKUPS = {
    "action": "action",
    "person": "actor",
    "organisation": "organisation",
    "about": "subject_name__icontains",
}


def _people(environment):
    """Everybody of the environment, and those who were removed, as the log remembers them."""
    removed = Event.objects.of(environment).filter(
        action__in=[Action.USER_REMOVED, Action.ACCOUNT_DELETED]
    )
    present = [(str(user.pk), str(user)) for user in environment.users.order_by("last_name", "pk")]
    return present + [
        (ref, _("%(name)s (removed)") % {"name": name or _("Former user")})
        for ref, name in removed.order_by("subject_name").values_list("subject_ref", "subject_name")
    ]


def _midnight(day):
    return timezone.make_aware(datetime.combine(day, time.min))


class OrganisationsField(forms.ModelMultipleChoiceField):
    """Which organisations of the environment a person is a member of."""

    def __init__(self, help_text):
        super().__init__(
            Organisation.objects.none(),
            to_field_name="organisation_id",
            label=_("Member of"),
            required=False,
            widget=forms.CheckboxSelectMultiple,
            help_text=help_text,
        )


class OrganisationsForm(forms.Form):
    organisations = OrganisationsField(_("A user sees only the organisations ticked here."))

    def __init__(self, *args, environment, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["organisations"].queryset = environment.organisations.by_name()


class RoleForm(forms.Form):
    role = forms.ChoiceField(
        label=_("What this person may do"),
        choices=Role,
        initial=Role.BASIC,
        widget=forms.RadioSelect,
        help_text=_(
            "Basic user: sees organisations and their invoices. "
            "Advanced user: also creates, changes and ends connections. "
            "Administrator: also manages users and organisations, and reads the activity log."
        ),
    )


class InviteForm(RoleForm, OrganisationsForm):
    email = forms.EmailField(label=_("Email"), max_length=254)
    organisations = OrganisationsField(_("With none ticked, the person sees nothing yet."))

    field_order = ["email", "role", "organisations"]


class OrganisationForm(forms.ModelForm):
    class Meta:
        model = Organisation
        fields = ["name", "country", "registration_number"]
        field_classes = {"name": OneLineField}
        help_texts = {"registration_number": _("In the Netherlands the KvK number of 8 digits.")}

    def clean(self):
        """Say at its field that a number is in use; the constraint would say it about the whole form."""
        values = super().clean()
        asked = {name: values.get(name) for name in ("country", "registration_number")}
        if Organisation.objects.filter(**asked).exists():
            self.add_error("registration_number", str(RegistrationNumberInUse()))
        return values


class SwitchesForm(forms.ModelForm):
    class Meta:
        model = Organisation
        fields = ["name", "sending", "receiving"]
        field_classes = {"name": OneLineField}


class CloseForm(forms.Form):
    """The name of the environment, typed by somebody who means it."""

    name = OneLineField(max_length=100, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    shown = forms.CharField(max_length=32, required=False, widget=forms.HiddenInput)

    def __init__(self, *args, environment, **kwargs):
        super().__init__(*args, **kwargs)
        self.environment = environment
        label = gettext("Type the name of the environment: %(name)s")
        self.fields["name"].label = label % {"name": environment}

    def clean_name(self):
        if self.cleaned_data["name"] != " ".join(self.environment.name.split()):
            raise forms.ValidationError(_("Type it exactly as it is written above."))
        return self.cleaned_data["name"]


class TermsForm(forms.Form):
    """The terms of the Integrations service, read and accepted."""

    terms = forms.CharField(max_length=20, widget=forms.HiddenInput)
    read = forms.BooleanField(
        label=_("I have read the terms and accept them for my company."),
        error_messages={"required": _("Read the terms, then tick this box.")},
    )
