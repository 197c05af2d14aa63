"""What a call may do: app ∩ key ∩ owner ∩ partnership, computed at every call, stored nowhere (R5). Pure.

A part is the names of API functions that it gives; None gives all there are, and so limits nothing.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from connections.functions import ApiFunction

Part = frozenset[str] | None

PARTS = ("app", "key", "owner", "partnership")


@dataclass(frozen=True)
class Mark:
    """One API function of one connection: who gives it, and so whether a call may use it (R28)."""

    function: ApiFunction
    app: bool
    key: bool
    owner: bool
    partnership: bool

    @property
    def allowed(self) -> bool:
        return not self.missing

    @property
    def lacking(self) -> list[str]:
        """Where it is missing, of PARTS in their order: each has to be mended."""
        return [name for name in PARTS if not getattr(self, name)]

    @property
    def missing(self) -> str:
        """Where it is missing first, or "" when it is allowed."""
        return next(iter(self.lacking), "")


@dataclass(frozen=True)
class Rights:
    """The four parts of R5."""

    app: frozenset[str]
    key: Part
    owner: Part
    partnership: Part = None

    def effective(self) -> frozenset[str]:
        """The names of the functions that a call may use: never more than any of the four parts (R5)."""
        return common(self.app, self.key, self.owner, self.partnership)

    def allows(self, name: str) -> bool:
        """Whether a call may use the function of this name."""
        return name in self.effective()

    def mark(self, function: ApiFunction) -> Mark:
        """The marks of one function."""
        return Mark(function, **{part: has(getattr(self, part), function.name) for part in PARTS})

    def marks(self, functions: Iterable[ApiFunction]) -> list[Mark]:
        """The marks of each of these functions, in their order."""
        return [self.mark(function) for function in functions]


def has(part: Part, name: str) -> bool:
    """Whether `part` gives the function of this name."""
    return part is None or name in part


def common(*parts: Part) -> Part:
    """What all of `parts` give; None when none of them limits."""
    limits = [part for part in parts if part is not None]
    return frozenset.intersection(*limits) if limits else None


def accesses_of_owner(*, stands: bool, accesses: Collection[str] | None) -> Part:
    """The functions that an owner has now.

    `stands` says whether the person is active, has the role and is a member; if not, there are none (R7).
    `accesses` are those of the membership; None means all that the role brings, which is all of them.
    """
    if not stands:
        return frozenset()
    return None if accesses is None else frozenset(accesses)


def grantable(asked: Collection[str], *, app: Collection[str], owner: Part) -> list[str]:
    """What of `asked` a key may be given: nothing that the app does not ask or its owner lacks (R6)."""
    return [name for name in app if name in asked and has(owner, name)]
