"""Finding the first line of a log that is not as this portal wrote it."""

from dataclasses import dataclass
from functools import partial

from accounts.events import anchors, chain
from accounts.events.models import Checkpoint, Event
from accounts.events.services import start_of


@dataclass
class Verdict:
    """How a log stands: the last line up to which it holds, and the first fault as a sentence, or ""."""

    environment: str
    number: int
    link: str
    waiting: int = 0
    fault: str = ""


def verdicts(noted=None):
    """Judge the log of every environment that has one, or had one by the anchors (R53).

    `noted` are those anchors; of a copy, those that there were before it was made.
    """
    noted = anchors.noted() if noted is None else noted
    logs = Event.objects.order_by("environment").values_list("environment", "environment__name")
    names = dict(logs.distinct())
    for environment_id in sorted(names.keys() | noted.keys(), key=lambda pk: pk or 0):
        name = names.get(environment_id, f"Environment {environment_id}")
        verdict = Verdict(name, *start_of(environment_id))
        faults = _faults(environment_id, verdict, noted.get(environment_id, {}))
        verdict.fault = next(faults, "")
        yield verdict


def _faults(environment_id, verdict, noted):
    """The faults of a log in the order of its lines; `verdict` follows."""
    for point in Checkpoint.objects.filter(environment=environment_id):
        if point.seal != point.sealed():
            yield f"The checkpoint after line {point.number} was not written by this portal."
    try:
        yield from _faults_of_lines(Event.objects.of(environment_id).chained(), verdict, noted)
        if max(noted, default=0) > verdict.number:
            yield (
                f"The end is cut off after line {verdict.number}:"
                f" line {max(noted)} was noted outside of the database."
            )
        for event in Event.objects.of(environment_id).waiting().iterator():
            verdict.waiting += 1
            if not chain.own_digest(event):
                yield f"Row {event.pk}, not yet chained, was changed or not written by this portal."
    except (AttributeError, TypeError, ValueError, OverflowError):  # a moment that is none
        yield f"What stands after line {verdict.number} cannot be read."


def _faults_of_lines(events, verdict, noted):
    digests = set()
    for event in events.iterator():
        digest = chain.own_digest(event)
        yield from _faults_of(event, digest, verdict)
        if digest in digests:
            yield f"Line {event.number} repeats an earlier line."
        if noted.get(event.number, event.link) != event.link:
            yield f"Line {event.number} is not the one that was noted outside of the database."
        digests.add(digest)
        verdict.number, verdict.link = event.number, event.link


def _faults_of(event, digest, before):
    """The faults of one line, which follows the one that `before` has come to."""
    place = before.number + 1
    if event.number > place:
        yield f"Missing: line {place} up to line {event.number - 1}."
    if event.number < place:
        yield f"Line {event.number} stands there twice."
    if not digest:
        yield f"Line {event.number} was changed, or not written by this portal."
    if event.link != chain.link(before.link, event.number, digest):
        yield f"Line {event.number} stands where another line was written."
    if event.link_seal != chain.link_seal(event):
        yield f"The place of line {event.number} was not given by this portal."
    for field in filter(partial(chain.is_erased, event), chain.PERSONAL):
        if not chain.was_erased_by_us(event, field):
            yield f"The {field} of line {event.number} was not erased by this portal."
