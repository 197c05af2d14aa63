"""For gateways: verify, introspection, and the functions of the operator's own API (R46)."""

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.events.models import Action, Event
from connections import catalogue, keys, services
from connections.forms import OwnAppForm
from connections.models import Access, AddedFunction, CallCount, Gateway
from tests.connections.test_tokens import FORM, ask, bearer
from tests.factories import AppFactory, OrganisationFactory, UserFactory, connect
from tests.software import Software, basic

pytestmark = pytest.mark.django_db


@pytest.fixture
def support():
    return UserFactory(staff=True)


@pytest.fixture
def desk(support, client):
    Authenticator.objects.create(user=support, type=Authenticator.Type.TOTP, data={})
    client.force_login(support)
    return client


@pytest.fixture
def orders(support):
    """A function of the operator's own API."""
    function = AddedFunction(name="GetOrders", scope="RETRIEVE_ORDERS", label="list orders")
    catalogue.add_function(function, by=support)
    return function


@pytest.fixture
def connected(orders):
    return connect(app=AppFactory(functions=["GetOrders", "GetInboxDocuments"]))


def verify(software, **query):
    address = "/api/v1/verify?" + "&".join(f"{name}={value}" for name, value in query.items())
    return Client().get(address, headers={"Authorization": software.authorization})


def software_of(connected):
    return Software(connected[1], connected[0].organisation)


# Verify


def test_what_the_keys_may_is_let_through_with_headers_for_the_api_behind(connected):
    connection, pair = connected
    organisation = connection.organisation.organisation_id

    answer = verify(software_of(connected), function="GetOrders", organisation=organisation)

    told = {
        name: answer.headers[f"X-Koppel-{name}"] for name in ("Organisation", "Scope", "App-Key")
    }
    assert answer.status_code == 204
    assert told == {
        "Organisation": organisation,
        "Scope": "RETRIEVE_ORDERS",
        "App-Key": pair.app_key,
    }
    assert CallCount.objects.get(function="GetOrders", code="").calls == 1


@pytest.mark.parametrize("method", ["get", "head", "post", "put", "patch", "delete", "options"])
def test_a_gateway_may_ask_with_method_and_path_of_the_call(connected, method):
    ask_with = getattr(Client(), method)
    headers = {"Authorization": software_of(connected).authorization}

    let_in = ask_with(
        "/api/v1/verify/GetOrders/orders/7?function=GetOutboxDocuments", headers=headers
    )
    refused = ask_with("/api/v1/verify/GetOutboxDocuments/orders/7", headers=headers)

    assert (let_in.status_code, refused.status_code) == (200, 403)


def test_a_token_is_verified_like_the_keys_and_narrows(connected):
    narrow = bearer(connected, scope="RETRIEVE_INBOX_DOCS")

    assert verify(bearer(connected), function="GetOrders").status_code == 204
    refused = verify(narrow, function="GetOrders")
    assert (refused.status_code, refused.headers["X-Koppel-Reason"]) == (403, "token")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"function": "GetOutboxDocuments"}, "ERRCDO4000011"),
        ({"function": "GetNothing"}, "ERRAPI3000001"),
        ({"function": "a%00b"}, "ERRAPI3000001"),
        ({}, "ERRAPI3000001"),
        ({"function": "GetOrders&function=GetOrders"}, "ERRAPI3000001"),
        ({"function": "GetOrders", "organisation": ""}, "ERRGRP3000006"),
        ({"function": "GetOrders", "organisation": "KPNL1"}, "ERRGRP3000006"),
    ],
)
def test_what_the_keys_may_not_is_403_with_the_code_in_a_header(connected, query, code):
    answer = verify(software_of(connected), **query)

    assert (answer.status_code, answer.headers["X-Koppel-Code"]) == (403, code)
    assert answer.json()["code"] == code


def test_wrong_and_revoked_keys_are_401(connected):
    connection, pair = connected
    stranger = software_of(connected)
    stranger.authorization = basic(pair.app_key, keys.make_pair().secret.reveal())
    services.revoke(connection=connection, by=connection.owner)

    assert verify(stranger, function="GetOrders").status_code == 401
    answer = verify(software_of(connected), function="GetOrders")
    assert (answer.status_code, answer.headers["X-Koppel-Reason"]) == (401, "revoked")


# Functions of the operator's own API


def test_an_added_function_is_a_box_of_apps_and_of_keys_at_once(connected):
    connection, _pair = connected
    boxes = [option.function.name for option in OwnAppForm().options()]

    assert boxes[-1] == "GetOrders"
    assert [f.name for f in connection.app.asked] == ["GetInboxDocuments", "GetOrders"]
    functions = software_of(connected).me().json()["functions"]
    assert {"function": "GetOrders", "scope": "RETRIEVE_ORDERS"} in functions


def test_an_added_function_is_given_to_a_key_like_any_other(orders):
    app = AppFactory(functions=["GetOrders", "GetInboxDocuments"])
    with_it = connect(app=app, access=Access.CHOSEN, functions=["GetOrders"])
    without = connect(app=app, access=Access.CHOSEN, functions=["GetInboxDocuments"])

    assert verify(software_of(with_it), function="GetOrders").status_code == 204
    assert verify(software_of(without), function="GetOrders").json()["reason"] == "key"


def test_built_in_functions_cost_no_query_for_the_catalogue(django_assert_num_queries):
    app = AppFactory(functions=["SendDocument"])

    with django_assert_num_queries(0):
        assert [function.name for function in app.asked] == ["SendDocument"]


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("SendDocument", "MINE"),
        ("senddocument", "MINE"),
        ("GetOrders", "SEND_DOC"),
        ("Get Orders", "MINE"),
        ("GetOrders", "mine"),
    ],
)
def test_support_cannot_shadow_a_built_in_function(desk, name, scope):
    form = {"name": name, "scope": scope, "label": "do it"}

    answer = desk.post(reverse("admin:connections_addedfunction_add"), form)

    assert answer.context["adminform"].form.errors
    assert not AddedFunction.objects.exists()


def test_support_adds_a_function_and_it_is_an_event(desk):
    form = {"name": "GetOrders", "scope": "RETRIEVE_ORDERS", "label": "list orders"}

    desk.post(reverse("admin:connections_addedfunction_add"), form)

    assert AddedFunction.objects.get().name == "GetOrders"
    assert Event.objects.get().action == Action.FUNCTION_ADDED


def test_the_name_of_a_function_stays(desk, orders):
    address = reverse("admin:connections_addedfunction_change", args=[orders.pk])

    desk.post(address, {"name": "Other", "scope": "OTHER", "label": "list all orders"})

    orders.refresh_from_db()
    assert (orders.name, orders.scope, orders.label) == (
        "GetOrders",
        "RETRIEVE_ORDERS",
        "list all orders",
    )


# Introspection


@pytest.fixture
def gateway(support):
    gateway = Gateway(name="Front door")
    return gateway, catalogue.create_gateway(gateway, by=support)


def introspect(pair, token):
    return ask(pair, "/api/v1/introspect", token=token)


def test_a_gateway_learns_what_a_token_opens_now(connected, gateway):
    token = bearer(connected).authorization.removeprefix("Bearer ")

    told = introspect(gateway[1], token).json()

    assert (told["active"], told["client_id"]) == (True, connected[1].app_key)
    assert told["scope"] == "RETRIEVE_INBOX_DOCS RETRIEVE_ORDERS"
    assert told["organisation"] == connected[0].organisation.organisation_id
    assert told["exp"] - told["iat"] == 4 * 3600


@pytest.mark.parametrize("end", ["revoked", "blocked", "owner", "unknown", "nonsense"])
def test_a_dead_token_is_only_inactive(connected, gateway, end):
    connection = connected[0]
    token = bearer(connected).authorization.removeprefix("Bearer ")
    match end:
        case "revoked":
            services.revoke(connection=connection, by=connection.owner)
        case "blocked":
            environment = connection.organisation.environment
            environment.blocked_at = timezone.now()
            environment.save()
        case "owner":
            connection.owner.memberships.all().delete()
        case "unknown":
            token = keys.make_token().reveal()
        case "nonsense":
            token = "%00"

    assert introspect(gateway[1], token).json() == {"active": False}


def test_only_a_gateway_may_introspect(connected, gateway, support):
    token = bearer(connected).authorization.removeprefix("Bearer ")
    catalogue.end_gateway(gateway[0], by=support)

    answers = [introspect(pair, token) for pair in (connected[1], gateway[1])]

    assert [(a.status_code, a.json()["error"]) for a in answers] == [(401, "invalid_client")] * 2


def test_a_gateway_opens_no_call_of_the_api(gateway):
    software = Software(gateway[1], OrganisationFactory())

    assert software.me().status_code == 401
    assert ask(gateway[1]).status_code == 401


def test_support_makes_a_gateway_and_sees_its_secret_once(desk):
    page = desk.post(reverse("admin:connections_gateway_add"), {"name": "Front door"})

    gateway = Gateway.objects.get()
    secret = keys.find_secrets(page.text)[0].reveal()
    assert gateway.opens_with(keys.Secret(secret))
    assert secret not in str(Gateway.objects.values().get())
    assert keys.find_secrets(desk.get(reverse("admin:connections_gateway_changelist")).text) == []
    assert Event.objects.get().action == Action.GATEWAY_CREATED


def test_support_ends_a_gateway_once(desk, gateway):
    post = {"action": "end", "confirmed": "yes", "_selected_action": [gateway[0].pk]}

    for _ in range(2):
        desk.post(reverse("admin:connections_gateway_changelist"), post)

    assert Gateway.objects.get().ended_at
    assert Event.objects.filter(action=Action.GATEWAY_ENDED).count() == 1


def test_a_token_in_the_address_of_introspection_is_refused(connected, gateway):
    token = bearer(connected).authorization.removeprefix("Bearer ")

    answer = ask(gateway[1], f"/api/v1/introspect?token={token}", token=token)

    assert (answer.status_code, answer.json()["code"]) == (400, "ERRIAU4000001")


def test_a_form_without_a_token_is_an_invalid_request(gateway):
    headers = {"Authorization": basic(gateway[1].app_key, gateway[1].secret.reveal())}

    answer = Client().post("/api/v1/introspect", "x=1", content_type=FORM, headers=headers)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
