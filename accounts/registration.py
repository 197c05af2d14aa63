"""Where organisations are registered, and how their numbers look there. Pure."""

import re

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Country(TextChoices):
    NETHERLANDS = "NL", _("Netherlands")
    BELGIUM = "BE", _("Belgium")
    NORWAY = "NO", _("Norway")
    SWEDEN = "SE", _("Sweden")


# How registration numbers look, and the scheme under which Peppol knows them.
REGISTRATION = {
    Country.NETHERLANDS: (re.compile(r"[0-9]{8}"), "0106", _("A KvK number has 8 digits.")),
    Country.BELGIUM: (
        re.compile(r"[01][0-9]{9}"),
        "0208",
        _("An enterprise number has 10 digits."),
    ),
    Country.NORWAY: (re.compile(r"[0-9]{9}"), "0192", _("An organisation number has 9 digits.")),
    Country.SWEDEN: (re.compile(r"[0-9]{10}"), "0007", _("An organisation number has 10 digits.")),
}
