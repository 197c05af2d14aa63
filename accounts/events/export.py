"""The activity log as a file that proves itself: scripts/verify_export.py follows its chain without a key."""

import json

from accounts.events import chain
from accounts.events.models import Event
from accounts.events.services import start_of

COLUMNS = [
    "number", "at", "actor", "actor_name", "action", "organisation", "subject_kind", "subject_ref",
    "subject_name", "details", "request_id", "environment", "actor_name_proof", "subject_name_proof",
    "details_proof", "previous", "link",
]  # fmt: skip


def lines_of(environment, found):
    """The chained lines of the log, in their order; of those that are not among `found`, only the digest.

    A `…_proof` is the salt of the value, 32 characters, or what is left of an erased one, 64.
    """
    wanted = set(found.values_list("pk", flat=True))
    _number, previous = start_of(environment)
    for event in Event.objects.of(environment).chained().iterator():
        place = {"number": event.number, "previous": previous, "link": event.link}
        if event.pk in wanted:
            yield place | chain.facts(event) | _personal(event)
        else:
            yield place | {"digest": chain.digest(event)}
        previous = event.link


def json_lines(lines):
    return (f"{json.dumps(line, separators=(',', ':'))}\n" for line in lines)


def csv_rows(lines):
    """The rows under COLUMNS, without the lines of which there is only a digest.

    A text that begins with an apostrophe gets another, as `csv_answer` gives one to formulas: so all can be
    taken off again.
    """
    for line in lines:
        if "digest" not in line:
            details = json.dumps(line["details"], separators=(",", ":"))
            yield [_cell((line | {"details": details})[column]) for column in COLUMNS]


def _cell(value):
    return f"'{value}" if str(value).startswith("'") else value


def _personal(event):
    proofs = {f"{field}_proof": event.proofs[field].split(".")[0] for field in chain.PERSONAL}
    return proofs | {field: getattr(event, field) for field in chain.PERSONAL}
