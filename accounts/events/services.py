"""Writing the activity log, and what may happen to it later."""

import json
from itertools import islice

from django.db import models, transaction
from django.db.models.functions import Cast

from accounts.events import anchors, chain, journal
from accounts.events.models import Action, Checkpoint, Event
from portal.logs import current_request_id

AT_ONCE = 100  # a transaction that holds up nobody, on SQLite either


def record_for(sides, action, *, subject=None, **event):
    """Write the same event into the log of each of these environments, once (R36); see `record`.

    Without a `subject` it is about each environment itself. One query, however many they are.
    """
    Event.objects.bulk_create(
        _event(action, environment=side, subject=subject or side, **event)
        for side in dict.fromkeys(sides)
    )


def record(action, *, by, subject, environment, organisation=None, **details):
    """Write one event into the transaction of the change it reports; outside of one it refuses (R53).

    `by` is the acting user, or None for the system. `subject` is the thing that changed: it says itself,
    by `event_subject`, its kind, its reference and its name. `details` are plain values, never a Secret.
    """
    event = _event(
        action,
        by=by,
        subject=subject,
        environment=environment,
        organisation=organisation,
        **details,
    )
    event.save()
    return event


def _event(action, *, by, subject, environment, organisation=None, **details):
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("An event belongs into the transaction of its change.")
    kind, ref, name = subject.event_subject
    event = Event(
        environment=environment,
        organisation=organisation,
        actor=by,
        actor_name=by.get_full_name() if by else "",
        action=action,
        subject_kind=kind,
        subject_ref=str(ref),
        subject_name=str(name)[:300],
        details=details,
        request_id=current_request_id.get().lstrip("-"),
    )
    journal.note(event)
    return event


def chain_waiting() -> int:
    """Give the lines that wait their place in the chain of their environment; answer how many (R53).

    Takes at most 100 lines of an environment at a time. It may be ended anywhere, and run by several workers.
    """
    waiting = Event.objects.waiting().order_by("environment").values_list("environment", flat=True)
    return sum(_chain(environment_id) for environment_id in list(waiting.distinct()))


def _chain(environment_id):
    with transaction.atomic():
        waiting = Event.objects.waiting().filter(environment=environment_id)
        # Every worker takes the oldest line first, so the second waits there, and then sees a longer chain.
        lines = waiting.select_for_update(no_key=True, of=["self"]).iterator(chunk_size=AT_ONCE)
        # A line that this portal did not write gets no place: verify_events tells of it.
        ours = list(islice(filter(chain.own_digest, lines), AT_ONCE))
        journal.write_missing(ours)  # before they count as done: then no crash leaves one out
        number, link = head_of(environment_id)
        for number, event in enumerate(ours, number + 1):  # noqa: B020 (it goes on counting)
            event.number = number
            event.link = link = chain.link(link, number, chain.digest(event))
            Event.objects.filter(pk=event.pk).put(
                number=number, link=link, link_seal=chain.link_seal(event)
            )
    if ours:
        anchors.note(environment_id, number, link)
    return len(ours)


def start_of(environment_id) -> tuple[int, str]:
    """Number and check value of the last line that has left the log; 0 and `chain.START` where none has."""
    points = Checkpoint.objects.filter(environment=environment_id).order_by("-number")
    return points.values_list("number", "link").first() or (0, chain.START)


def head_of(environment_id) -> tuple[int, str]:
    """Number and check value of the last line in the chain."""
    lines = Event.objects.of(environment_id).filter(number__isnull=False).order_by("-number")
    return lines.values_list("number", "link").first() or start_of(environment_id)


@transaction.atomic
def retire(*, environment, before) -> int:
    """Take the lines that were written before the moment `before` out of the log; answer how many (R53).

    A sealed checkpoint stays, so that the lines after them still verify, and a line that says so. Lines leave
    from the start of the chain only: a younger line, or one that still waits, keeps all after it.
    """
    chained = Event.objects.of(environment).filter(number__isnull=False)
    kept = chained.filter(at__gte=before).aggregate(first=models.Min("number"))["first"]
    old = chained.filter(number__lt=kept) if kept else chained
    last = old.order_by("-number").first()
    if last is None:
        return 0
    point = Checkpoint(environment=environment, number=last.number, link=last.link)
    point.seal = point.sealed()
    point.save()
    gone = old.filter(number__lte=last.number).let_go()
    record(
        Action.LINES_RETIRED,
        by=None,
        subject=environment,
        environment=environment,
        lines=gone,
        until=last.number,
    )
    return gone


@transaction.atomic
def erase_name(*, user, by=None, addresses=()) -> int:
    """Take the name of `user` out of the logs; answer out of how many lines (R53).

    What happened stays, as done by or to a former user, and the chains still verify. Each log gets a line
    that says so. The details of other lines go where they name the person: by one of `addresses`, which must
    be proved to be the person's, in every log; by a name only in logs of the own environments and their
    partners, since the person bore it. Or whoever takes a name could empty the lines about its owner.
    """
    about = models.Q(subject_kind="user", subject_ref=str(user.pk))
    own = about | models.Q(actor=user)
    names, logs = _names(user, about), _logs_near(own)
    erased = []
    for event in _saying({*names, *addresses}, own):
        fields = [field for field, says in _personal(event, user) if says]
        if _names_person(event, names if event.environment_id in logs else {}, addresses):
            fields.append("details")
        for field in fields:
            chain.erase(event, field)
        if fields:
            values = {field: getattr(event, field) for field in fields}
            Event.objects.filter(pk=event.pk).put(proofs=event.proofs, **values)
            erased.append(event)
    for environment_id in sorted({event.environment_id for event in erased}):
        event = Event.objects.create(
            environment_id=environment_id,
            actor=by,
            actor_name=by.get_full_name() if by else "",
            action=Action.NAME_ERASED,
            subject_kind="user",
            subject_ref=str(user.pk),
            details={"lines": sum(event.environment_id == environment_id for event in erased)},
        )
        journal.note(event)
    return len(erased)


def _names(user, about):
    """What the person was called, each with the time since when the log says so."""
    since = models.Min("at")
    names = dict(Event.objects.filter(about).values_list("subject_name").annotate(since))
    for name, at in Event.objects.filter(actor=user).values_list("actor_name").annotate(since):
        names[name] = min(at, names.get(name, at))
    if user.first_name:  # or it is no name
        names.setdefault(user.get_full_name(), user.date_joined)
    names.pop("", None)
    return names


def _logs_near(own):
    """The environments with lines under the condition `own`, and their partners of now and before."""
    here = set(Event.objects.filter(own).values_list("environment", flat=True))
    partners = models.Q(organisations__mandates__accountant__in=here) | models.Q(
        mandates__organisation__environment__in=here
    )
    environments = Event.environment.field.related_model.objects
    return here | set(environments.filter(partners).values_list("pk", flat=True))


def _saying(names, condition):
    """The lines under `condition`, and those whose details say one of `names`."""
    for name in names:
        for text in {name, json.dumps(name)[1:-1]}:  # SQLite keeps JSON as it was written
            condition |= models.Q(words__contains=text)
    words = Cast("details", models.TextField())
    return Event.objects.annotate(words=words).filter(condition).order_by("pk")


def _personal(event, user):
    """What of a line is the name of this person."""
    is_subject = event.subject_kind == "user" and event.subject_ref == str(user.pk)
    yield "actor_name", event.actor_id == user.pk and event.actor_name
    yield "subject_name", is_subject and event.subject_name


def _names_person(event, names, addresses):
    """Whether the details of a line name the person, by a name that was borne then or by an address."""
    texts = set(_texts(event.details))
    return not texts.isdisjoint(addresses) or any(
        names[name] <= event.at for name in texts & names.keys()
    )


def _texts(value):
    """Every text within a value of JSON."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []
