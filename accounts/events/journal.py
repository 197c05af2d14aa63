"""What ended or changed is noted outside of the database too, so that an older backup revives nothing.

A line says what is left of the thing that changed, in ids alone: the keys that live, the organisations that a
person may enter. The last line about a thing counts. Each app says of its things what is left of them, by
`remains`, and how to take away what is not left, by `ends_again`; manage.py restore does that.
"""

import json
import logging
import os
import socket
from datetime import timedelta
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from accounts.events.models import Action, Event
from portal.disk import sync

log = logging.getLogger(__name__)

# What takes nothing away, and whose loss gives nothing back. Everything else is noted.
HARMLESS = frozenset(
    {
        Action.ENVIRONMENT_CREATED,
        Action.ORGANISATION_ADDED,
        Action.ORGANISATION_CHANGED,
        Action.USER_JOINED,
        Action.DATA_DOWNLOADED,
        Action.PROFILE_CHANGED,
        Action.OWN_APP_CREATED,
        Action.SIGNING_SECRET_MADE,
        Action.ADMINISTRATION_CHANGED,
        Action.CONNECTION_USED,
        Action.CHANGE_ASKED,
        Action.REQUEST_SENT,
        Action.REQUEST_RESENT,
        Action.REQUEST_PASSED_ON,
        Action.REQUESTS_STARTED,
        Action.PARTNERSHIP_STARTED,
        Action.FUNCTION_ADDED,
        Action.GATEWAY_CREATED,
        Action.INVOICES_REOFFERED,
        Action.INVOICE_STATUS_SET,
        Action.INVOICE_MARKED_ORIGINAL,
        Action.LINES_RETIRED,
        Action.RESTORED,
        Action.SUPPORT_LOOKED,
        Action.MAIL_SENT_AGAIN,
        Action.STAFF_ADDED,
    }
)
TAIL = 256 * 1024  # bytes, in which a line of a moment ago is looked for
LATE = timedelta(minutes=1)
NEEDED = {"at", "seal", "action", "kind", "ref", "left"}

_looks = {}
_ends = {}


def remains(kind):
    """Register how to see what is left of a thing of this kind: `look(ref)` answers plain values, or None."""

    def register(look):
        _looks[kind] = look
        return look

    return register


def ends_again(kind):
    """Register how to take away what is not left: `end(ref, left, by, methods)` answers whether it had to.

    `by` is the person who did it then, or None; `methods` are the login methods that changed.
    """

    def register(end):
        _ends[kind] = end
        return end

    return register


def kinds() -> dict:
    """How each kind ends again, in the order in which they have to."""
    return _ends


def is_noted(event) -> bool:
    """Whether it may have taken something away. Support also changes what gives no power."""
    by_support = event.action == Action.SUPPORT_CHANGED
    return event.action not in HARMLESS and (not by_support or event.subject_kind in _looks)


def note(event) -> None:
    """Have `event` in the journal when its transaction is committed, before anybody is answered.

    What cannot be written then is logged, and written by the worker.
    """
    if not is_noted(event):
        return
    if event.subject_kind not in _looks:
        raise LookupError(f"Nobody says what is left of a {event.subject_kind}: see {__name__}.")
    transaction.on_commit(partial(_write_now, event))


def _write_now(event):
    try:
        write([event])
    except (OSError, DatabaseError):
        log.exception("The journal does not take row %s; the worker writes it again.", event.pk)


def folder() -> Path:
    return Path(settings.PORTAL_JOURNAL)


def path() -> Path:
    """The journal of this machine."""
    return folder() / f"{socket.gethostname()}.jsonl"


def begin() -> None:
    """Make the journal of this machine, so that one which is not there was lost."""
    _append(b"")


def write(events) -> None:
    """Write what is left now of the subjects of `events`, and return when it is on disk. Raises OSError."""
    # Each line begins anew, so that one which a full disk cut short spoils no other.
    lines = (f"\n{json.dumps(_line(event), separators=(',', ':'))}\n" for event in events)
    _append("".join(lines).encode())


def write_missing(events) -> None:
    """Write those of `events` that are not in the journal of this machine yet. Raises OSError."""
    noted = [event for event in events if is_noted(event) and event.subject_kind in _looks]
    if noted:
        tail = _tail()
        write([event for event in noted if event.seal.encode() not in tail])


def behind(late=LATE) -> int:
    """How many lines wait for longer than `late`, because the worker stands still or the disk is full."""
    late = Event.objects.waiting().filter(at__lt=timezone.now() - late)
    return late.exclude(action__in=HARMLESS).count()


def read(files, since="") -> tuple[list[dict], int]:
    """The lines of these journals after the moment `since`, the oldest first, each once; and how many cannot
    be read.
    """
    lines, torn = {}, 0
    for file in files:
        with Path(file).open(encoding="utf-8", errors="replace") as texts:
            for text in filter(str.strip, texts):
                line = _read(text)
                torn += line is None
                if line and line["at"] > since:
                    lines[text] = line
    return sorted(lines.values(), key=lambda line: (line["at"], line.get("event", 0))), torn


def _read(text):
    try:
        line = json.loads(text)
    except ValueError:
        return None
    whole = isinstance(line, dict) and line.keys() >= NEEDED and line["kind"] in _ends
    return line if whole else None


def _line(event):
    line = {
        "at": event.at.isoformat(),
        "seal": event.seal,
        "event": event.pk,
        "action": event.action,
        "environment": event.environment_id,
        "actor": event.actor_id,
        "kind": event.subject_kind,
        "ref": event.subject_ref,
        "left": _looks[event.subject_kind](event.subject_ref),
    }
    if event.action == Action.LOGIN_CHANGED:
        line["method"] = event.details.get("method", "")
    return line


def _append(content):
    is_new = not path().exists()
    if is_new:
        path().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(path(), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        if os.write(file, content) < len(content):  # at once, so that processes never mix
            raise OSError(f"{path()} took only a part of a line: the disk is full.")
        os.fsync(file)
    finally:
        os.close(file)
    if is_new:
        sync(path().parent)


def _tail():
    if not path().exists():
        return b""
    with path().open("rb") as file:
        file.seek(max(0, path().stat().st_size - TAIL))
        return file.read()
