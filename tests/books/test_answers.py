"""Whatever the portal answers, Books says it in a sentence, and what to do."""

import socket
import time
import uuid

import httpx
import pytest
from django.utils import timezone

from accounts.models import Environment, Organisation
from connections import services
from connections.books import client
from connections.books.models import Administration
from connections.functions import FUNCTIONS
from connections.keys import make_pair
from connections.models import Access, App
from tests.books.conftest import MILL
from tests.factories import connect

pytestmark = pytest.mark.django_db


def test_a_test_says_which_organisation_and_which_functions(visitor, bakery):
    page = visitor.enter(bakery[1]).text

    assert "Connected: these keys are for Bakery" in page
    assert bakery[0].organisation.organisation_id in page
    assert "SendDocument" in page


def supersede(connection):
    services.create_new_keys(connection=connection, by=connection.owner, op_id=uuid.uuid4())


def revoke(connection):
    services.revoke(connection=connection, by=connection.owner)


def suspend(connection):
    connection.owner.memberships.all().delete()


def block(connection):
    Environment.objects.update(blocked_at=timezone.now())


ENDINGS = {
    supersede: "These keys worked once, but new keys were created",
    revoke: "This connection was revoked in the portal",
    suspend: "The connection is suspended",
    block: "The portal has blocked the environment",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_each_end_of_a_connection_has_its_own_sentence(visitor, bakery, ending):
    connection, pair = bakery
    ending(connection)

    assert ENDINGS[ending] in visitor.enter(pair).text
    assert "The connection does not work" in visitor.open("invoices").text


def test_keys_that_nobody_made_are_named_so(visitor, api, bakery):
    _other, pair = connect()
    mixed = type(pair)(pair.app_key, bakery[1].secret)

    assert "The portal does not know this App Key with this Secret." in visitor.enter(mixed).text


def test_keys_of_another_organisation_are_named_so(visitor, bakery):
    page = visitor.enter(bakery[1], organisation_id="KPNL99999").text

    assert "not for organisation KPNL99999: they are for Bakery." in page


def test_keys_that_end_later_are_noticed_on_the_page_of_invoices(books, bakery):
    revoke(bakery[0])

    page = books.open("invoices")

    assert page.status_code == 200
    assert page.text.count("This connection was revoked in the portal") == 1


def test_a_function_that_is_missing_is_named_and_the_rest_works(books, bakery):
    connection, _pair = bakery
    connection.access = Access.CHOSEN
    connection.functions = [name for name in FUNCTIONS if name != "GetInboxDocuments"]
    connection.save()

    page = books.open("invoices").text

    assert "may not use the function GetInboxDocuments" in page
    assert "Somebody who manages the connection in the portal gives it to the key." in page
    assert "Nothing sent" in page


def test_what_a_package_does_not_ask_for_is_named_so(books):
    App.objects.update(functions=["GetInboxDocuments", "GetOutboxDocuments"])

    page = books.fill_in("send", **invoice_form(books)).text

    assert "may not use the function SendDocument" in page
    assert "The software package does not ask for it" in page


def test_a_customer_who_is_not_there_is_named_with_code_and_help(books):
    page = books.fill_in("send", **invoice_form(books, receiver="0192:111111111")).text

    assert "The customer cannot be reached" in page
    assert "ERRSND4000001" in page
    assert "/api/docs/#ERRSND4000001" in page
    assert "req_" in page


def test_sending_that_is_switched_off_is_named_so(books):
    Organisation.objects.update(sending=False)
    page = books.fill_in("send", **invoice_form(books)).text

    assert "Sending is switched off for this organisation." in page
    assert "Refused" in page


def test_a_dead_address_is_a_sentence_at_once(visitor, bakery, settings):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    settings.BOOKS_API = f"http://127.0.0.1:{port}/api/v1"
    began = time.monotonic()
    page = visitor.enter(bakery[1]).text

    assert f"The portal at http://127.0.0.1:{port}/api/v1 does not answer." in page
    assert time.monotonic() - began < 2


def test_a_silent_address_is_a_sentence_when_the_patience_ends(
    visitor, bakery, settings, monkeypatch
):
    assert (client.TIMEOUT.connect, client.TIMEOUT.read) == (2, 8)
    monkeypatch.setattr(client, "TIMEOUT", httpx.Timeout(0.3))
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.BOOKS_API = f"http://127.0.0.1:{server.getsockname()[1]}/api/v1"
        page = visitor.enter(bakery[1]).text

    assert "The portal took too long to answer." in page


def test_a_network_that_fails_for_a_while_changes_nothing_that_is_connected(books, settings):
    here, settings.BOOKS_API = settings.BOOKS_API, "http://127.0.0.1:1/api/v1"
    assert "does not answer" in books.fill_in("test").text
    settings.BOOKS_API = here

    assert "Nothing received" in books.open("invoices").text


STRANGE = {
    "a page": (200, b"<html>Welcome</html>"),
    "other json": (200, {"hello": "world"}),
    "a list": (200, []),
    "nothing": (204, b""),
    "deep json": (200, b"[" * 100_000),
    "a proxy": (502, b"Bad Gateway"),
    "a login": (302, b""),
    "an odd error": (403, {"code": 7}),
    "an odd organisation": (
        200,
        {"app": "x", "functions": [], "organisations": [{"id": "../me", "name": "x"}]},
    ),
    "too much": (200, b" " * (13 * 1024 * 1024)),
}


@pytest.mark.parametrize("case", STRANGE)
def test_what_is_no_portal_is_named_so(visitor, bakery, answering, case):
    answering(*STRANGE[case], Location="http://127.0.0.1:1/")

    assert "does not speak as the portal does." in visitor.enter(bakery[1]).text


def test_an_error_that_books_does_not_know_is_said_in_the_words_of_the_portal(
    visitor, bakery, answering
):
    answering(422, {"code": "ERRNEW4000001", "message": "Moon is full", "help": "javascript:x"})
    page = visitor.enter(bakery[1]).text

    assert "The portal refused this: Moon is full" in page
    assert "javascript:" not in page


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [("found", "found this Secret in a public place"), ("moonstruck", "the portal has ended them")],
)
def test_an_end_with_another_reason_is_no_wrong_secret(visitor, answering, reason, sentence):
    answering(401, {"code": "ERRIAU6000007", "message": "Invalid", "reason": reason})

    assert sentence in visitor.enter(make_pair()).text


def test_of_several_organisations_the_person_chooses_one(visitor, bakery, answering):
    def organisation(id, name):
        return {
            "id": id,
            "name": name,
            "registration_number": "1",
            "country": "NL",
            "addresses": [],
        }

    two = [organisation("KPNL10001", "Bakery"), organisation("KPNL10002", "Shop")]
    answering(200, {"app": "Books", "functions": [], "organisations": two})
    assert "Choose the one whose books these are." in visitor.enter(bakery[1]).text

    page = visitor.fill_in("choose", organisation="KPNL10002").text

    assert "Connected: these keys are for Shop" in page
    assert "for Shop" in visitor.fill_in("choose", organisation="KPNL66666").text


def test_pages_beyond_the_threads_of_a_process_hear_that_it_is_busy(visitor, bakery, settings):
    taken = [client._places.acquire(blocking=False) for _ in range(settings.BOOKS_AT_ONCE)]
    try:
        page = visitor.enter(bakery[1]).text
    finally:
        for _ in filter(None, taken):
            client._places.release()

    assert "Koppel Books is busy" in page
    assert "Connected" in visitor.fill_in("test").text


def test_a_secret_that_cannot_be_read_any_more_asks_for_the_keys(books):
    Administration.objects.update(encrypted_secret="gAAAAspoilt", connected_at=None)

    assert "cannot read the stored Secret any more" in books.fill_in("test").text


def test_every_failure_gives_its_place_back(visitor, bakery, settings):
    settings.BOOKS_API = "http://127.0.0.1:1/api/v1"
    for _ in range(settings.BOOKS_AT_ONCE + 1):
        assert "does not answer" in visitor.enter(bakery[1]).text


def invoice_form(visitor, **values):
    op = visitor.open("send").context["form"].initial["op"]
    return {
        "op": op,
        "customer": "Mill",
        "receiver": MILL,
        "number": "50000",
        "description": "Bread",
        "net": "10.00",
        **values,
    }
