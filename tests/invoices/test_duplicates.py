"""Duplicates: same sender, number and date are marked and not offered, until "Mark as original" (R51)."""

import pytest

from accounts.events.models import Action, Event
from connections.invoices import reoffers, services
from connections.invoices.models import Invoice, Offer
from tests.factories import MembershipFactory, connect, organisation_at
from tests.invoices.documents import invoice
from tests.invoices.test_pages import at, signed_in
from tests.software import Software

pytestmark = pytest.mark.django_db


def send(seller, **values):
    return services.send(xml=invoice(**{"number": "A", **values}), through=seller)[0]


def offered():
    return [offer.invoice for offer in Offer.objects.order_by("pk")]


def test_the_second_one_is_marked_and_not_offered(seller, buyer):
    first, second = send(seller), send(seller, total="7.00")

    assert [it.status for it in (first, second)] == ["received", "duplicate"]
    assert second.duplicate_of == first
    assert offered() == [first]


def test_a_third_one_is_a_duplicate_of_the_first(seller, buyer):
    first, _second, third = send(seller), send(seller), send(seller)

    assert third.duplicate_of == first


@pytest.mark.parametrize(
    "other", [{"number": "B", "issued": "2026-11-21"}, {"kind": "CreditNote"}, {"number": "a"}]
)
def test_another_number_or_kind_is_no_duplicate(seller, buyer, other):
    send(seller)

    assert send(seller, **other).status == "received"


def test_sent_again_to_the_right_receiver_it_is_no_duplicate_there(seller, buyer):
    connect(organisation=organisation_at("0192:111111111"))
    send(seller, customer="0192:111111111")

    assert send(seller).status == "received"


def test_what_was_not_delivered_has_no_duplicate(seller, buyer):
    send(seller, customer="0192:2")

    assert [send(seller, customer="0192:2").status, send(seller).status] == [
        "delivery failed",
        "received",
    ]


def test_another_sender_may_have_the_same_number(seller, buyer):
    other = connect(organisation=organisation_at("0192:111111111"))[0]
    send(seller)

    assert send(other, supplier="0192:111111111", company="").status == "received"


def test_the_software_of_both_sides_is_told(seller, buyer, sellers_software, buyers_software):
    answers = [sellers_software.send(invoice()).json()["status"] for _ in range(2)]

    assert answers == ["delivered", "duplicate"]
    [first, second] = buyers_software.get("/inbox").json()["items"]
    assert [(it["status"], it["delivery"]) for it in (first, second)] == [
        ("received", "ready"),
        ("duplicate", "not offered"),
    ]


def test_the_status_of_a_duplicate_is_not_the_softwares_to_set(seller, buyer, buyers_software):
    second = [send(seller), send(seller)][1]

    refused = buyers_software.put(f"/inbox/{second.uuid}/status", {"status": "paid"})

    assert (refused.status_code, refused.json()["code"]) == (409, "ERRDMN2000001")
    assert (refused.json()["status"], refused.json()["possible"]) == ("duplicate", [])


def test_marked_as_original_it_can_be_re_offered(seller, buyer):
    first, second = send(seller), send(seller)
    visitor = signed_in(buyer.owner)
    page = at("invoice", buyer, uuid=second.uuid)

    shown = visitor.get(page).content.decode()
    visitor.post(at("mark-as-original", buyer, uuid=second.uuid))
    before = offered()
    ticked = {"back": "", "invoice": second.uuid, "connection": buyer.number}
    answer = visitor.post(at("reoffer", buyer), ticked, follow=True)

    assert "Mark as original" in shown
    assert ">Re-offer to API" not in shown.partition("<main")[2]
    assert (before, offered()) == ([first], [first, second])
    assert answer.redirect_chain == [(page, 302)]
    event = Event.objects.get(action=Action.INVOICE_MARKED_ORIGINAL)
    assert (event.actor, event.subject_ref) == (buyer.owner, str(second.uuid))


def test_marking_twice_is_once(seller, buyer):
    second = [send(seller), send(seller)][1]

    for _ in range(2):
        services.mark_as_original(invoice=second, by=buyer.owner)

    assert Event.objects.filter(action=Action.INVOICE_MARKED_ORIGINAL).count() == 1
    assert Invoice.objects.get(pk=second.pk).history.count() == 2


def test_a_re_offer_leaves_duplicates_out_and_says_so(seller, buyer):
    first, second = send(seller), send(seller)

    job = reoffers.reoffer(
        invoices=Invoice.objects.all(),
        organisation=buyer.organisation,
        connections=[buyer],
        by=buyer.owner,
    )

    assert [(line.invoice, line.state) for line in job.lines.order_by("pk")] == [
        (first, "offered"),
        (second, "duplicate"),
    ]


def test_basic_users_do_not_mark(seller, buyer):
    second = [send(seller), send(seller)][1]
    basic = signed_in(MembershipFactory(organisation=buyer.organisation).user)

    assert basic.post(at("mark-as-original", buyer, uuid=second.uuid)).status_code == 403
    assert "Mark as original" not in basic.get(at("invoice", buyer, uuid=second.uuid)).text


def test_the_sender_cannot_mark_it(seller, buyer):
    second = [send(seller), send(seller)][1]
    visitor = signed_in(seller.owner)

    assert visitor.post(at("mark-as-original", seller, uuid=second.uuid)).status_code == 404


def test_a_software_that_confirms_a_duplicate_leaves_it_one(seller, buying):
    second = [send(seller), send(seller)][1]

    Software(buying[1], buying[0].organisation).confirm(second.uuid)

    assert Invoice.objects.get(pk=second.pk).status == "duplicate"
