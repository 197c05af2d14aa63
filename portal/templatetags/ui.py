"""The template tags of the portal's face: icons, code, moments, rows and the chart of calls."""

from datetime import date, timedelta
from functools import lru_cache

from django import template
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.templatetags.static import static
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.html import format_html
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from portal.rows import Row, fill
from portal.support import whom_to_ask

register = template.Library()

TONES = 6
CHART_HEIGHT = 100
CHART_DAY = 10


@register.simple_tag
@lru_cache(200)
def icon(key):
    """Draw the shape `key` of the sprite; it says nothing to a screen reader."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>',
        static("img/icons.svg"),
        key,
    )


register.simple_tag(whom_to_ask)
register.simple_tag(fill, name="rows")


@register.simple_tag
def filled(template, **texts):
    """A part of the page that is the same for everybody but for these texts, which it prints."""
    return fill(template, [Row({}, texts)])


@register.simple_block_tag
def code(content, id, label=""):
    """A block of code with a button that copies it. `label` says to a screen reader what it is."""
    return format_html(
        '<div class="code-block"><pre class="code" tabindex="0"{label}><code id="{id}">{content}</code></pre>'
        '<button type="button" class="btn small" data-copy="#{id}">{icon}{copy}</button></div>',
        id=id,
        label=format_html(' aria-label="{}"', label) if label else "",
        content=content,
        icon=icon("copy"),
        copy=_("Copy"),
    )


@register.filter
def quoted(text):
    """Somebody's words in a mail, each line behind a mark, so that they never pass for ours."""
    return "\n".join(f"> {line}" for line in str(text).splitlines())


@register.filter
def ago(moment):
    """Say when `moment` was in words, with the exact time in the title.

    A week away or more reads better as a date. Nothing for None, so that `|default` can speak.
    """
    if not moment:
        return ""
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}, {}">{}</time>',
        local.isoformat(timespec="seconds"),
        written(local, "j F Y"),
        local.time().isoformat(timespec="seconds"),
        _in_words(local),
    )


def written(day, form):
    """The date of `day` in this form of Django's, in the language of the page."""
    return _written(day.year, day.month, day.day, form, get_language())


@lru_cache(1000)  # the rows of a list say the same few days
def _written(year, month, day, form, _language):
    return format_date(date(year, month, day), form)


def _in_words(moment):
    now = timezone.now()
    distance = abs(now - moment)
    if distance >= timedelta(days=7):
        return written(moment, _("j M Y"))
    if distance < timedelta(days=1):
        return naturaltime(moment)
    return _days_away(distance.days if moment > now else -distance.days, get_language())


@lru_cache(100)
def _days_away(days, _language):
    a_moment_longer = timedelta(seconds=1 if days > 0 else 0)
    return naturaltime(timezone.now() + timedelta(days=days) + a_moment_longer)


@register.filter
def tone(name):
    """Give a name always the same of the six colours of letter tiles."""
    return f"tone-{sum(map(ord, str(name))) % TONES}"


@register.inclusion_tag("components/_chart.html")
def calls_chart(days):
    """Draw the calls of each day as bars, refused ones on top.

    `days`: oldest first, each with `date`, `accepted` and `refused` (numbers of calls).
    """
    days = list(days)
    most = max((day["accepted"] + day["refused"] for day in days), default=0) or 1
    return {
        "bars": [_bar(position, day, most) for position, day in enumerate(days)],
        "width": max(len(days), 1) * CHART_DAY,
        "height": CHART_HEIGHT,
        "accepted": sum(day["accepted"] for day in days),
        "refused": sum(day["refused"] for day in days),
        "number_of_days": len(days),
    }


def _bar(position, day, most):
    accepted = _height(day["accepted"], most)
    refused = _height(day["refused"], most)
    return {
        **day,
        "left": position * CHART_DAY,
        "accepted_top": CHART_HEIGHT - accepted,
        "accepted_height": accepted,
        "refused_top": CHART_HEIGHT - accepted - refused,
        "refused_height": refused,
    }


def _height(calls, most):
    """A share of the chart, but never so low that a few calls vanish."""
    return max(2, round(calls / most * (CHART_HEIGHT - 4))) if calls else 0
