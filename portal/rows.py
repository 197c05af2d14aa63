"""Rows of long lists: a template is rendered once for each kind of row, then only filled in.

A template that is rendered fifty times is most of what a page costs. What a row says therefore comes in two
parts: its kind, about which the template may ask, and its texts, which it prints.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from uuid import UUID

from django.conf import settings
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

KINDS_KEPT = 1000
# What stands for a text meanwhile, by its type, so that addresses take it: private characters of Unicode,
# which addresses quote, or a number or UUID that nothing has.
_MARKS = {int: "907050301090{:04}", UUID: "90705030-1090-4705-8301-{:012}"}
_OTHER = "\ue000{:04}\ue001"
_MARK = re.compile(
    "907050301090([0-9]{4})|90705030-1090-4705-8301-0{8}([0-9]{4})"
    "|(?:\ue000|%EE%80%80)([0-9]{4})(?:\ue001|%EE%80%81)"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row for a template.

    `kind`: what decides how it looks, with few values in all of the portal: a state, whether a link is shown.
    `texts`: what it alone says, by name. The template can print them, in `{% blocktranslate %}` too, and put
    numbers, UUIDs and organisation IDs into `{% url %}`; nothing else.
    """

    kind: dict
    texts: dict


def fill(template: str, rows) -> SafeString:
    """The rows as HTML, one after the other, with their texts escaped as `{{ }}` does it."""
    language, filled = get_language(), []
    for row in rows:
        types = tuple((name, type(text)) for name, text in row.texts.items())
        form = _form(template, language, tuple(row.kind.items()), types)
        filled.append(form % {name: _escaped(text) for name, text in row.texts.items()})
    return mark_safe("".join(filled))  # noqa: S308 (a template of ours, and texts that are escaped)


class _Hole:
    """Stands for a text while the template is rendered."""

    def __init__(self, number, kind):
        self.mark = mark_safe(_MARKS.get(kind, _OTHER).format(number))  # noqa: S308

    def __str__(self):
        return self.mark

    def __bool__(self):
        raise TypeError("A row prints its texts; what a template asks about belongs to its kind.")


def _rendered(template, _language, kind, types):
    names = [name for name, _type in types]
    holes = {name: _Hole(number, of) for number, (name, of) in enumerate(types)}
    parts, form = _MARK.split(render_to_string(template, {**dict(kind), **holes})), []
    for place in range(
        0, len(parts), 4
    ):  # the text before a mark, then what each of its forms caught
        form.append(parts[place].replace("%", "%%"))
        form += [f"%({names[int(number)]})s" for number in parts[place + 1 : place + 4] if number]
    return "".join(form)


# Whoever works on templates sees each change at once.
_form = _rendered if settings.DEBUG else lru_cache(KINDS_KEPT)(_rendered)


def _escaped(text):
    return text if isinstance(text, SafeString) else escape(str(text))
