"""What a call may do: app ∩ key ∩ owner ∩ partnership, computed at every call, stored nowhere (R5). Pure."""

from collections.abc import Collection
from dataclasses import dataclass

from connections.functions import FUNCTIONS, ApiFunction


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
        return self.app and self.key and self.owner and self.partnership

    @property
    def missing(self) -> str:
        """Where it is missing first: "app", "key", "owner", "partnership", or "" when it is allowed."""
        for name in ("app", "key", "owner", "partnership"):
            if not getattr(self, name):
                return name
        return ""


@dataclass(frozen=True)
class Rights:
    """The four parts of R5, each names of API functions; None as `key` or `partnership` limits nothing."""

    app: frozenset[str]
    key: frozenset[str] | None
    owner: frozenset[str]
    partnership: frozenset[str] | None = None

    def mark(self, name: str) -> Mark:
        """The marks of one function."""
        return Mark(
            FUNCTIONS[name],
            app=name in self.app,
            key=self.key is None or name in self.key,
            owner=name in self.owner,
            partnership=self.partnership is None or name in self.partnership,
        )

    def marks(self) -> list[Mark]:
        """The marks of every function of the catalogue, in its order."""
        return [self.mark(name) for name in FUNCTIONS]

    def effective(self) -> frozenset[str]:
        """The names of the functions that a call may use: never more than any of the four parts (R5)."""
        return frozenset(mark.function.name for mark in self.marks() if mark.allowed)


def accesses_of_owner(*, stands: bool, accesses: Collection[str] | None) -> frozenset[str]:
    """The functions that an owner has now.

    `stands` says whether the person is active, has the role and is a member; if not, there are none (R7).
    `accesses` are those of the membership; None means all that the role brings, which is all of them.
    """
    if not stands:
        return frozenset()
    return frozenset(FUNCTIONS) if accesses is None else frozenset(accesses) & FUNCTIONS.keys()


def grantable(asked: Collection[str], *, app: Collection[str], owner: Collection[str]) -> list[str]:
    """What of `asked` a key may be given: nothing that the app does not ask or its owner lacks (R6)."""
    return [name for name in FUNCTIONS if name in asked and name in app and name in owner]
