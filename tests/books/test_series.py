"""Number series of two sides do not meet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.books.series import (
    DEFAULT_CUSTOMER,
    DEFAULT_INVOICE,
    SHOP_INVOICE,
    YEARS,
    Series,
    proposal,
)

few = st.builds(Series, st.integers(1, 400), st.integers(1, 30))
many = st.builds(Series, st.integers(1, 999_999_999), st.integers(1, 1_000_000))
defaults = st.sampled_from([DEFAULT_CUSTOMER, DEFAULT_INVOICE])


def numbers(series):
    return set(range(series.first, series.first + series.a_year * YEARS))


@given(few, few)
def test_series_collide_when_a_number_would_be_used_twice(one, other):
    assert one.collides_with(other) == bool(numbers(one) & numbers(other))


@given(many, defaults)
def test_what_is_proposed_never_collides(shop, default):
    assert not Series(proposal(shop, default), shop.a_year).collides_with(shop)


@given(many, defaults)
def test_a_proposal_is_the_default_or_round_and_above_the_shop(shop, default):
    proposed = proposal(shop, default)

    assert proposed == default or (
        proposed >= shop.end and set(str(proposed)[1:]) <= {"0"} and proposed < 10 * shop.end
    )


@pytest.mark.parametrize(
    ("shop", "proposed"),
    [
        (Series(SHOP_INVOICE, 1_000), 50_000),
        (Series(SHOP_INVOICE, 10_000), 200_000),
        (Series(49_999, 1), 60_000),
        (Series(60_001, 1_000), 50_000),
    ],
)
def test_proposals_that_people_see(shop, proposed):
    assert proposal(shop, DEFAULT_INVOICE) == proposed
