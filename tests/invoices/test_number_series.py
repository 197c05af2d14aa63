"""Number series that meet (R41): a number is used for one invoice, and the software hears it at once."""

import threading
from datetime import date

import pytest
from django.db import connection as db

from connections.errors import ERRORS
from connections.functions import FUNCTIONS
from connections.invoices.models import Invoice
from tests.factories import AppFactory, connect, organisation_at
from tests.invoices.documents import invoice
from tests.software import Software

pytestmark = pytest.mark.django_db
BAKERY, MILL = "0088:7300010000001", "0192:987654325"
USED = (409, "ERRSND4000003")


@pytest.fixture
def bakery():
    return organisation_at(BAKERY, registration_number="71234561")


@pytest.fixture
def bookkeeping(bakery):
    connection, pair = connect(organisation=bakery)
    return Software(pair, connection.organisation)


@pytest.fixture
def shop(bakery, bookkeeping):
    """Another program of the same organisation."""
    connection, pair = connect(organisation=bakery, app=AppFactory(name="Webshop"))
    return Software(pair, connection.organisation)


@pytest.fixture(autouse=True)
def mill():
    connection, pair = connect(organisation=organisation_at(MILL))
    return Software(pair, connection.organisation)


def code(answer):
    return answer.status_code, answer.json().get("code")


def test_a_number_of_another_date_is_refused_with_that_date(bookkeeping, shop):
    assert bookkeeping.send(invoice(number="6000", issued="2026-11-20")).status_code == 201

    refused = shop.send(invoice(number="6000", issued="2026-11-21"))

    assert code(refused) == USED
    assert refused.json()["used_on"] == "2026-11-20"
    assert "help" in refused.json()
    assert Invoice.objects.get().issue_date == date(2026, 11, 20)


def test_one_program_alone_hears_it_too(bookkeeping):
    bookkeeping.send(invoice(number="A", issued="2026-11-20"))

    assert code(bookkeeping.send(invoice(number="A", issued="2025-11-20"))) == USED


def test_the_same_number_and_date_is_the_same_invoice_again(bookkeeping, shop):
    first, second = (software.send(invoice(number="A")) for software in (bookkeeping, shop))

    assert (first.status_code, second.status_code) == (201, 201)


def test_the_next_number_is_free(bookkeeping, shop):
    bookkeeping.send(invoice(number="6000", issued="2026-11-20"))

    for number in ("6001", "06000", "6000-1", "60000"):
        assert shop.send(invoice(number=number, issued="2026-11-21")).status_code == 201


def test_invoices_and_credit_notes_count_for_themselves(bookkeeping):
    bookkeeping.send(invoice(number="A", issued="2026-11-20"))

    credit = invoice(kind="CreditNote", number="A", issued="2026-11-21")
    assert bookkeeping.send(credit).status_code == 201
    again = invoice(kind="CreditNote", number="A", issued="2026-11-22")
    assert code(bookkeeping.send(again)) == USED


def test_what_was_not_delivered_has_used_no_number(bookkeeping):
    lost = invoice(number="A", issued="2026-11-20", customer="0192:111111111")
    assert code(bookkeeping.send(lost)) == (422, "ERRSND4000001")

    assert bookkeeping.send(invoice(number="A", issued="2026-11-21")).status_code == 201


def test_the_number_of_another_organisation_is_no_hindrance(bookkeeping, mill):
    bookkeeping.send(invoice(number="A", issued="2026-11-20"))

    theirs = invoice(number="A", issued="2026-11-21", supplier=MILL, customer=BAKERY, company="")
    assert mill.send(theirs).status_code == 201


def test_a_refused_number_can_be_sent_right_under_the_same_idempotency_key(bookkeeping):
    bookkeeping.send(invoice(number="A", issued="2026-11-20"))
    key = {"Idempotency-Key": "order-2"}
    assert code(bookkeeping.send(invoice(number="A", issued="2026-11-21"), **key)) == USED

    assert bookkeeping.send(invoice(number="B", issued="2026-11-21"), **key).status_code == 201


def test_repeating_under_an_idempotency_key_is_never_a_used_number(bookkeeping):
    key = {"Idempotency-Key": "order-1"}

    answers = [bookkeeping.send(invoice(number="A"), **key).status_code for _ in range(3)]

    assert answers == [201, 200, 200]


def test_the_description_of_the_api_and_its_reference_tell_it(client):
    described = client.get("/api/v1/openapi.json").json()["paths"]
    sending = described["/api/v1" + FUNCTIONS["SendDocument"].path]["post"]
    reference = client.get("/api/docs/").text

    assert "409" in sending["responses"]
    assert ERRORS["ERRSND4000003"].message in reference
    assert "used_on" in reference


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_two_at_the_same_time_one_is_refused(bookkeeping, shop):
    start, answers = threading.Barrier(2), []

    def send(software, issued):
        start.wait(20)
        answers.append(code(software.send(invoice(number="A", issued=issued))))
        db.close()

    threads = [
        threading.Thread(target=send, args=pair, daemon=True)
        for pair in ((bookkeeping, "2026-11-20"), (shop, "2026-11-21"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert sorted(answers, key=str) == [(201, None), USED]
    assert Invoice.objects.filter(number="A").count() == 1
