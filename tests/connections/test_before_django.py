"""The web server's own way to the API: the yes of verify before Django, calls without Django's signals."""

import io
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from connections import catalogue, services
from connections.calls import CALLS
from connections.endpoints.gateways import let_through
from connections.models import Access, AddedFunction, CallCount, KeySet, SecurityToken
from portal.middleware import is_https
from portal.wsgi import application
from tests.connections.test_tokens import ask
from tests.factories import AppFactory, UserFactory, connect
from tests.software import Software, basic

pytestmark = pytest.mark.django_db

ASKED = "function=GetInboxDocuments"


@pytest.fixture(autouse=True)
def one_transaction(monkeypatch):
    """As Django's test client does, leave the connection open in which the test rolls back."""
    monkeypatch.setattr("portal.wsgi.close_old_connections", lambda: None)


@pytest.fixture
def connected():
    return connect(access=Access.CHOSEN, functions=["GetInboxDocuments"])


def environ(path, query="", header="", **more):
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_AUTHORIZATION": header,
        "wsgi.input": io.BytesIO(),
        "wsgi.url_scheme": "http",
    } | more


def answered(*asked, **more):
    """Status and headers that the web server is given."""
    heard = []
    body = application(
        environ(*asked, **more), lambda status, headers: heard.append((status, headers))
    )
    ((status, headers),) = heard
    assert len(headers) == len(dict(headers))
    return int(status[:3]), dict(headers), b"".join(body)


def paused(connection, pair):
    services.pause(connection=connection, by=connection.owner)


def revoked(connection, pair):
    services.revoke(connection=connection, by=connection.owner)


def replaced(connection, pair):
    services.create_new_keys(connection=connection, by=connection.owner, op_id="0" * 32)


def over(connection, pair):
    KeySet.objects.update(ends_at=timezone.now() - timedelta(days=1))


def without_integrations(connection, pair):
    environment = connection.organisation.environment
    environment.plan = "invoice_portal"
    environment.save()


def blocked(connection, pair):
    environment = connection.organisation.environment
    environment.blocked_at = timezone.now()
    environment.save()


def ownerless(connection, pair):
    connection.owner.memberships.all().delete()


@pytest.mark.parametrize(
    "happens", [paused, revoked, replaced, over, without_integrations, blocked, ownerless]
)
@pytest.mark.parametrize("by_token", [False, True], ids=["keys", "token"])
def test_the_yes_ends_with_whatever_ends_calls(connected, happens, by_token):
    connection, pair = connected
    header = Software(pair, connection.organisation).authorization
    if by_token:
        header = f"Bearer {ask(pair).json()['access_token']}"
    before = answered("/api/v1/verify", ASKED, header)

    happens(*connected)

    after = answered("/api/v1/verify", ASKED, header)
    by_django = Client().get(f"/api/v1/verify?{ASKED}", headers={"Authorization": header})
    assert before[0] == 204
    assert (after[0], after[1]["X-Koppel-Code"]) == (
        by_django.status_code,
        by_django["X-Koppel-Code"],
    )
    assert after[0] in (401, 403)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/v1/verify", "function=SendDocument"),
        ("/api/v1/verify", "function=NoSuchFunction"),
        ("/api/v1/verify", ""),
        ("/api/v1/verify", f"{ASKED}&function=SendDocument"),
        ("/api/v1/verify", f"{ASKED}&organisation=KPNL1"),
        ("/api/v1/verify", f"{ASKED}&note=kps_abc"),
        ("/api/v1/verify", f"{ASKED}&organisation=%00"),
        ("/api/v1/verify/SendDocument/orders", ""),
        ("/api/v1/verify/GetInboxDocuments", ""),
        ("/api/v1/verifyGetInboxDocuments", ASKED),
    ],
)
def test_what_is_no_plain_yes_is_answered_by_django(connected, path, query):
    header = Software(connected[1], connected[0].organisation).authorization

    assert let_through(environ(path, query, header), "req_1") is None
    status, headers, _body = answered(path, query, header)
    by_django = Client().get(f"{path}?{query}", headers={"Authorization": header})
    assert (status, headers.get("X-Koppel-Code")) == (
        by_django.status_code,
        by_django.get("X-Koppel-Code"),
    )
    assert status >= 400


@pytest.mark.parametrize(
    "header",
    ["", "Basic", "Bearer kpt_x", basic("kpa_x", "kps_y"), "Basic " + "A" * 70_000, "Basic é"],
)
def test_who_proves_nothing_hears_it_without_the_database(header, django_assert_num_queries):
    with django_assert_num_queries(0):
        status, headers, _body = answered("/api/v1/verify", ASKED, header)

    assert (status, headers["X-Koppel-Code"]) == (401, "ERRIAU6000007")


def test_both_ways_say_the_same_of_a_yes(connected):
    header = Software(connected[1], connected[0].organisation).authorization

    status, headers, body = answered("/api/v1/verify", ASKED, header)

    by_django = Client().get(f"/api/v1/verify?{ASKED}", headers={"Authorization": header})
    expected = {**by_django.headers, "X-Request-ID": headers["X-Request-ID"]}
    del expected["Content-Type"]
    assert (status, body) == (204, b"")
    assert headers == expected


def test_a_yes_is_one_statement_and_is_counted_with_its_network(
    connected, written_later, django_assert_num_queries
):
    header = Software(connected[1], connected[0].organisation).authorization

    with django_assert_num_queries(1):
        answered("/api/v1/verify/GetInboxDocuments/orders/7", "", header, REMOTE_ADDR="192.0.2.7")

    CALLS.flush()
    count = CallCount.objects.get()
    assert (count.function, count.code, count.calls) == ("GetInboxDocuments", "", 1)
    assert count.last_network == "192.0.2.0/24"


def test_a_function_that_support_adds_is_let_through_from_then_on(connected):
    connection, pair = connect(app=AppFactory(functions=["GetOrders"]))
    header = Software(pair, connection.organisation).authorization
    assert answered("/api/v1/verify", "function=GetOrders", header)[0] == 403

    function = AddedFunction(name="GetOrders", scope="RETRIEVE_ORDERS", label="list orders")
    catalogue.add_function(function, by=UserFactory(staff=True))

    assert answered("/api/v1/verify", "function=GetOrders", header)[0] == 204


def test_a_call_in_clear_is_never_let_through_before_django(
    connected, settings, django_assert_num_queries
):
    settings.SECURE_SSL_REDIRECT = True
    header = Software(connected[1], connected[0].organisation).authorization

    with django_assert_num_queries(0):
        in_clear = is_https(environ("/api/v1/verify", ASKED, header))

    assert in_clear is False
    assert is_https(environ("/api/v1/verify", ASKED, header, **{"wsgi.url_scheme": "https"}))


def test_calls_carry_the_same_headers_whoever_calls_the_stack(connected):
    header = Software(connected[1], connected[0].organisation).authorization

    status, headers, body = answered("/api/v1/me", "", header)

    by_django = Client().get("/api/v1/me", headers={"Authorization": header})
    assert (status, body) == (200, by_django.content)
    assert headers.keys() | {"Content-Length"} == by_django.headers.keys() | {"Content-Length"}
    assert headers["Cache-Control"] == "no-store, private"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_refused_calls_are_logged_by_this_way_too(caplog):
    status, headers, _body = answered("/api/v1/nothing")

    assert status == 404
    assert "404 GET (no page)" in caplog.text
    assert caplog.records[-1].request.id == headers["X-Request-ID"]


def test_a_token_whose_time_is_over_is_no_yes(connected):
    token = ask(connected[1]).json()["access_token"]
    SecurityToken.objects.update(expires_at=timezone.now())

    status, headers, _body = answered("/api/v1/verify", ASKED, f"Bearer {token}")

    assert (status, headers["X-Koppel-Reason"]) == (401, "token_expired")
