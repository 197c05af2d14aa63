"""What a person's name may be (R56). Pure."""

import unicodedata

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _


def validate_name(value):
    """Letters and marks of any script, and the spaces, hyphens, dots and apostrophes of names (R56)."""
    if any(
        unicodedata.category(character)[0] not in "LM" and character not in " '’.-"
        for character in value
    ):
        raise ValidationError(_("A name has no digits or special characters."))


def validate_first_name(value):
    validate_name(value)
    if sum(c.isalpha() for c in value) < 2:
        raise ValidationError(_("A first name has at least 2 letters."))


def validate_last_name(value):
    validate_name(value)
    if not any(c.isalpha() for c in value):
        raise ValidationError(_("A last name has at least 1 letter."))
