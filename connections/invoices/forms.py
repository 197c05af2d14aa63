"""What people look for in the lists of invoices, and which they choose."""

import re
import uuid

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.forms import DayField
from accounts.models import Organisation
from connections.invoices.models import SETTABLE, Delivery, SentStatus, Status
from portal.search import searched


def _uuid(text):
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _number(text):
    """A number of a connection in its organisation."""
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else None


MOST_TICKED = 500  # as many as a list can show


class FilterForm(forms.Form):
    """Search and filters of a list of invoices; what cannot be read filters nothing."""

    q = forms.CharField(required=False, max_length=100)
    organisation = forms.CharField(label=_("Organisation"), required=False, max_length=100)
    since = DayField(label=_("Invoice date from"))
    until = DayField(label=_("until"))

    def applied_to(self, invoices):
        self.is_valid()
        asked = self.cleaned_data
        text = asked.get("q", "").strip()
        if text:
            invoices = searched(invoices, text, "number", f"{self.counterparty}_name")
        if asked.get("organisation"):
            own = Organisation.objects.search(asked["organisation"].strip())
            invoices = invoices.filter(**{f"{self.own}__in": own})
        if asked.get("since"):
            invoices = invoices.filter(issue_date__gte=asked["since"])
        if asked.get("until"):
            invoices = invoices.filter(issue_date__lte=asked["until"])
        return self.narrowed(invoices, asked)

    @property
    def is_set(self):
        return any(self.cleaned_data.values())


class ReceivedFilterForm(FilterForm):
    own, counterparty = "receiver", "sender"
    status = forms.ChoiceField(
        label=_("Status"),
        required=False,
        choices=[("", _("All")), *(it for it in Status.choices if it[0] != Status.FAILED)],
    )
    delivery = forms.ChoiceField(
        label=_("Delivery"), required=False, choices=[("", _("All")), *Delivery.choices]
    )

    def narrowed(self, invoices, asked):
        if asked.get("status"):
            invoices = invoices.filter(status=asked["status"])
        return invoices.in_delivery(asked["delivery"]) if asked.get("delivery") else invoices


class SentFilterForm(FilterForm):
    own, counterparty = "sender", "receiver"
    status = forms.ChoiceField(
        label=_("Status"), required=False, choices=[("", _("All")), *SentStatus.choices]
    )

    def narrowed(self, invoices, asked):
        return invoices.in_sent_status(asked["status"]) if asked.get("status") else invoices


class StatusForm(forms.Form):
    """The status that a person gives to a received invoice."""

    status = forms.ChoiceField(
        label=_("Status"), choices=[(status.value, status.label) for status in SETTABLE]
    )
    note = forms.CharField(
        label=_("Note"),
        required=False,
        max_length=500,
        help_text=_("The sender sees the status and the note."),
    )


class Ticked(forms.Field):
    """What was ticked, each read by `read`; whatever it cannot read was on no page of ours."""

    widget = forms.MultipleHiddenInput

    def __init__(self, read):
        super().__init__(required=False)
        self.read = read

    def to_python(self, value):
        return [it for it in map(self.read, (value or [])[:MOST_TICKED]) if it is not None]


class ReofferForm(forms.Form):
    """The invoices that were ticked, or everything that the filter in the address finds; and to whom."""

    everything = forms.BooleanField(required=False)
    invoice = Ticked(_uuid)
    connection = Ticked(_number)
