"""The pages of Koppel Books: what each browser does with its own books, and cannot do with others'."""

import re
import uuid

import pytest
from django.core.management import call_command
from django.db import connection as db
from django.test import Client
from django.urls import get_resolver, reverse
from django.utils import timezone

from connections.books.access import COOKIE
from connections.books.forms import SeriesForm
from connections.books.models import KEPT, Administration, BookedInvoice, State
from connections.invoices.models import Invoice
from connections.keys import make_pair
from tests.books.conftest import BAKERY, MILL, Browser
from tests.books.test_answers import invoice_form
from tests.invoices.documents import invoice
from tests.software import Software

pytestmark = pytest.mark.django_db

PAGES = next(e for e in get_resolver().url_patterns if getattr(e, "app_name", "") == "books")
NAMES = [entry.name for entry in PAGES.url_patterns]


def address(name):
    takes_uuid = name in {"invoice", "send-again"}
    return reverse(f"books:{name}", args=[uuid.uuid4()] if takes_uuid else [])


def sent_by(mill, **values):
    connection, pair = mill
    document = invoice(supplier=MILL, customer=BAKERY, company="", **values)
    assert Software(pair, connection.organisation).send(document).status_code == 201


# Each browser has its own books


def test_every_view_shows_the_books_of_the_browser_alone():
    assert len(NAMES) >= 15
    assert [e.name for e in PAGES.url_patterns if not getattr(e.callback, "own_books", 0)] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_page_opens_without_login_and_is_stored_nowhere(name):
    for method in ("get", "post"):
        answer = getattr(Client(), method)(address(name))

        assert answer.status_code in {200, 302, 404, 405, 422}
        assert not answer.headers.get("Location", "").startswith("/accounts/")
        if answer.status_code in {200, 422}:
            assert answer.headers["Cache-Control"] == "no-store, private"


def test_looking_around_stores_nothing():
    for name in NAMES:
        Client().get(address(name))

    assert Administration.objects.count() == 0


def test_the_cookie_is_the_only_key_and_is_not_stored(books):
    cookie = books.cookies[COOKIE]
    token = cookie.value.split(":")[0]
    stored = Administration.objects.get()

    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/books/")
    assert len(token) >= 43
    assert token not in everything_stored()
    assert stored.token_digest not in token


def test_over_https_the_cookie_stays_there(visitor, bakery, settings):
    settings.SESSION_COOKIE_SECURE = True
    visitor.enter(bakery[1])

    assert visitor.cookies[COOKIE]["secure"]


@pytest.mark.parametrize("token", ["", "x", "a" * 43, "a:b:c", "\u2603"])
def test_a_cookie_that_was_not_signed_here_opens_nothing(books, token):
    stranger = Browser()
    stranger.cookies[COOKIE] = token.encode("ascii", "ignore").decode()

    assert "not connected yet" in stranger.open("invoices").text


def test_another_browser_sees_nothing_of_these_books(books, mill):
    sent_by(mill, number="M-1")
    books.fill_in("fetch")
    booked = BookedInvoice.objects.get()
    for stranger in (Browser(), connected_browser(mill)):
        before = list(BookedInvoice.objects.values())

        assert stranger.open("invoice", booked.uuid).status_code == 404
        assert stranger.fill_in("send-again", booked.uuid).status_code == 404
        for name in NAMES:
            if name not in {"invoice", "send-again"}:
                assert "Bakery" not in stranger.get(address(name)).text
        assert list(BookedInvoice.objects.values()) == before


def connected_browser(connected):
    visitor = Browser()
    visitor.enter(connected[1])
    return visitor


def test_books_that_nobody_uses_leave_when_new_ones_are_opened(books, mill):
    Administration.objects.update(used_at=timezone.now() - KEPT)
    connected_browser(mill)

    assert Administration.objects.get().organisation_name == "Mill"


def test_using_books_keeps_them(books):
    Administration.objects.update(used_at=timezone.now() - KEPT / 2)
    cookie = books.cookies.pop(COOKIE)
    books.cookies[COOKIE] = cookie.value
    books.open("invoices")

    assert timezone.now() - Administration.objects.get().used_at < KEPT / 10
    assert books.cookies[COOKIE]["max-age"]


# The Secret


def everything_stored():
    """All that the database holds, as text."""
    with db.cursor() as cursor:
        tables = db.introspection.table_names(cursor)
        rows = []
        for table in tables:
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608
            rows += cursor.fetchall()
    return "\n".join(
        bytes(value).decode(errors="replace")
        if isinstance(value, bytes | memoryview)
        else str(value)
        for row in rows
        for value in row
    )


def test_the_secret_is_nowhere_but_in_the_header_of_a_call(books, bakery, caplog, api):
    secret = bakery[1].secret.reveal()
    caplog.set_level("DEBUG")
    books.fill_in("connect", text=f"{bakery[1].app_key} {secret}", connect=bakery[1].app_key)
    books.fill_in("guide-key", text=f"{bakery[1].app_key} {secret}")
    pages = "".join(books.get(address(name)).text for name in NAMES)
    pages += books.fill_in("settings", app_key=bakery[1].app_key).text

    assert secret not in pages
    assert secret[-6:] not in pages
    assert secret not in everything_stored()
    assert secret not in caplog.text
    assert secret not in repr(Administration.objects.get())
    assert Administration.objects.get().secret == secret


def test_a_form_with_another_mistake_does_not_give_the_secret_back(visitor, api):
    pair = make_pair()
    answer = visitor.enter(pair, email="no address")

    assert answer.status_code == 422
    assert pair.secret.reveal() not in answer.text
    assert pair.app_key in answer.text


def test_disconnecting_deletes_both_keys_and_reminds_of_the_portal(books, bakery):
    page = books.fill_in("disconnect").text
    administration = Administration.objects.get()

    assert "revoke the connection in the portal" in page
    assert bakery[1].app_key in page
    assert (administration.app_key, administration.encrypted_secret) == ("", "")
    assert "not connected yet" in books.open("invoices").text


# Settings


def test_an_empty_secret_keeps_the_stored_one_with_the_same_app_key_only(books, mill):
    same = books.fill_in("settings", app_key=Administration.objects.get().app_key)
    other = books.fill_in("settings", app_key=mill[1].app_key)

    assert "Connected" in same.text
    assert "A new App Key comes with a new Secret." in other.text
    assert other.status_code == 422


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda a, s: (s, a), "App Key and Secret are swapped."),
        (lambda a, s: (a[:-1] + "!", s), "This App Key has a typing error."),
        (lambda a, s: (a, s[:-1] + "!"), "This Secret has a typing error."),
        (lambda a, s: (a[:-1], s), "This App Key is too short"),
        (lambda a, s: (a, s[:-1]), "This Secret is too short"),
        (lambda a, s: (a, ""), "This field is required."),
        (lambda a, s: (a, "\x00"), "Null characters are not allowed."),
    ],
)
def test_keys_that_cannot_be_right_are_refused_before_any_call(visitor, change, sentence):
    pair = make_pair()
    app_key, secret = change(pair.app_key, pair.secret.reveal())
    answer = visitor.fill_in("settings", app_key=app_key, secret=secret)

    assert answer.status_code == 422
    assert sentence in answer.text
    assert Administration.objects.count() == 0


# Quick Connect


def quick_connect(bakery, email="books@bakery.example"):
    connection, pair = bakery
    return (
        f"APP_KEY:{pair.app_key};SECRET_KEY:{pair.secret.reveal()};"
        f"EMAIL_ID:{email};COMPANY_ID:{connection.organisation.organisation_id};"
    )


def test_reading_shows_what_was_found_and_stores_nothing(visitor, bakery):
    page = visitor.fill_in("connect", text=quick_connect(bakery)).text

    assert bakery[1].app_key in page
    assert "books@bakery.example" in page
    assert "recognised" in page
    assert Administration.objects.count() == 0


def test_connect_stores_what_was_shown_and_tests_it(visitor, bakery):
    page = visitor.fill_in("connect", text=quick_connect(bakery), connect=bakery[1].app_key).text

    assert "Connected: these keys are for Bakery" in page
    assert "books@bakery.example" in page


def test_what_was_changed_after_reading_is_shown_anew_first(visitor, bakery, mill):
    visitor.fill_in("connect", text=quick_connect(bakery), connect=mill[1].app_key)

    assert Administration.objects.count() == 0


def test_keys_of_another_organisation_wait_for_a_disconnection(books, mill):
    page = books.fill_in("connect", text=quick_connect(mill)).text
    books.fill_in("disconnect")

    assert "this administration is connected to" in page
    assert "recognised" in books.fill_in("connect", text=quick_connect(mill)).text


def test_a_text_for_another_administration_is_said_so(visitor, bakery):
    visitor.enter(bakery[1], email="us@bakery.example")
    page = visitor.fill_in("connect", text=quick_connect(bakery, "them@mill.example")).text

    assert "made for the administration of them@mill.example; this one is of us@bakery" in page


PASTES = [
    "",
    "\0" * 100,
    "\x01\x02\x1b[31m\x7f\u202e\ufeff\ud7ff\U0001f511",
    "<script>alert(1)</script><textarea></textarea>" * 50,
    "kpa_" + "x" * 4090,
    "kpa_kps_" * 512,
    "a@" * 2048,
    "€" * 100_000,
    "EMAIL_ID:" * 400,
    "{" * 4096,
]


@pytest.mark.parametrize("text", PASTES, ids=range(len(PASTES)))
@pytest.mark.parametrize("name", ["connect", "guide-key"])
def test_a_hostile_paste_is_a_message(visitor, name, text):
    answer = visitor.fill_in(name, text=text)

    assert answer.status_code == 422
    assert "errorlist" in answer.text
    assert "<script>alert" not in answer.text
    assert Administration.objects.count() == 0


# The guide


def test_the_guide_leads_from_the_key_to_the_series(visitor, bakery):
    assert "Get started" in visitor.open("guide").text
    numbers = visitor.fill_in("guide-key", text=quick_connect(bakery))
    proposed = {name: str(field.initial) for name, field in numbers.context["form"].fields.items()}
    done = visitor.fill_in("guide-numbers", **proposed)

    assert "The keys work, for Bakery: Koppel Books is connected." in numbers.text
    assert proposed == {
        "first_customer": "100000",
        "shop_customer": "1",
        "customers": "1000",
        "first_invoice": "50000",
        "shop_invoice": "6000",
        "invoices": "1000",
    }
    assert "Koppel Books is ready" in done.text
    assert "50000" in visitor.open("send").text


def test_a_key_that_does_not_work_stays_at_its_step(visitor, bakery):
    connection, _pair = bakery
    connection.owner.memberships.all().delete()

    assert (
        "The connection is suspended"
        in visitor.fill_in("guide-key", text=quick_connect(bakery)).text
    )


def test_series_that_would_collide_are_named_with_a_free_start(visitor):
    colliding = {
        "first_customer": 100,
        "shop_customer": 1,
        "customers": 100,
        "first_invoice": 50_000,
        "shop_invoice": 6_000,
        "invoices": 10_000,
    }
    refused = visitor.fill_in("guide-numbers", **colliding)
    taken = visitor.fill_in("guide-numbers", proposed=1, **colliding)

    assert refused.status_code == 422
    assert "the shop counts from 6000 to 105999. Begin here with 200000." in refused.text
    assert "200000" in taken.text
    assert Administration.objects.get().first_customer == 100_000


@pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 30, "1e5", ""])
def test_a_number_that_is_none_is_refused(visitor, number):
    assert visitor.fill_in("guide-numbers", first_invoice=number, proposed=1).status_code == 422


# Invoices


def test_fetching_books_each_invoice_once_and_confirms_it(books, mill):
    sent_by(mill, number="M-1")
    sent_by(mill, number="M-2")
    first, second = books.fill_in("fetch").text, books.fill_in("fetch").text

    assert "2 new invoices came" in first
    assert "There was nothing new" in second
    assert set(BookedInvoice.objects.values_list("number", "state")) == {
        ("M-1", State.BOOKED),
        ("M-2", State.BOOKED),
    }
    assert "Retrieved" in books.open("invoices").text


def test_what_is_stored_but_not_confirmed_comes_again_and_stays_one(books, mill):
    sent_by(mill)
    books.fill_in("fetch")
    Invoice.objects.get().offers.update(retrieved_at=None)

    assert "1 invoice came again; it was booked before" in books.fill_in("fetch").text
    assert BookedInvoice.objects.count() == 1


def test_a_sent_invoice_reaches_its_customer_and_the_series_goes_on(books, mill):
    page = books.fill_in("send", **invoice_form(books)).text
    arrived = Invoice.objects.get()

    assert "Delivered" in page
    assert (arrived.number, str(arrived.total), arrived.receiver.name) == ("50000", "12.10", "Mill")
    assert books.open("send").context["form"].initial["number"] == "50001"


def test_a_registration_number_finds_the_customer_too(books, mill):
    number = mill[0].organisation.registration_number
    assert "Delivered" in books.fill_in("send", **invoice_form(books, receiver=number)).text


def test_a_form_that_is_sent_twice_is_one_invoice(books, mill):
    form = invoice_form(books)
    books.fill_in("send", **form)
    books.fill_in("send", **form)

    assert Invoice.objects.count() == BookedInvoice.objects.count() == 1


def test_without_an_answer_the_same_invoice_is_sent_again(books, mill, settings):
    form = invoice_form(books)
    books.fill_in("send", **form)
    sent = BookedInvoice.objects.get()
    here, settings.BOOKS_API = settings.BOOKS_API, "http://127.0.0.1:1/api/v1"
    BookedInvoice.objects.update(state=State.UNANSWERED, answer={})
    assert "No answer yet" in books.fill_in("send-again", sent.uuid).text
    settings.BOOKS_API = here

    assert "Delivered" in books.fill_in("send-again", sent.uuid).text
    assert Invoice.objects.count() == 1


def test_markup_in_an_invoice_stays_text(books, mill):
    name = "Wolf & <b>Sons</b> \"'"
    page = books.fill_in("send", **invoice_form(books, customer=name, description=name)).text

    assert "Delivered" in page
    assert Invoice.objects.get().receiver_name == name
    assert "<b>Sons" not in page


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"receiver": "nobody at all!"}, "Enter an electronic address"),
        ({"net": "0"}, "greater than or equal to 0.01"),
        ({"net": "1e400"}, "errorlist"),
        ({"description": "a\x0bb"}, "characters that an invoice cannot have"),
        ({"op": "x"}, "errorlist"),
    ],
)
def test_what_no_invoice_can_have_is_refused(books, values, sentence):
    answer = books.fill_in("send", **invoice_form(books, **values))

    assert answer.status_code == 422
    assert sentence in answer.text
    assert BookedInvoice.objects.count() == 0


def test_a_number_is_used_once(books, mill):
    books.fill_in("send", **invoice_form(books))
    answer = books.fill_in("send", **invoice_form(books))

    assert "There is an invoice with this number." in answer.text


# The rest


HOSTILE = [
    "a\0b",
    "'; DROP TABLE x; --",
    "{{ 7 }}<script>alert(1)</script>",
    "9" * 40,
    "-1",
    "x" * 20_000,
]
FIELDS = [
    "app_key", "secret", "organisation_id", "email", "organisation", "text", "connect", "again", "op",
    "customer", "receiver", "number", "description", "net", "proposed", *SeriesForm.base_fields,
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_hostile_input_gets_an_answer(books, name):
    for value in [*HOSTILE, "١٢\u202e\ufeff\U0001f4a3"]:
        answer = books.post(address(name), dict.fromkeys(FIELDS, value))

        assert answer.status_code in {200, 302, 404, 405, 422, 502}
        assert "<script>alert" not in answer.text


def test_its_pages_carry_another_name_than_the_portal():
    page = Client().get(reverse("books:secret")).text

    assert re.search(r"<title>.* · Koppel Books</title>", page)
    assert "Koppel Books is a demonstration package" in page


def test_its_migration_matches_its_models():
    call_command("makemigrations", "books", "--check", "--dry-run", verbosity=0)
