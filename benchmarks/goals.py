"""What the portal is to reach, and whether a run did."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """A figure of the run, by its name, and on which side of a limit it is to be."""

    words: str
    figure: str
    limit: float
    at_most: bool = False
    unit: str = "×"

    @property
    def text(self):
        return f"{'≤' if self.at_most else '≥'} {self.limit:g} {self.unit}"

    def verdict(self, figures) -> tuple[str, str]:
        """The figure as text, and "holds", "falls short" or "not measured"."""
        found = figures.get(self.figure)
        if found is None:
            return "–", "not measured"
        value = found["median"] if isinstance(found, dict) else found
        text = f"{value:.3g} {self.unit}"
        if isinstance(found, dict):
            text += f" [{found['low']:.3g}–{found['high']:.3g}]"
        holds = value <= self.limit if self.at_most else value >= self.limit
        return text, "holds" if holds else "falls short"


def _on_both(words, figure, sqlite, postgresql, **values):
    return [
        Goal(f"{words}, SQLite", f"sqlite: {figure}", sqlite, **values),
        Goal(f"{words}, PostgreSQL", f"postgresql: {figure}", postgresql, **values),
    ]


LISTS = {
    "connections": "Overview of connections, 50 rows",
    "invoices": "Invoices received, 50 rows",
    "clients": "Clients, 50 × 3 packages",
}
GOALS = [
    *_on_both("me beside a plain view", "me / plain", 1.2, 0.9),
    *_on_both("me beside the fastest peer", "me / fastest peer", 2.5, 2.5),
    *_on_both("me beside the same handler without keys", "me / same handler", 0.75, 0.6),
    Goal("Instructions of me beside that", "instructions", 1.5, at_most=True),
    *_on_both("verify beside a plain view", "verify / plain", 3, 1.5),
    *_on_both("Sending an invoice beside a plain view", "send / plain", 0.25, 0.25),
    *_on_both("Cost of a call at 10⁶ keys beside 10³", "growth", 1.3, 1.3, at_most=True),
    *(
        goal
        for name, words in LISTS.items()
        for goal in (
            *_on_both(f"{words}: CPU", f"{name} CPU", 15, 15, at_most=True, unit="ms"),
            *_on_both(
                f"{words}: beside a page of healthchecks",
                f"{name} / healthchecks",
                0.2,
                0.2,
                at_most=True,
            ),
            *_on_both(f"{words}: 10⁵ rows beside 10²", f"{name} growth", 1.2, 1.2, at_most=True),
        )
    ),
    Goal("Weight of the first visit", "first visit", 100, at_most=True, unit="KB"),
    Goal("Weight of the heaviest later page", "later page", 15, at_most=True, unit="KB"),
    Goal("Memory of a web process after 10,000 requests", "memory", 90, at_most=True, unit="MB"),
    Goal("Memory after 100,000 beside that", "memory growth", 1.05, at_most=True),
    Goal("Start of `make run`, once installed", "start", 5, at_most=True, unit="s"),
    *_on_both("p99 of a good client in a flood of wrong keys", "flood", 2, 2, at_most=True),
    Goal("Log written in that flood", "flood log", 1, at_most=True, unit="MB/min"),
    Goal("Queries of a key with a wrong checksum", "junk queries", 0, at_most=True, unit="queries"),
]


def verdicts(figures):
    """Every goal with its figure and verdict, in order."""
    return [(goal.words, goal.text, *goal.verdict(figures)) for goal in GOALS]
