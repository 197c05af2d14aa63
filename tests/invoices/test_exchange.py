"""Invoices through the API: sent once, fetched byte for byte, retrieved when confirmed (R48 to R50)."""

import pytest

from accounts.models import Organisation
from connections import services
from connections.api import admitted
from connections.callers import by_app_key
from connections.errors import ApiError
from connections.invoices import services as invoices
from connections.invoices.models import Document, Invoice
from connections.models import Access, Connection, KeySet
from tests.factories import connect, organisation_at
from tests.invoices.documents import invoice
from tests.software import Software

pytestmark = pytest.mark.django_db
SUPPLIER, CUSTOMER = "0088:7300010000001", "0192:987654325"


@pytest.fixture
def seller():
    connection, pair = connect(
        organisation=organisation_at(SUPPLIER, registration_number="71234561")
    )
    return Software(pair, connection.organisation)


@pytest.fixture
def buying():
    return connect(organisation=organisation_at(CUSTOMER))


@pytest.fixture
def buyer(buying):
    connection, pair = buying
    return Software(pair, connection.organisation)


def ready(software):
    return [item["number"] for item in software.get("/inbox", delivery="ready").json()["items"]]


def code(response):
    return response.status_code, response.json()["code"]


def test_an_invoice_arrives_byte_for_byte(seller, buyer):
    xml = invoice()

    sent = seller.send(xml)

    assert (sent.status_code, sent.json()["status"]) == (201, "delivered")
    fetched = buyer.get(f"/inbox/{sent.json()['id']}")
    assert (fetched.content, fetched.headers["Content-Type"]) == (xml, "application/xml")


def test_neither_listing_nor_reading_counts_as_retrieval(seller, buyer):
    id = seller.send(invoice(number="A")).json()["id"]

    buyer.get(f"/inbox/{id}")

    assert ready(buyer) == ["A"]
    assert ready(buyer) == ["A"]


def test_what_is_confirmed_is_retrieved(seller, buyer):
    id = seller.send(invoice()).json()["id"]

    first, second = buyer.confirm(id).json(), buyer.confirm(id).json()

    assert first == second
    assert ready(buyer) == []
    assert buyer.get("/inbox").json()["items"][0]["delivery"] == "retrieved"


def test_two_packages_do_not_take_invoices_from_each_other(seller, buyer, buying):
    connection, pair = connect(buying[0].owner, name="Second package")
    second = Software(pair, connection.organisation)
    id = seller.send(invoice(number="A")).json()["id"]

    buyer.confirm(id)

    assert (ready(buyer), ready(second)) == ([], ["A"])


def test_new_keys_find_what_was_ready_for_the_old_ones(seller, buyer, buying):
    seller.send(invoice(number="A"))
    connection = buying[0]

    pair = services.create_new_keys(connection=connection, by=connection.owner, op_id="1" * 32)

    assert ready(Software(pair, connection.organisation)) == ["A"]


def test_revoking_leaves_what_was_ready_unoffered_to_the_next_connection(seller, buyer, buying):
    old = buying[0]
    seller.send(invoice(number="A"))
    services.revoke(connection=old, by=old.owner)
    connection, pair = connect(old.owner, app=old.app)
    again = Software(pair, connection.organisation)

    seller.send(invoice(number="B"))

    assert ready(again) == ["B"]
    assert [(i["number"], i["delivery"]) for i in again.get("/inbox").json()["items"]] == [
        ("A", "not offered"),
        ("B", "ready"),
    ]


def test_a_connection_that_may_not_fetch_is_offered_nothing(seller, buying):
    connection, pair = connect(
        buying[0].owner, access=Access.CHOSEN, functions=["GetInboxDocuments"]
    )

    seller.send(invoice())

    assert ready(Software(pair, connection.organisation)) == []


def test_the_same_idempotency_key_is_the_same_invoice(seller, buyer):
    headers = {"Idempotency-Key": "order-1"}

    first, second = (seller.send(invoice(), **headers) for _ in range(2))

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert Invoice.objects.count() == Document.objects.count() == 1


def test_a_repetition_is_answered_like_the_first_time_whatever_became_of_it(seller, buying):
    headers = {"Idempotency-Key": "order-1"}
    first = seller.send(invoice(), **headers)
    invoices.set_status(invoice=Invoice.objects.get(), status="paid", through=buying[0])

    assert seller.send(invoice(), **headers).json() == first.json()
    assert seller.get("/outbox").json()["items"][0]["status"] == "paid"


def test_an_idempotency_key_for_another_document_is_refused(seller):
    headers = {"Idempotency-Key": "order-1"}
    seller.send(invoice(number="A"), **headers)

    assert code(seller.send(invoice(number="B"), **headers)) == (422, "ERRSND2000001")
    assert Invoice.objects.count() == 1


@pytest.mark.parametrize("key", ["x" * 256, "with space", "é"])
def test_an_idempotency_key_of_another_form_is_refused(seller, key):
    assert code(seller.send(invoice(), **{"Idempotency-Key": key})) == (422, "ERRAPI4000422")


def test_an_unknown_receiver_is_an_error_and_the_outbox_says_so(seller):
    headers = {"Idempotency-Key": "order-1"}

    answers = [code(seller.send(invoice(customer="0192:111111111"), **headers)) for _ in range(2)]

    assert answers == [(422, "ERRSND4000001")] * 2
    assert [i["status"] for i in seller.get("/outbox").json()["items"]] == ["delivery failed"]


def test_a_receiver_who_switched_receiving_off_is_not_reached(seller, buying):
    organisation = buying[0].organisation
    organisation.receiving = False
    organisation.save()

    assert code(seller.send(invoice())) == (422, "ERRSND4000001")


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        (invoice(supplier="0088:1"), (422, "ERRSND4000002")),
        (invoice(supplier=CUSTOMER, customer=SUPPLIER), (422, "ERRSND4000002")),
        (invoice(supplier=CUSTOMER), (422, "ERRSND4000002")),
        (b"<a", (422, "ERRXSL4000001")),
        (b"<!DOCTYPE a><a/>", (422, "ERRXSL4000002")),
        (b"<a/>", (422, "ERRXSL4000003")),
        (invoice(number=""), (422, "ERRXSL4000004")),
        (b"<a>" * 200_000, (422, "ERRXSL4000001")),
        (b"x" * (11 * 1024 * 1024), (413, "ERRAPI4000413")),
    ],
    ids=[
        "unknown sender",
        "swapped",
        "mixed",
        "broken",
        "doctype",
        "no ubl",
        "no number",
        "deep",
        "11 MB",
    ],
)
def test_a_wrong_document_is_refused_and_nothing_is_stored(seller, buying, xml, expected):
    assert code(seller.send(xml)) == expected
    assert not Invoice.objects.exists()


def test_an_organisation_that_may_not_send_is_told(seller):
    Organisation.objects.update(sending=False)

    assert code(seller.send(invoice())) == (403, "ERRSND3000001")


@pytest.mark.parametrize("id", ["0", "a" * 300, "7d9f7a52-5f3b-4f0e-9c58-0a9a12e6a8a1"])
def test_an_unknown_invoice_is_404(buyer, id):
    assert code(buyer.get(f"/inbox/{id}")) == (404, "ERRDMN4000404")
    assert code(buyer.confirm(id)) == (404, "ERRDMN4000404")


def test_an_invoice_of_somebody_else_is_404(seller, buyer):
    id = seller.send(invoice()).json()["id"]

    assert code(seller.get(f"/inbox/{id}")) == (404, "ERRDMN4000404")


def test_lists_page_by_cursor_with_the_newest_last(seller, buyer):
    for number in "ABCDE":
        seller.send(invoice(number=number))

    first = buyer.get("/inbox", limit=2).json()
    second = buyer.get("/inbox", limit=2, next=first["next"]).json()
    third = buyer.get("/inbox", limit=2, next=second["next"]).json()

    pages = [[item["number"] for item in page["items"]] for page in (first, second, third)]
    assert pages == [["A", "B"], ["C", "D"], ["E"]]
    assert third["next"] is None


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 101},
        {"limit": "x"},
        {"next": "junk"},
        {"next": "W10"},
        {"delivery": "no"},
        {"created_from": "yesterday"},
        {"next": "x" * 301},
    ],
)
def test_a_wrong_filter_is_named(buyer, query):
    refused = buyer.get("/inbox", **query)

    assert code(refused) == (422, "ERRAPI4000422")
    assert refused.json()["details"][0]["field"]


@pytest.mark.parametrize("rows", [1, 3])
def test_lists_cost_the_same_with_one_and_with_three_rows(
    seller, buyer, rows, django_assert_num_queries
):
    for number in range(rows):
        seller.send(invoice(number=str(number)))
    buyer.get("/inbox"), seller.get("/outbox")
    counting = (
        5  # savepoint, counter, two for last use, savepoint: written with the call in tests only
    )

    with django_assert_num_queries(3 + counting):
        buyer.get("/inbox", delivery="ready")
    with django_assert_num_queries(2 + counting):
        seller.get("/outbox")


def test_a_key_revoked_while_the_upload_came_in_stores_nothing(seller, buying):
    connection = Connection.objects.for_list().get(organisation__registration_number="71234561")
    app_key = KeySet.objects.get(connection=connection).app_key
    call = admitted(by_app_key(app_key), None)
    services.revoke(connection=connection, by=connection.owner)

    with pytest.raises(ApiError):
        invoices.send(xml=invoice(), through=connection, check=call.still_open)

    assert not Invoice.objects.exists()
