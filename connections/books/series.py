"""Number series that do not collide: of customers and invoices, in the bookkeeping and in a shop. Pure.

Both sides count upwards from their own first number. Nothing ends that, so what counts is whether one side
reaches the numbers of the other within YEARS, at the number a year that the person expects.
"""

from dataclasses import dataclass

YEARS = 10
DEFAULT_CUSTOMER, DEFAULT_INVOICE = 100_000, 50_000  # in the bookkeeping
SHOP_CUSTOMER, SHOP_INVOICE = 1, 6_000


@dataclass(frozen=True)
class Series:
    """The numbers that one side uses within YEARS: from `first`, `a_year` of them."""

    first: int
    a_year: int

    @property
    def end(self) -> int:
        """The first number that is not used within YEARS."""
        return self.first + self.a_year * YEARS

    def collides_with(self, other: "Series") -> bool:
        """Whether a number of one is a number of the other, too."""
        return self.first < other.end and other.first < self.end


def proposal(shop: Series, default: int) -> int:
    """Where ours can begin, at as many numbers a year: at `default`, or round and above the shop's."""
    free = not Series(default, shop.a_year).collides_with(shop)
    return default if free else _rounded_up(shop.end)


def _rounded_up(number):
    unit = 10 ** (len(str(number)) - 1)
    return -(-number // unit) * unit
