"""What people look for in the lists of invoices, and which they choose."""

import uuid

from django import forms
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.forms import DayField
from connections.invoices.models import Delivery, Outcome
from connections.invoices.services import MOST_AT_ONCE


class FilterForm(forms.Form):
    """Search and filters of a list of invoices; what cannot be read filters nothing."""

    q = forms.CharField(required=False, max_length=100)
    since = DayField(label=_("Invoice date from"))
    until = DayField(label=_("until"))

    def applied_to(self, invoices):
        self.is_valid()
        asked = self.cleaned_data
        text = asked.get("q", "").strip()
        if text:
            name = {f"{self.counterparty}_name__icontains": text}
            invoices = invoices.filter(Q(number__icontains=text) | Q(**name))
        if asked.get("since"):
            invoices = invoices.filter(issue_date__gte=asked["since"])
        if asked.get("until"):
            invoices = invoices.filter(issue_date__lte=asked["until"])
        return self.narrowed(invoices, asked["delivery"]) if asked.get("delivery") else invoices

    @property
    def is_set(self):
        return any(self.cleaned_data.values())


class ReceivedFilterForm(FilterForm):
    counterparty = "sender"
    delivery = forms.ChoiceField(
        label=_("Delivery"), required=False, choices=[("", _("All")), *Delivery.choices]
    )

    def narrowed(self, invoices, delivery):
        return invoices.in_delivery(delivery)


class SentFilterForm(FilterForm):
    counterparty = "receiver"
    delivery = forms.ChoiceField(
        label=_("Delivery"), required=False, choices=[("", _("All")), *Outcome.choices]
    )

    def narrowed(self, invoices, outcome):
        return invoices.with_outcome(outcome)


class Ticked(forms.Field):
    """UUIDs of invoices; whatever is none was not ticked on a page of ours."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value):
        return list(filter(None, map(_uuid, (value or [])[:MOST_AT_ONCE])))


class ReofferForm(forms.Form):
    """The invoices that were ticked, or everything that the filter in the address finds."""

    everything = forms.BooleanField(required=False)
    invoice = Ticked(required=False)


def _uuid(text):
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
