"""The pages of Autopilot."""

import re
import uuid

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from connections import services as connections
from connections.admin import GenericAppForm
from connections.autopilot import pushing
from connections.autopilot.models import Attempt, Push
from connections.models import App, Connection
from tests.autopilot.conftest import switched_on
from tests.factories import PASSWORD, AppFactory, MembershipFactory, connect

pytestmark = pytest.mark.django_db
URL = "https://books.example.com/invoices"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")


@pytest.fixture
def client(client, member):
    client.post(reverse("account_login"), {"login": member.user.email, "password": PASSWORD})
    return client


@pytest.fixture
def app(db):
    return AppFactory(name="Snel", autopilot_url=URL)


def page_of(member, app):
    return reverse("autopilot:switch-on", args=[member.organisation.organisation_id, app.pk])


def about(connection, page):
    return reverse(
        f"autopilot:{page}", args=[connection.organisation.organisation_id, connection.number]
    )


def typed(**values):
    return {"name": "Books", "op_id": uuid.uuid4(), **values}


def test_the_page_of_a_package_offers_autopilot_where_it_has_an_address(client, member, app):
    where = {"organisation": member.organisation.organisation_id}
    with_address = client.get(reverse("connections:create", kwargs={**where, "app": app.pk}))
    App.objects.update(autopilot_url="")
    without = client.get(reverse("connections:create", kwargs={**where, "app": app.pk}))

    assert page_of(member, app) in with_address.text
    assert page_of(member, app) not in without.text
    assert client.get(page_of(member, app)).status_code == 302


def test_switching_on_shows_the_signing_secret_once_and_stores_it_nowhere(client, member, app):
    form = typed()

    shown = client.post(page_of(member, app), form)
    again = client.post(page_of(member, app), form)

    assert shown.status_code == 200
    assert "no-store" in shown.headers["Cache-Control"]
    assert SECRET.search(shown.text.replace("&#x2B;", "+").replace("&#x3D;", "="))
    assert (again.status_code, "whsec_" in again.text) == (409, False)
    connection = Connection.objects.get()
    assert "whsec_" not in client.get(connection.get_absolute_url()).text


def test_key_connections_of_the_administration_are_named_with_a_way_to_revoke_them(
    client, member, app
):
    keys = connect(member.user, name="Old keys")[0]

    asked = client.get(page_of(member, app))
    refused = client.post(page_of(member, app), typed())

    assert refused.status_code == 422
    for page in (asked, refused):
        assert "Old keys" in page.text
        assert keys.url("revoke") in page.text
    assert 'value="Books"' in refused.text
    elsewhere = client.post(page_of(member, app), typed(administration="Shop"))
    assert elsewhere.status_code == 200


def test_a_second_autopilot_asks_before_it_is_made(client, member, app):
    switched_on(member, URL)

    asked = client.post(page_of(member, app), typed())
    made = client.post(page_of(member, app), typed(confirmed="on"))

    assert (asked.status_code, 'name="confirmed"' in asked.text) == (422, True)
    assert made.status_code == 200


def test_a_second_one_of_the_same_package_leads_to_the_first(client, member):
    first = switched_on(member, URL)[0]

    refused = client.post(page_of(member, first.app), typed())

    assert refused.status_code == 422
    assert first.get_absolute_url() in refused.text


@pytest.mark.parametrize("form", [{"name": "x"}, {"name": "", "op_id": "x"}, {"name": "x" * 100}])
def test_bad_input_gets_a_sentence(client, member, app, form):
    answer = client.post(page_of(member, app), form)

    assert answer.status_code == 422
    assert not Connection.objects.exists()


def test_the_page_of_the_connection_says_how_it_is(client, autopilot, package, arrive, member):
    before = client.get(autopilot.get_absolute_url()).text
    arrive("2026-9")
    package.behave = lambda message: 500
    pushing.push_next()
    failing = client.get(autopilot.get_absolute_url()).text
    package.behave = lambda message: 200
    Push.objects.update(send_after=timezone.now())
    pushing.push_next()
    working = client.get(autopilot.get_absolute_url()).text
    Push.objects.create(offer=autopilot.offers.get(), given_up_at=timezone.now())
    given_up = client.get(autopilot.get_absolute_url()).text
    connections.pause(connection=autopilot, by=member.user)
    paused = client.get(autopilot.get_absolute_url()).text

    assert "Switched on, nothing pushed yet." in before
    assert "takes no invoices" in failing
    assert "HTTP 500: The package has a fault." in failing
    assert "last invoice delivered" in working
    assert "1 invoice was given up" in given_up
    assert "Paused by" in paused
    for page in (before, failing, working, given_up, paused):
        assert package.host in page
        assert "Create new keys" not in page


def test_the_page_looks_again_until_the_first_delivery(client, autopilot, package, arrive):
    headers = {"HX-Request": "true", "HX-Target": "state"}
    waits = client.get(autopilot.get_absolute_url(), headers=headers)
    arrive("1")
    pushing.push_next()
    arrived = client.get(autopilot.get_absolute_url(), headers=headers)

    assert [waits.headers.get("HX-Refresh"), arrived.headers.get("HX-Refresh")] == [None, "true"]


def test_the_overview_and_the_methods_know_autopilot(client, autopilot):
    overview = client.get(reverse("connections:overview")).text

    assert "Never used" in overview
    assert "Receive" in overview
    assert "Create new keys" not in overview
    assert "Connection keys, Autopilot" in client.get(reverse("connections:methods")).text


def test_the_journal_filters_what_failed_and_what_was_delivered(client, autopilot, package, arrive):
    package.behave = lambda message: 400 if message["data"]["number"] == "bad" else 200
    arrive("good", "bad")
    pushing.push_next()
    journal = about(autopilot, "journal")

    everything = client.get(journal).text
    failed = client.get(journal + "?result=failed").text
    delivered = client.get(journal + "?result=delivered").text

    assert (">good<" in everything, ">bad<" in everything) == (True, True)
    assert (">good<" in failed, ">bad<" in failed) == (False, True)
    assert (">good<" in delivered, ">bad<" in delivered) == (True, False)
    assert "HTTP 400" in failed


@pytest.mark.parametrize("page", ["journal", "connection"])
def test_one_line_and_many_take_the_same_number_of_queries(
    client, autopilot, package, arrive, page, django_assert_num_queries
):
    where = about(autopilot, page) if page == "journal" else autopilot.get_absolute_url()
    arrive("1")
    pushing.push_next()
    client.get(where)  # the first page of a session writes down that it was seen
    with CaptureQueriesContext(database) as of_one:
        client.get(where)
    arrive(*map(str, range(2, 6)))
    pushing.push_next()

    with django_assert_num_queries(len(of_one)):
        client.get(where)


def test_a_long_journal_comes_in_pages(client, autopilot):
    Attempt.objects.bulk_create(
        Attempt(
            connection=autopilot, message=uuid.uuid4(), milliseconds=n, outcome="fault", status=500
        )
        for n in range(60)
    )

    first = client.get(about(autopilot, "journal") + "?result=failed")
    after = re.search(r'href="\?([^"]*after=[^"]*)"', first.text)[1].replace("&amp;", "&")
    second = client.get(about(autopilot, "journal") + "?" + after)

    assert first.text.count("<tr>") == 51
    assert second.text.count("<tr>") == 11


def test_what_the_package_answers_is_shown_as_text(client, autopilot):
    Attempt.objects.create(
        connection=autopilot,
        message=uuid.uuid4(),
        milliseconds=1,
        outcome="fault",
        status=500,
        said="<script>alert(1)</script>",
    )

    assert "<script>alert" not in client.get(about(autopilot, "journal")).text


def test_a_test_shows_the_answer(client, autopilot, package):
    package.behave = lambda message: 401

    asked, answered = client.get(about(autopilot, "test")), client.post(about(autopilot, "test"))

    assert asked.status_code == 200
    assert "The package refused it." in answered.text
    assert "HTTP 401" in answered.text
    assert len(package.got) == 1


def test_test_connection_leads_to_the_test_of_autopilot(client, autopilot):
    answer = client.get(autopilot.url("test"))

    assert answer.headers["Location"] == about(autopilot, "test")


def test_a_new_signing_secret_is_shown_once(client, autopilot):
    form = {"op_id": uuid.uuid4()}

    question = client.get(about(autopilot, "new-signing-secret"))
    shown = client.post(about(autopilot, "new-signing-secret"), form)
    again = client.post(about(autopilot, "new-signing-secret"), form)

    assert "Create signing secret" in question.text
    assert "whsec_" in shown.text
    assert (again.status_code, "whsec_" in again.text) == (409, False)
    assert "signs too until" in client.get(autopilot.get_absolute_url()).text


@pytest.mark.parametrize("page", ["journal", "test", "new-signing-secret"])
def test_a_connection_with_keys_has_none_of_these_pages(client, member, page):
    keys = connect(member.user)[0]

    assert client.get(about(keys, page)).status_code == 302


def test_taking_over_shows_no_keys_and_goes_on(client, autopilot, member):
    other = MembershipFactory(organisation=member.organisation, user__administrator=True).user
    form = {"owner": other.pk, "op_id": uuid.uuid4()}

    asked = client.get(autopilot.url("take-over"))
    answer = client.post(autopilot.url("take-over"), form)

    assert "App Key" not in asked.text
    assert answer.headers["Location"] == autopilot.get_absolute_url()
    autopilot.refresh_from_db()
    assert autopilot.owner == other


@pytest.mark.parametrize(
    ("url", "functions", "sentence"),
    [
        ("https://127.0.0.1/", ["GetInboxDocument"], "Use the name of a server on the internet"),
        ("http://books.example.com/", ["GetInboxDocument"], "must begin with https://"),
        (URL, ["SendDocument"], "must ask for the API function"),
    ],
)
def test_an_own_app_gets_an_address_that_can_be_called_and_the_function_it_takes(
    client, member, url, functions, sentence
):
    page = reverse("connections:new-own-app", args=[member.organisation.organisation_id])
    form = {"name": "Mine", "functions": functions, "autopilot_url": url}

    refused = client.post(page, form)
    form |= {"autopilot_url": URL, "functions": ["GetInboxDocument"]}
    made = client.post(page, form)

    assert (refused.status_code, sentence in refused.text) == (422, True)
    assert f'value="{url}"' in refused.text
    assert made.status_code == 302
    app = App.objects.get(name="Mine")
    assert app.autopilot_url == URL

    edit = reverse("connections:edit-app", args=[app.pk])
    assert f'value="{URL}"' in client.get(edit).text
    client.post(edit, form | {"autopilot_url": ""})
    app.refresh_from_db()
    assert app.autopilot_url == ""


@pytest.mark.parametrize(
    ("url", "functions", "fields"),
    [
        (URL, ["GetInboxDocument"], set()),
        (URL, ["SendDocument"], {"autopilot_url"}),
        ("https://10.0.0.1/", ["GetInboxDocument"], {"autopilot_url"}),
        ("http://books.example.com/", ["GetInboxDocument"], {"autopilot_url"}),
    ],
)
def test_support_is_held_to_the_same(db, url, functions, fields):
    form = GenericAppForm(
        {"name": "Snel", "functions": functions, "autopilot_url": url, "minimum_plan": "basic"}
    )

    assert set(form.errors) == fields
