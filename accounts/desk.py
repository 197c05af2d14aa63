"""The tables of the support desk: every look into an environment is read there, and so is every change.

A look is a line in the activity log of each environment that the row belongs to (decision 31).
"""

import hashlib
import json

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import (
    ERROR_FLAG,
    IGNORED_PARAMS,
    PAGE_VAR,
    SEARCH_VAR,
    ChangeList,
    ChangeListSearchForm,
)
from django.db import IntegrityError, transaction
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from accounts.events.models import Action
from accounts.events.services import record_for
from accounts.models import Environment
from accounts.refusals import ChangedMeanwhile, Refused

LONGEST_SEARCH = 200
LONGEST_SAID = 200
NOT_POSTED_AGAIN = {"csrfmiddlewaretoken", "confirmed", "shown"}


@transaction.atomic
def note_look(*, by, environments, looked_at, subject=None, **details) -> None:
    """Write that support looked, into the log of each of `environments`; about `subject`, or about itself.

    `looked_at` is a word of `events.words`: the table of the desk, or "search". One query.
    """
    details["looked_at"] = looked_at
    record_for(environments, Action.SUPPORT_LOOKED, by=by, subject=subject, **details)


def question(request, *, title, sentences, button, back, items=(), **answer):
    """The page before something ends: what it means, and a button that posts the same again as confirmed."""
    posted = [
        (name, value)
        for name, values in request.POST.lists()
        if name not in NOT_POSTED_AGAIN
        for value in values
    ]
    context = {
        **admin.site.each_context(request),
        "title": title,
        "sentences": sentences,
        "items": items,
        "button": button,
        "back": back,
        "posted": [*posted, *answer.items(), ("confirmed", "yes")],
    }
    return TemplateResponse(request, "admin/confirm.html", context)


def mended(request, service, said, page, pk):
    """Call the service and lead to that page of the desk, with what was `said` of it, or why it refused."""
    try:
        service()
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, said)
    return redirect(f"admin:{page}", pk)


class SearchForm(ChangeListSearchForm):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields[SEARCH_VAR] = forms.CharField(required=False, max_length=LONGEST_SEARCH)


class Found(ChangeList):
    search_form_class = SearchForm


class KeptAdmin(admin.ModelAdmin):
    """For what has a history: it is changed at most, never added or deleted here.

    `belongs_to` are the look-up paths from a row to its environments; () where rows belong to none. Lists of
    what belongs to environments are empty until somebody searches.
    """

    belongs_to = None
    narrowed_by = ()  # further look-ups by which pages of the desk link to this list
    list_per_page = list_max_show_all = 20
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    view_on_site = False
    change_form_template = "admin/row.html"

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    def lookup_allowed(self, lookup, value, request):
        """Only the filters of the page: others would answer about columns that no page shows."""
        shown = [it[0] if isinstance(it, tuple) else it for it in self.get_list_filter(request)]
        field = lookup.split("__")[0]
        linked = _is_key(value) and lookup in (*self.belongs_to, *self.narrowed_by)
        return linked or field in {*shown, self.date_hierarchy}

    def get_changelist(self, request, **kwargs):
        return Found

    def get_search_results(self, request, queryset, search_term):
        narrowed = request.GET.keys() - {*IGNORED_PARAMS, PAGE_VAR, ERROR_FLAG}
        chosen = ACTION_CHECKBOX_NAME in request.POST
        if self.belongs_to and not (search_term or narrowed or chosen):
            return self.before_search(queryset), False
        return super().get_search_results(request, queryset, search_term)

    def before_search(self, queryset):
        """What a list shows before anybody has searched."""
        return queryset.none()

    # Looks

    def environments_of(self, rows):
        """The environments whose administrators read of a look at these rows."""
        keys = self.model._base_manager.filter(pk__in=[row.pk for row in rows])
        found = keys.values_list(*self.belongs_to) if self.belongs_to else []
        return Environment.objects.filter(pk__in={pk for line in found for pk in line if pk})

    def subject_of(self, row):
        """What the line about a look at `row` is about; None for its environment."""
        return row if hasattr(row, "event_subject") else None

    def look(self, request, rows, **details):
        if not rows:
            return
        note_look(
            by=request.user,
            environments=self.environments_of(rows),
            looked_at=self.opts.label_lower,
            **details,
        )

    def changelist_view(self, request, extra_context=None):
        try:
            answer = super().changelist_view(request, extra_context)
        except OverflowError:  # a year in the address that no calendar has
            return redirect(f"{request.path}?{ERROR_FLAG}=1")
        changelist = (getattr(answer, "context_data", None) or {}).get("cl")
        if changelist:
            self.look(request, list(changelist.result_list))
        return answer

    def history_view(self, request, object_id, extra_context=None):
        answer = super().history_view(request, object_id, extra_context)
        row = self.get_object(request, unquote(object_id))
        if row is not None:
            self.look(request, [row], subject=self.subject_of(row))
        return answer

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        if obj is not None:
            self.look(request, [obj], subject=self.subject_of(obj))
            names = context["adminform"].form.fields
            context["buttons"] = self.buttons(request, obj)
            context["environments"] = list(self.environments_of([obj]))
            context["stamp"] = request.POST.get("stamp") or self.stamp(obj, names)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def buttons(self, request, row) -> list:
        """What can be done about `row` beside changing it, as `(label, address)`; each is a POST."""
        return []

    # Changes

    def get_object(self, request, object_id, from_field=None):
        """To be changed it is locked, so that it is compared with what the person saw."""
        row = super().get_object(request, object_id, from_field) if _is_key(object_id) else None
        if row is not None and request.method == "POST":
            rows = self.model._base_manager.select_for_update(no_key=True, of=["self"])
            row = rows.get(pk=row.pk)
        return row

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except (Refused, IntegrityError) as error:  # the latter: somebody else was quicker
            refused = error if isinstance(error, Refused) else ChangedMeanwhile()
            self.message_user(request, str(refused), messages.ERROR)
            return redirect(request.get_full_path())

    def stamp(self, row, names):
        """Names what the fields `names` of a row say now: the same has the same name, whoever looks."""
        values = {name: self.said(row, name) for name in names if self._is_column(name)}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]

    def save_model(self, request, obj, form, change):
        """Store what was changed on the page, with an event that says it; the rest of the row stays."""
        if not change:
            super().save_model(request, obj, form, change)
            self.note_change(request, obj, added=True)
            return
        before = self.model._base_manager.get(pk=obj.pk)
        if request.POST.get("stamp", "") not in ("", self.stamp(before, form.fields)):
            raise ChangedMeanwhile
        changed = [name for name in form.changed_data if self._is_column(name)]
        obj.save(update_fields=changed)
        if changed:
            self.note_change(request, before, **self.changes(before, obj, changed))

    def changes(self, before, after, names) -> dict:
        """What an event says of each change: before and after; of long texts, that they changed."""
        return {
            name: change_said(self.said(before, name), self.said(after, name)) for name in names
        }

    def note_change(self, request, row, **details):
        """Write the change into the log of each environment of `row`, or into that of the portal."""
        environments = self.environments_of([row]) or [None]
        record = {"by": request.user, "subject": row, **details}
        record_for(environments, Action.SUPPORT_CHANGED, **record)

    def said(self, row, name):
        value = getattr(row, name)
        return value if isinstance(value, (bool, int, list, type(None))) else str(value)

    def _is_column(self, name):
        return name in {field.name for field in self.opts.concrete_fields}


class ReadOnlyAdmin(KeptAdmin):
    def has_change_permission(self, request, obj=None):
        return False


class ReadOnlyInline(admin.TabularInline):
    extra = 0
    view_on_site = False
    can_delete = False

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False


def _is_key(text):
    """Whether it can be the key of a row; SQLite would stumble over a larger number."""
    return text.isdecimal() and len(text) < len(str(2**63))


def change_said(before, after):
    """What an event says of one change; of a long text, that it changed."""
    if isinstance(before, list) and isinstance(after, list):
        added, removed = set(after) - set(before), set(before) - set(after)
        return {"added": sorted(added), "removed": sorted(removed)}
    if max(len(str(before)), len(str(after))) > LONGEST_SAID:
        return True
    return {"from": before, "to": after}
