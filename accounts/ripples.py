"""What a change of people's rights stops: shown before it happens (R7).

The change is made, what it takes away is looked at, and it is taken back unless the person has seen just
that. So the question is exact by construction: there is no second copy of the rules that could say
otherwise. What hangs on people and environments is known to an app above; it registers with `watch`.
"""

import hashlib
from dataclasses import dataclass

from django.db import models, transaction
from django.shortcuts import render

from accounts.mail.services import tell
from accounts.models import User


@dataclass(frozen=True)
class Loss:
    """Something that works now and would lose these API functions; `stops` when nothing is left of it."""

    of: models.Model
    functions: frozenset[str]
    stops: bool


def _nothing(about):
    return {}


def _nobody(losses):
    return {}


_watcher = {"look": _nothing, "whom": _nobody}


def watch(*, look, whom) -> None:
    """Have changes watched.

    `look(about)` answers what works now as `{thing: API functions}`; `whom(losses)` whom they concern, as
    `{user: those of the losses}`.
    """
    _watcher.update(look=look, whom=whom)


def make(change, *, about, by, seen="") -> list[Loss]:
    """Call `change` and keep what it did, unless it takes away what the person has not seen.

    `about` is the user, the environment or the mandate that changes; `seen` is the `fingerprint` of the
    losses that were shown. Answers the losses when nothing was changed, or nothing when the change was made.
    What `change` raises ends it.
    """
    with transaction.atomic():
        losses = _losses_of(change, about)
        if losses and fingerprint(losses) != seen:
            transaction.set_rollback(True)
            return losses
        _tell(losses, by)
    return []


def rehearse(change, *, about) -> list[Loss]:
    """What `change` would take away; it is always taken back. What it raises ends it."""
    with transaction.atomic():
        losses = _losses_of(change, about)
        transaction.set_rollback(True)
    return losses


def concerned(losses) -> dict[User, list[Loss]]:
    """The people who are told of these losses, each with those that are about them."""
    return _watcher["whom"](losses)


def fingerprint(losses) -> str:
    """Name these losses: the same ones have the same name, whoever looks."""
    lines = sorted(
        f"{loss.of._meta.label}:{loss.of.pk}:{','.join(sorted(loss.functions))}" for loss in losses
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def ask_first(request, change, *, about, title, button, back):
    """Make `change` and answer None, or answer the page that shows what it would stop.

    `title` is the question, `button` says what is done then, `back` is the address of those who rather leave
    it. The page posts again what was posted.
    """
    losses = make(change, about=about, by=request.user, seen=request.POST.get("shown", ""))
    if not losses:
        return None
    posted = [
        (name, value)
        for name, values in request.POST.lists()
        if name not in ("csrfmiddlewaretoken", "shown")
        for value in values
    ]
    context = {
        "posted": posted,
        "title": title,
        "button": button,
        "back": back,
        "hand_over": isinstance(about, User),
    }
    return render(request, "accounts/ask_first.html", context | shown(losses))


def shown(losses) -> dict:
    """What the list of losses on a page needs; `shown`, posted back, says that the person has seen it."""
    return {"losses": losses, "shown": fingerprint(losses)}


def _tell(losses, by):
    for user, theirs in concerned(losses).items():
        tell("accesses_lost", [user], losses=theirs, by=by)


def _losses_of(change, about):
    before = _watcher["look"](about)
    change()
    after = _watcher["look"](about)
    return [
        Loss(thing, had - after.get(thing, frozenset()), stops=not after.get(thing))
        for thing, had in before.items()
        if had - after.get(thing, frozenset())
    ]
