"""GetParties and GetParty: whom invoices reach here, and no more than a sender needs."""

import pytest
from django.utils import timezone

from tests.factories import OrganisationFactory, connect, organisation_at
from tests.software import Software

pytestmark = pytest.mark.django_db


@pytest.fixture
def software():
    connection, pair = connect()
    software = Software(pair, connection.organisation)
    software.root = "/api/v1/parties"
    return software


@pytest.fixture
def baker():
    return organisation_at(
        "0088:7300010000001", name="Bakkerij De Molen", registration_number="87654321"
    )


def ids(answer):
    return [party["id"] for party in answer.json()["items"]]


@pytest.mark.parametrize("q", ["de molen", "87654321", "0088:7300010000001", None])
def test_a_party_is_found_by_name_number_address_and_id(software, baker, q):
    answer = software.get("", q=q or baker.organisation_id.lower())

    assert answer.json()["items"] == [
        {
            "id": baker.organisation_id,
            "name": "Bakkerij De Molen",
            "country": "NL",
            "addresses": ["0088:7300010000001"],
        }
    ]


def test_a_party_is_looked_up_by_its_id(software, baker):
    assert software.get(f"/{baker.organisation_id}").json()["name"] == "Bakkerij De Molen"


@pytest.mark.parametrize("why", ["not receiving", "blocked", "unknown"])
def test_who_cannot_be_reached_is_not_there(software, baker, why):
    baker.receiving = why != "not receiving"
    baker.save()
    if why == "blocked":
        baker.environment.blocked_at = timezone.now()
        baker.environment.save()
    asked = "KPNL1" if why == "unknown" else baker.organisation_id

    answer = software.get(f"/{asked}")

    assert (answer.status_code, answer.json()["code"]) == (404, "ERRPAR4000404")
    assert ids(software.get("", q=asked)) == []


@pytest.mark.parametrize("q", ["", "ab", "a\0bc", "x" * 101])
def test_a_search_needs_three_letters_and_takes_no_nonsense(software, q):
    assert software.get("", q=q).status_code == 422


def test_pages_follow_each_other_under_the_same_number_of_queries(
    software, django_assert_num_queries
):
    made = [OrganisationFactory(name=f"Molen {n}").organisation_id for n in range(5)]
    software.get("", q="molen")

    with django_assert_num_queries(11):  # the gate, three look, the page, its addresses; five count
        first = software.get("", q="molen", limit=2)
    with django_assert_num_queries(11):
        second = software.get("", q="molen", limit=3, next=first.json()["next"])

    assert ids(first) + ids(second) == made
    assert second.json()["next"] is None
