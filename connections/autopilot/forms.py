"""What people type and choose about Autopilot."""

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.forms import OneLineField
from connections.forms import AdministrationMixin, OpIdMixin


class SigningSecretForm(OpIdMixin):
    """The name of this very form: posted twice, it makes one signing secret (R14)."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        again = _("Open this page again, then create the signing secret.")
        self.fields["op_id"].error_messages["required"] = again


class SwitchOnForm(SigningSecretForm, AdministrationMixin):
    name = OneLineField(
        label=_("Name of the connection"),
        max_length=60,
        help_text=_("How you recognise it in the overview, for instance “Bookkeeping”."),
    )


class JournalFilterForm(forms.Form):
    """Which lines of the journal; what cannot be read filters nothing."""

    ALL, FAILED, DELIVERED = "", "failed", "delivered"

    result = forms.ChoiceField(
        required=False,
        choices=[(ALL, _("All")), (FAILED, _("Failed")), (DELIVERED, _("Delivered"))],
    )

    def applied_to(self, attempts):
        self.is_valid()
        result = self.cleaned_data.get("result")
        if result == self.FAILED:
            return attempts.failed()
        return attempts.delivered() if result == self.DELIVERED else attempts
