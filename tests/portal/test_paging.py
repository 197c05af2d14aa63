"""Pages by key: every row once, whatever the order, and no cursor but our own."""

import pytest
from django.core import signing
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Organisation, User
from portal.paging import BadCursor, page, page_of
from tests.factories import EnvironmentFactory, OrganisationFactory, UserFactory

pytestmark = pytest.mark.django_db


def walk(queryset, by, size):
    """All pages, as lists of rows."""
    after, pages = "", []
    while after is not None:
        found = page(queryset, by=by, after=after, size=size)
        pages.append(found.rows)
        after = found.next
    return pages


@pytest.mark.parametrize(
    "by", ["last_name", "-last_name", "date_joined", "-date_joined", "id", "-id"]
)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_every_row_comes_once_and_in_order(by, size):
    environment = EnvironmentFactory()
    for name in ("B", "A", "", "B", "Ç", "B", "a'\"\\"):
        UserFactory(last_name=name, environment=environment)
    tie = "-pk" if by.startswith("-") else "pk"

    pages = walk(User.objects.all(), by, size)

    assert [user for rows in pages for user in rows] == list(User.objects.order_by(by, tie))
    assert all(len(rows) == size for rows in pages[:-1])


def test_an_empty_list_is_one_empty_page():
    assert walk(User.objects.none(), "last_name", 10) == [[]]


def test_rows_that_come_and_go_shift_nothing():
    rows = [OrganisationFactory(name=name) for name in "ACEG"]
    first = page(Organisation.objects.all(), by="name", size=2)

    rows[0].delete()
    OrganisationFactory(name="B")
    second = page(Organisation.objects.all(), by="name", after=first.next, size=2)

    assert [row.name for row in second.rows] == ["E", "G"]


def test_a_page_is_one_query():
    OrganisationFactory.create_batch(3)
    after = page(Organisation.objects.all(), by="name", size=1).next

    with CaptureQueriesContext(connection) as captured:
        page(Organisation.objects.all(), by="name", after=after, size=1)

    assert len(captured) == 1
    assert "OFFSET" not in captured[0]["sql"]


@given(st.text(min_size=1))
def test_a_made_up_cursor_is_refused_before_it_reaches_the_database(cursor):
    with pytest.raises(BadCursor):
        page(User.objects.all(), by="last_name", after=cursor)


def test_the_cursor_of_another_list_is_refused():
    OrganisationFactory.create_batch(2)
    foreign = page(Organisation.objects.all(), by="name", size=1).next

    for cursor in (foreign, signing.dumps(["A", 1])):
        with pytest.raises(BadCursor):
            page(User.objects.all(), by="last_name", after=cursor)


def test_a_browser_with_a_broken_address_gets_the_first_page():
    OrganisationFactory.create_batch(2)
    request = RequestFactory().get("/", {"after": "x\0"})

    assert len(page_of(request, Organisation.objects.all(), by="name").rows) == 2


def test_the_next_address_keeps_the_filters():
    OrganisationFactory.create_batch(2)
    request = RequestFactory().get("/", {"q": "a b", "after": "old"})

    found = page_of(request, Organisation.objects.all(), by="name", size=1)

    assert found.query.startswith("q=a+b&after=")
    assert "old" not in found.query
