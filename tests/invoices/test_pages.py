"""The pages of invoices: found, filtered, read, downloaded, re-offered; hostile input changes nothing."""

import uuid

import pytest
from django.db import connection as db
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from connections import services as connections
from connections.invoices import reoffers, services
from connections.invoices.models import Invoice, Offer
from tests.factories import MembershipFactory, connect, organisation_at
from tests.invoices.documents import invoice

pytestmark = pytest.mark.django_db


@pytest.fixture
def visitor(buyer):
    return signed_in(buyer.owner)


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def send(seller, number="A", **values):
    return services.send(xml=invoice(number=number, **values), through=seller)[0]


def reoffer(connection):
    return reoffers.reoffer(
        invoices=Invoice.objects.all(),
        organisation=connection.organisation,
        connections=connection.organisation.connections.all(),
        by=connection.owner,
    )


def at(name, connection, **values):
    kwargs = {"organisation": connection.organisation.organisation_id, **values}
    return reverse(f"invoices:{name}", kwargs=kwargs)


def numbers(response):
    return [str(row) for row in response.context["page"].rows]


def test_both_lists_show_the_newest_first(seller, buyer, visitor):
    send(seller, "A"), send(seller, "B"), send(seller, "C", customer="0192:1")

    received = visitor.get(at("received-of", buyer))
    sent = signed_in(seller.owner).get(at("sent-of", seller))

    assert numbers(received) == ["B", "A"]
    assert numbers(sent) == ["C", "B", "A"]
    assert "Delivery failed" in sent.content.decode()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "2026-1"}, ["2026-1"]),
        ({"q": "the supplier"}, ["OLD", "2026-1"]),
        ({"q": "the customer"}, []),
        ({"since": "2026-01-01"}, ["2026-1"]),
        ({"until": "2026-01-01"}, ["OLD"]),
        ({"delivery": "ready"}, ["OLD"]),
        ({"delivery": "retrieved"}, ["2026-1"]),
        ({"delivery": "not_offered"}, []),
    ],
)
def test_filters(seller, buyer, visitor, query, found):
    services.confirm(invoice=send(seller, "2026-1"), through=buyer)
    send(seller, "OLD", issued="2025-12-31")

    assert numbers(visitor.get(at("received-of", buyer), query)) == found


@pytest.mark.parametrize("status", ["delivered", "delivery failed", "paid"])
def test_sent_invoices_are_filtered_by_what_became_of_them(seller, buyer, status):
    send(seller, "delivered"), send(seller, "delivery failed", customer="0192:1")
    services.set_status(invoice=send(seller, "paid"), status="paid", by=buyer.owner)

    page = signed_in(seller.owner).get(at("sent-of", seller), {"status": status})

    assert numbers(page) == [status]


@pytest.mark.parametrize(
    "query",
    [
        {"q": "\0"},
        {"since": "yesterday"},
        {"until": "0001-01-01"},
        {"since": "9" * 400},
        {"delivery": "no"},
        {"after": "junk"},
        {"after": "\0"},
    ],
)
def test_what_cannot_be_read_filters_nothing(seller, buyer, visitor, query):
    send(seller)

    assert numbers(visitor.get(at("received-of", buyer), query)) == ["A"]


@pytest.mark.parametrize(
    "name", ["received", "sent", "received-of", "sent-of", "invoice", "reoffer"]
)
def test_pages_cost_the_same_with_one_and_with_three_rows(seller, buyer, visitor, name):
    first = send(seller)
    MembershipFactory(user=buyer.owner, organisation__environment=buyer.organisation.environment)
    url = {
        "received": reverse("invoices:received"),
        "sent": reverse("invoices:sent"),
        "invoice": at("invoice", buyer, uuid=first.uuid),
    }.get(name) or at(name, buyer)
    visitor.get(url)

    def cost():
        with CaptureQueriesContext(db) as queries:
            assert visitor.get(url).status_code == 200
        return len(queries)

    one = cost()
    for number in "BC":
        send(seller, number)
        connect(buyer.owner, name=number)
    reoffer(buyer)

    assert cost() == one
    assert one <= 19


def test_htmx_gets_the_rows_alone(seller, buyer, visitor):
    send(seller)

    part = visitor.get(at("received-of", buyer), headers={"HX-Request": "true"}).content.decode()

    assert '<div id="invoices"' in part
    assert "<html" not in part


def test_who_has_one_organisation_is_led_to_its_page(buyer, visitor):
    answer = visitor.get(reverse("invoices:received") + "?q=A")

    assert answer.headers["Location"] == at("received-of", buyer) + "?q=A"


def test_the_invoices_of_all_organisations_within_reach(seller, buyer, visitor):
    MembershipFactory(user=buyer.owner, organisation__environment=buyer.organisation.environment)
    colleague = MembershipFactory(organisation__environment=buyer.organisation.environment)
    send(seller)

    assert numbers(visitor.get(reverse("invoices:received"))) == ["A"]
    assert numbers(visitor.get(reverse("invoices:sent"))) == []
    stranger = signed_in(colleague.user).get(reverse("invoices:received"), follow=True)
    assert numbers(stranger) == []


@pytest.mark.parametrize("name", ["invoice", "xml"])
def test_an_invoice_of_somebody_else_is_404(seller, buyer, name):
    sent = send(seller)
    other = connect()[0]

    answer = signed_in(other.owner).get(at(name, other, uuid=sent.uuid))

    assert answer.status_code == 404


def test_the_document_is_handed_out_as_it_came_and_never_shown(seller, buyer, visitor):
    sent = send(seller, 'A/1"é')

    answer = visitor.get(at("xml", buyer, uuid=sent.uuid))

    assert answer.content == invoice(number='A/1"é')
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_sender_does_not_see_the_software_of_the_receiver(seller, buyer, visitor):
    connect(buyer.owner, name="Software of the receiver")
    sent = send(seller)

    sides = [
        client.get(at("invoice", side, uuid=sent.uuid)).content.decode()
        for client, side in ((signed_in(seller.owner), seller), (visitor, buyer))
    ]

    assert ["Software of the receiver" in page for page in sides] == [False, True]


def test_a_failed_delivery_says_why(seller):
    sent = send(seller, customer="0192:111111111")

    page = signed_in(seller.owner).get(at("invoice", seller, uuid=sent.uuid)).content.decode()

    assert "The receiver cannot be reached" in page
    assert "0192:111111111" in page


def test_what_is_ticked_is_offered_again(seller, buyer, visitor):
    ticked, other = send(seller, "A"), send(seller, "B")
    for sent in (ticked, other):
        services.confirm(invoice=sent, through=buyer)

    answer = visitor.post(
        at("reoffer", buyer) + "?q=A", {"invoice": [ticked.uuid], "connection": 1}, follow=True
    )

    assert answer.redirect_chain == [(at("received-of", buyer) + "?q=A", 302)]
    assert "1 invoice is offered again to Bookkeeping." in answer.content.decode()
    assert [offer.invoice for offer in Offer.objects.ready()] == [ticked]


def test_everything_that_the_filter_finds_is_offered_again_after_a_question(seller, buyer, visitor):
    for number in ("A1", "A2", "B"):
        services.confirm(invoice=send(seller, number), through=buyer)
    url = at("reoffer", buyer) + "?q=A"

    question = visitor.get(url)
    before = Offer.objects.ready().count()
    visitor.post(url, {"everything": "on", "connection": 1})

    assert (question.context["count"], question.context["again"], before) == (2, 2, 0)
    assert sorted(str(offer.invoice) for offer in Offer.objects.ready()) == ["A1", "A2"]


@pytest.mark.parametrize(
    "ticked", [{}, {"invoice": "\0"}, {"invoice": "junk"}, {"invoice": str(uuid.uuid4())}]
)
def test_nothing_ticked_and_hostile_ticks_change_nothing(seller, buyer, visitor, ticked):
    services.confirm(invoice=send(seller), through=buyer)

    answer = visitor.post(at("reoffer", buyer), ticked | {"connection": 1}, follow=True)

    assert answer.redirect_chain == [(at("received-of", buyer), 302)]
    assert "Tick at least one" in answer.content.decode()
    assert not Offer.objects.ready().exists()


def test_an_invoice_of_somebody_else_is_not_offered(seller, buyer, visitor):
    other = connect(organisation=organisation_at("0192:111111111"))[0]
    theirs = send(seller, customer="0192:111111111")
    services.confirm(invoice=theirs, through=other)

    answer = visitor.post(
        at("reoffer", buyer), {"invoice": theirs.uuid, "connection": 1}, follow=True
    )

    assert "Tick at least one" in answer.content.decode()
    assert not Offer.objects.ready().exists()


def test_without_software_the_way_to_it_is_shown(seller, buyer, visitor):
    sent = send(seller)
    connections.revoke(connection=buyer, by=buyer.owner)

    listed = visitor.get(at("received-of", buyer)).content.decode()
    refused = visitor.post(at("reoffer", buyer), {"invoice": sent.uuid})

    new = reverse("connections:new", args=[buyer.organisation.organisation_id])
    assert refused.status_code == 422
    assert [new in page for page in (listed, refused.content.decode())] == [True, True]


def test_a_basic_user_reads_and_cannot_reoffer(seller, buyer):
    basic = signed_in(MembershipFactory(organisation=buyer.organisation).user)
    send(seller)

    page = basic.get(at("received-of", buyer)).content.decode()

    assert "Re-offer" not in page
    assert basic.post(at("reoffer", buyer), {"everything": "on"}).status_code == 403
