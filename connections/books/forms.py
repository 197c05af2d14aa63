"""What people type into Koppel Books."""

import re
import uuid
from decimal import Decimal

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables

from connections.books import paste, series, services

LARGEST_FIRST, LARGEST_A_YEAR = 999_999_999, 1_000_000
_RECEIVER = re.compile(r"[0-9]{4}:[0-9A-Za-z.\-]{1,50}|[0-9A-Za-z][0-9A-Za-z.\- ]{3,18}[0-9A-Za-z]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffe\uffff]")
_PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}


def wrong_key(wrong: paste.Wrong) -> str:
    """What to say about a key that was typed into the wrong field, or wrongly."""
    return {
        paste.Wrong.SWAPPED: _("App Key and Secret are swapped."),
        paste.Wrong.APP_KEY_CUT: _("This App Key is too short: it has 26 characters."),
        paste.Wrong.SECRET_CUT: _("This Secret is too short: it has 42 characters."),
        paste.Wrong.APP_KEY_MISTYPED: _("This App Key has a typing error. Copy it once more."),
        paste.Wrong.SECRET_MISTYPED: _("This Secret has a typing error. Copy it once more."),
    }[wrong]


def wrong_text(wrong: paste.Wrong) -> str:
    """What to say about a pasted text from which nothing can be taken."""
    again = _("Copy it once more in the portal.")
    return {
        paste.Wrong.TOO_LONG: _("This text is too long. Paste only the keys, at most 4 KB."),
        paste.Wrong.NOTHING: _(
            "There are no keys in this text. An App Key begins with kpa_, a Secret with kps_."
        ),
        paste.Wrong.APP_KEY_MISSING: _("There is a Secret in this text, but no App Key."),
        paste.Wrong.SECRET_MISSING: _("There is an App Key in this text, but no Secret."),
        paste.Wrong.TWO_SETS: _("There are several sets of keys in this text. Paste one of them."),
        paste.Wrong.TWO_APP_KEYS: _("There are several App Keys in this text. Paste one of them."),
        paste.Wrong.TWO_SECRETS: _("There are several Secrets in this text. Paste one of them."),
        paste.Wrong.SWAPPED: _(
            "App Key and Secret are swapped: each stands in the place of the other. Somebody may have "
            "confused them, so copy both once more in the portal."
        ),
        paste.Wrong.APP_KEY_CUT: _("The App Key is cut off.") + " " + again,
        paste.Wrong.SECRET_CUT: _("The Secret is cut off.") + " " + again,
        paste.Wrong.APP_KEY_MISTYPED: _("The App Key has a typing error.") + " " + again,
        paste.Wrong.SECRET_MISTYPED: _("The Secret has a typing error.") + " " + again,
        paste.Wrong.BOTH_MISTYPED: _(
            "App Key and Secret both have a typing error. Copy them again."
        ),
        paste.Wrong.ORGANISATION: _(
            "The organisation ID in this text cannot be read, or there are several. Copy the text again."
        ),
        paste.Wrong.EMAIL: _(
            "The email address in this text is no proper address, or there are several. Copy the text again."
        ),
    }[wrong]


class SettingsForm(forms.Form):
    """App Key, Secret and whose books these are. The Secret that is stored is never in the form."""

    app_key = forms.CharField(
        label=gettext_lazy("App Key"),
        max_length=200,
        widget=forms.TextInput(attrs={**_PLAIN, "class": "mono"}),
    )
    secret = forms.CharField(
        label=gettext_lazy("Secret"),
        max_length=200,
        required=False,
        widget=forms.PasswordInput(attrs={**_PLAIN, "autocomplete": "new-password"}),
    )
    organisation_id = forms.CharField(
        label=gettext_lazy("Organisation ID"),
        max_length=20,
        required=False,
        help_text=gettext_lazy("Such as KPNL10001. Leave it empty, and the portal tells it."),
        widget=forms.TextInput(attrs={**_PLAIN, "class": "mono"}),
    )
    email = forms.EmailField(
        label=gettext_lazy("Email address of this administration"), max_length=254, required=False
    )

    def __init__(self, *args, administration, **kwargs):
        self.stored_app_key = administration.app_key
        initial = {
            name: getattr(administration, name) for name in ("app_key", "organisation_id", "email")
        }
        super().__init__(*args, initial=initial, **kwargs)
        self.fields["secret"].required = not self.stored_app_key
        if self.stored_app_key:
            self.fields["secret"].help_text = _(
                "Leave it empty to keep the stored one. It is never shown again."
            )

    def clean_app_key(self):
        return self._key("app_key", paste.APP_KEY)

    def clean_secret(self):
        if self.cleaned_data["secret"]:
            return self._key("secret", paste.SECRET)
        if self.cleaned_data.get("app_key", self.stored_app_key) != self.stored_app_key:
            raise ValidationError(_("A new App Key comes with a new Secret. Enter that one."))
        return ""

    def _key(self, name, prefix):
        text = self.cleaned_data[name].strip()
        wrong = paste.wrong_with(text, prefix)
        if wrong:
            raise ValidationError(wrong_key(wrong))
        return text

    def clean_organisation_id(self):
        text = self.cleaned_data["organisation_id"].strip().upper()
        if text and not re.fullmatch(r"[A-Z]{4}[0-9]{1,12}", text):
            raise ValidationError(_("An organisation ID looks like KPNL10001."))
        return text

    def store(self, administration):
        """Put what was entered into `administration`; saving is up to the caller."""
        entered = self.cleaned_data
        if entered["secret"]:
            administration.store_keys(entered["app_key"], entered["secret"])
        if administration.organisation_id != entered["organisation_id"]:
            administration.organisation_name = ""
        administration.organisation_id = entered["organisation_id"]
        administration.email = entered["email"]


class PasteForm(forms.Form):
    """The window that takes both keys at once. `found` is what a valid text holds."""

    text = forms.CharField(
        label=gettext_lazy("Paste the text here with CTRL+V"),
        strip=False,
        widget=forms.Textarea(attrs={**_PLAIN, "rows": 6, "class": "mono", "autofocus": True}),
    )
    found = None

    def __init__(self, *args, administration, **kwargs):
        super().__init__(*args, **kwargs)
        self.administration = administration

    @sensitive_variables()
    def clean_text(self):
        text = self.cleaned_data["text"]
        found = paste.read(text)
        if isinstance(found, paste.Problem):
            raise ValidationError(wrong_text(found.wrong))
        here = self.administration.connected_organisation
        if found.organisation and here and found.organisation != here:
            raise ValidationError(
                _(
                    "These keys are for organisation %(theirs)s, but this administration is connected to "
                    "%(here)s. Disconnect it first, in the settings, or paste the right keys."
                )
                % {"theirs": found.organisation, "here": here}
            )
        self.found = found
        return text

    @property
    def other_email(self):
        """The address of another administration that the text is meant for, or ""."""
        theirs, here = self.found.email, self.administration.email
        return theirs if theirs and here and theirs.lower() != here.lower() else ""

    def store(self, administration):
        """Put what was found into `administration`; saving is up to the caller."""
        administration.store_keys(self.found.app_key, self.found.secret)
        administration.organisation_id = (
            self.found.organisation or administration.connected_organisation
        )
        administration.email = administration.email or self.found.email


class InvoiceForm(forms.Form):
    """One invoice with one line."""

    SENT = ("customer", "receiver", "number", "description", "net")

    op = forms.UUIDField(widget=forms.HiddenInput)
    customer = forms.CharField(label=gettext_lazy("Customer"), max_length=150)
    receiver = forms.CharField(
        label=gettext_lazy("Electronic address or registration number of the customer"),
        max_length=60,
        help_text=gettext_lazy("Such as 0106:72345672, or 72345672."),
        widget=forms.TextInput(attrs=_PLAIN),
    )
    number = forms.CharField(label=gettext_lazy("Invoice number"), max_length=30)
    description = forms.CharField(label=gettext_lazy("Description"), max_length=200)
    net = forms.DecimalField(
        label=gettext_lazy("Amount in euros, without VAT"),
        min_value=Decimal("0.01"),
        max_value=Decimal("99999999"),
        decimal_places=2,
        help_text=gettext_lazy("21% VAT is added."),
    )

    def __init__(self, *args, administration, **kwargs):
        super().__init__(*args, **kwargs)
        self.administration = administration
        self.initial = {
            "op": uuid.uuid4(),
            "number": services.next_number(administration),
        } | self.initial

    def clean_receiver(self):
        text = self.cleaned_data["receiver"]
        if not _RECEIVER.fullmatch(text):
            raise ValidationError(
                _("Enter an electronic address such as 0106:72345672, or a registration number.")
            )
        return text if ":" in text else text.replace(" ", "")

    def clean_number(self):
        number = self.cleaned_data["number"]
        op = self.data.get("op", "")
        if services.is_used(self.administration, number, other_than=op):
            raise ValidationError(_("There is an invoice with this number."))
        return number

    def clean(self):
        for name in ("customer", "number", "description"):
            if _CONTROL.search(self.cleaned_data.get(name, "")):
                self.add_error(name, _("This text has characters that an invoice cannot have."))


class SeriesForm(forms.Form):
    """Where each side begins to count, and how many numbers a year it uses."""

    first_customer = forms.IntegerField(
        label=gettext_lazy("First customer number in Koppel Books"),
        initial=series.DEFAULT_CUSTOMER,
        min_value=1,
        max_value=9_999_999_999,
    )
    shop_customer = forms.IntegerField(
        label=gettext_lazy("First customer number in the shop"),
        initial=series.SHOP_CUSTOMER,
        min_value=1,
        max_value=LARGEST_FIRST,
    )
    customers = forms.IntegerField(
        label=gettext_lazy("New customers a year, at most"),
        initial=1000,
        min_value=1,
        max_value=LARGEST_A_YEAR,
    )
    first_invoice = forms.IntegerField(
        label=gettext_lazy("First invoice number in Koppel Books"),
        initial=series.DEFAULT_INVOICE,
        min_value=1,
        max_value=9_999_999_999,
    )
    shop_invoice = forms.IntegerField(
        label=gettext_lazy("First invoice number in the shop"),
        initial=series.SHOP_INVOICE,
        min_value=1,
        max_value=LARGEST_FIRST,
    )
    invoices = forms.IntegerField(
        label=gettext_lazy("Invoices a year, at most"),
        initial=1000,
        min_value=1,
        max_value=LARGEST_A_YEAR,
    )

    PAIRS = (
        ("first_customer", "shop_customer", "customers", series.DEFAULT_CUSTOMER),
        ("first_invoice", "shop_invoice", "invoices", series.DEFAULT_INVOICE),
    )

    def clean(self):
        self.proposals = {}  # a free start for each series of ours that collides
        for ours, shop, a_year, default in self.PAIRS:
            entered = [self.cleaned_data.get(name) for name in (ours, shop, a_year)]
            if None in entered:
                continue
            here, there = (series.Series(first, entered[2]) for first in entered[:2])
            if here.collides_with(there):
                self.proposals[ours] = series.proposal(there, default)
                self.add_error(ours, self._collision(there, self.proposals[ours]))

    def _collision(self, shop, proposal):
        return _(
            "Within %(years)s years both sides would use the same numbers: the shop counts from %(first)s to "
            "%(last)s. Begin here with %(proposal)s."
        ) % {
            "years": series.YEARS,
            "first": shop.first,
            "last": shop.end - 1,
            "proposal": proposal,
        }
