"""What becomes of an invoice: who or which software said so, when, and what each side is told (R52)."""

import pytest

from accounts.events.models import Action, Event
from connections import services as connections
from connections.api import admitted
from connections.callers import by_app_key
from connections.errors import ApiError
from connections.invoices import services
from connections.invoices.models import StatusChange
from connections.models import Access, Connection, KeySet
from tests.factories import MembershipFactory, connect, let_in
from tests.invoices.documents import invoice
from tests.invoices.test_pages import at, signed_in
from tests.software import Software

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(seller, buyer):
    return services.send(xml=invoice(number="A"), through=seller)[0]


@pytest.fixture
def visitor(buyer):
    return signed_in(buyer.owner)


def status(software, box, invoice):
    return software.get(f"/{box}/{invoice.uuid}/status").json()


def in_words(history):
    return [(line["status"], line["by"], line["note"]) for line in history]


def test_the_software_of_the_receiver_sets_a_status_and_the_sender_sees_it(
    sellers_software, buyers_software, buyer, sent
):
    paid = {"status": "paid", "note": "Bank 17"}

    answer = buyers_software.put(f"/inbox/{sent.uuid}/status", paid)

    assert (answer.status_code, answer.json()["status"]) == (200, "paid")
    assert in_words(answer.json()["history"]) == [
        ("received", "The supplier", ""),
        ("paid", f"Bookkeeping ({buyer.app})", "Bank 17"),
    ]
    told = status(sellers_software, "outbox", sent)
    assert in_words(told["history"])[1:] == [("paid", "The customer", "Bank 17")]
    assert told["status"] == "paid"


def test_what_it_is_already_changes_nothing(buyers_software, sent):
    first, second = (
        buyers_software.put(f"/inbox/{sent.uuid}/status", {"status": "paid"}) for _ in range(2)
    )

    assert first.json() == second.json()
    assert len(first.json()["history"]) == 2


def test_confirming_is_a_download_which_is_not_the_senders_to_know(
    sellers_software, buyers_software, sent
):
    buyers_software.confirm(sent.uuid)

    inbox, outbox = (
        status(buyers_software, "inbox", sent),
        status(sellers_software, "outbox", sent),
    )
    assert (inbox["status"], inbox["delivery"]) == ("downloaded", "retrieved")
    assert (outbox["status"], len(outbox["history"])) == ("delivered", 1)


def test_a_download_never_takes_back_what_people_said(buyer, sent):
    services.set_status(invoice=sent, status="paid", by=buyer.owner)
    sent.refresh_from_db()

    services.confirm(invoice=sent, through=buyer)

    sent.refresh_from_db()
    assert sent.status == "paid"


def test_a_failed_delivery_says_which_error_it_was(sellers_software, seller):
    lost = services.send(xml=invoice(customer="0192:1"), through=seller)[0]

    told = status(sellers_software, "outbox", lost)

    assert (told["status"], told["error"]) == ("delivery failed", "ERRSND4000001")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": "downloaded"},
        {"status": "duplicate"},
        {"status": ["paid"]},
        {"status": "paid", "note": "x" * 501},
        {"status": "paid", "note": "\0"},
        {"status": "paid", "note": "\ud800"},
        [],
        "paid",
        None,
    ],
)
def test_a_wrong_status_is_refused_and_changes_nothing(buyers_software, sent, body):
    refused = buyers_software.put(f"/inbox/{sent.uuid}/status", body)

    assert (refused.status_code, refused.json()["code"]) == (422, "ERRAPI4000422")
    assert StatusChange.objects.count() == 1


def test_the_sender_cannot_set_it(sellers_software, sent):
    refused = sellers_software.put(f"/inbox/{sent.uuid}/status", {"status": "paid"})

    assert (refused.status_code, refused.json()["code"]) == (404, "ERRDMN4000404")


def test_a_key_revoked_meanwhile_sets_nothing(buyer, sent):
    connection = Connection.objects.for_list().get(pk=buyer.pk)
    call = admitted(by_app_key(KeySet.objects.get(connection=connection).app_key), None)
    connections.revoke(connection=connection, by=connection.owner)

    with pytest.raises(ApiError):
        services.set_status(invoice=sent, status="paid", through=connection, check=call.still_open)

    assert StatusChange.objects.count() == 1


def test_the_sender_fetches_what_was_sent_byte_for_byte(
    sellers_software, buyers_software, sent, seller
):
    fetched = sellers_software.get(f"/outbox/{sent.uuid}")

    assert (fetched.content, fetched.headers["Content-Type"]) == (
        invoice(number="A"),
        "application/xml",
    )
    assert buyers_software.get(f"/outbox/{sent.uuid}").status_code == 404


def test_looking_at_it_opens_it_once(visitor, seller, buyer, sent):
    page = at("invoice", buyer, uuid=sent.uuid)

    signed_in(seller.owner).get(at("invoice", seller, uuid=sent.uuid))
    visitor.head(page)
    before = StatusChange.objects.count()
    visitor.get(page), visitor.get(page)

    opened = StatusChange.objects.last()
    assert (before, StatusChange.objects.count()) == (1, 2)
    assert (opened.status, opened.by) == ("opened", buyer.owner)


def test_a_person_sets_the_status_with_a_note(visitor, seller, buyer, sent):
    url = at("set-status", buyer, uuid=sent.uuid)

    page = visitor.post(url, {"status": "rejected", "note": "Wrong price"}, follow=True)

    shown = [
        client.get(at("invoice", side, uuid=sent.uuid)).content.decode()
        for client, side in ((visitor, buyer), (signed_in(seller.owner), seller))
    ]
    assert "The status is set." in page.content.decode()
    assert ["Wrong price" in text for text in shown] == [True, True]
    assert [str(buyer.owner) in text.partition("<main")[2] for text in shown] == [True, False]
    event = Event.objects.get(action=Action.INVOICE_STATUS_SET)
    assert (event.actor, event.subject_name, event.details) == (
        buyer.owner,
        "A",
        {"status": "rejected"},
    )


def test_an_invalid_status_keeps_what_was_typed(visitor, buyer, sent):
    url = at("set-status", buyer, uuid=sent.uuid)

    answer = visitor.post(url, {"status": "junk", "note": "Typed"})

    assert answer.status_code == 422
    assert 'value="Typed"' in answer.content.decode()


def test_basic_users_handle_invoices(buyer, sent):
    basic = MembershipFactory(organisation=buyer.organisation).user

    signed_in(basic).post(at("set-status", buyer, uuid=sent.uuid), {"status": "paid"})

    sent.refresh_from_db()
    assert sent.status == "paid"


@pytest.mark.parametrize(
    ("functions", "expected"),
    [
        (["GetInboxDocument"], (403, "received")),
        (["GetInboxDocument", "SetInboxDocumentStatus"], (302, "paid")),
    ],
)
def test_people_of_a_partner_do_what_the_client_allows(buyer, sent, functions, expected):
    member = MembershipFactory(organisation=buyer.organisation, user__administrator=True)
    accountant = let_in(client=member, functions=functions).requests.get().asked_by
    partner = signed_in(accountant)
    if "SetInboxDocumentStatus" not in functions:
        partner.get(at("invoice", buyer, uuid=sent.uuid))

    answer = partner.post(at("set-status", buyer, uuid=sent.uuid), {"status": "paid"})

    sent.refresh_from_db()
    assert (answer.status_code, sent.status) == expected


def test_lists_have_the_newest_change_last_and_stay_still_while_software_fetches(
    sellers_software, buyers_software, seller, buyer, sent
):
    second = services.send(xml=invoice(number="B"), through=seller)[0]
    services.confirm(invoice=sent, through=buyer)
    before = [item["number"] for item in buyers_software.get("/inbox").json()["items"]]

    services.set_status(invoice=sent, status="paid", through=buyer)

    for software, box in ((buyers_software, "inbox"), (sellers_software, "outbox")):
        assert [item["number"] for item in software.get(f"/{box}").json()["items"]] == ["B", "A"]
    assert before == ["A", "B"]
    assert second.status == "received"


@pytest.mark.parametrize(
    ("box", "query", "found"),
    [
        ("inbox", {"status": "paid"}, ["A"]),
        ("inbox", {"status": "received"}, ["B"]),
        ("inbox", {"status": "duplicate"}, []),
        ("inbox", {"counterparty": "0088:7300010000001"}, ["B", "A"]),
        ("inbox", {"counterparty": "0192:987654325"}, []),
        ("inbox", {"counterparty": "KPNL0"}, []),
        ("inbox", {"created_from": "2100-01-01T00:00:00Z"}, []),
        ("inbox", {"created_to": "2100-01-01T00:00:00"}, ["B", "A"]),
        ("outbox", {"status": "delivered"}, ["B"]),
        ("outbox", {"status": "delivery failed"}, ["C"]),
        ("outbox", {"counterparty": "0192:1"}, ["C"]),
        ("outbox", {"counterparty": "0192:987654325", "status": "paid"}, ["A"]),
    ],
)
def test_filters(sellers_software, buyers_software, seller, buyer, sent, box, query, found):
    services.send(xml=invoice(number="B"), through=seller)
    services.send(xml=invoice(number="C", customer="0192:1"), through=seller)
    services.set_status(invoice=sent, status="paid", through=buyer)
    software = {"inbox": buyers_software, "outbox": sellers_software}[box]

    items = software.get(f"/{box}", **query).json()["items"]

    assert [item["number"] for item in items] == found


def test_the_counterparty_can_be_named_by_organisation_id(buyers_software, seller, sent):
    name = seller.organisation.organisation_id

    assert len(buyers_software.get("/inbox", counterparty=name).json()["items"]) == 1


@pytest.mark.parametrize(
    "query",
    [
        {"status": "delivered"},
        {"counterparty": "\0"},
        {"counterparty": "x" * 101},
        {"created_from": "0001-01-01T00:00:00"},
        {"created_to": "9999-12-31T23:59:59Z"},
    ],
)
def test_a_wrong_filter_is_named(buyers_software, query):
    refused = buyers_software.get("/inbox", **query)

    assert (refused.status_code, refused.json()["code"]) == (422, "ERRAPI4000422")
    assert refused.json()["details"][0]["field"].endswith(next(iter(query)))


@pytest.mark.parametrize("changes", [1, 3])
def test_statuses_cost_the_same_whatever_the_history(
    sellers_software, buyers_software, buyer, sent, changes, django_assert_num_queries
):
    for name in ["paid", "rejected", "opened"][:changes]:
        services.set_status(invoice=sent, status=name, through=buyer)
    status(buyers_software, "inbox", sent), status(sellers_software, "outbox", sent)
    counting = 5  # as in test_exchange

    with django_assert_num_queries(4 + counting):
        status(buyers_software, "inbox", sent)
    with django_assert_num_queries(3 + counting):
        status(sellers_software, "outbox", sent)


@pytest.mark.parametrize(("method", "box"), [("get", "outbox"), ("get", "inbox"), ("put", "inbox")])
def test_each_function_needs_its_own_scope(buyer, sent, method, box):
    other, pair = connect(buyer.owner, access=Access.CHOSEN, functions=["GetInboxDocument"])
    software = Software(pair, other.organisation)
    path = f"/{box}/{sent.uuid}/status"

    refused = software.get(path) if method == "get" else software.put(path, {"status": "paid"})

    assert (refused.status_code, refused.json()["code"]) == (403, "ERRCDO4000011")
