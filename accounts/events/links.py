"""The pages of what events are about: every app says which of its things a person may open."""

from collections import defaultdict

FINDERS = {}


def pages_of(kind):
    """Register a finder for subjects of this kind: from a person and references to `{reference: address}`.

    It leaves out what the person may not open, and asks the database as often for one as for many.
    """

    def register(finder):
        FINDERS[kind] = finder
        return finder

    return register


def add_pages(events, user) -> None:
    """Give each event its `page`: the address of what it is about, or None where `user` may not go there."""
    references = defaultdict(set)
    for event in events:
        references[event.subject_kind].add(event.subject_ref)
    pages = {
        kind: FINDERS[kind](user, refs) for kind, refs in references.items() if kind in FINDERS
    }
    for event in events:
        event.page = pages.get(event.subject_kind, {}).get(event.subject_ref)
