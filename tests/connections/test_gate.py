"""The API's gate: header → keys → state → organisation → scope → input (R43)."""

import pytest
from django.test import Client
from django.utils import timezone

from accounts import services as accounts
from accounts.roles import Role
from connections import keys, services
from connections.functions import FUNCTIONS
from connections.models import Access, CallCount
from tests.factories import AppFactory, MembershipFactory, OrganisationFactory, UserFactory, connect
from tests.software import Software, basic

pytestmark = pytest.mark.django_db


@pytest.fixture
def connected():
    return connect()


@pytest.fixture
def software(connected):
    connection, pair = connected
    return Software(pair, connection.organisation)


def code(response):
    return response.status_code, response.json()["code"]


def test_right_keys_tell_what_they_open(connected, software):
    connection, pair = connected

    answer = software.me().json()

    assert answer["app_key"] == pair.app_key
    assert [o["id"] for o in answer["organisations"]] == [connection.organisation.organisation_id]
    assert [f["function"] for f in answer["functions"]] == list(FUNCTIONS)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic ####",
        "Bearer kps_abc",
        basic("kpa_x", "kps_y"),
        basic("é", "ü"),
        "Basic " + "A" * 70_000,
    ],
)
def test_malformed_keys_get_the_one_answer_without_the_database(header, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = Client().get("/api/v1/me", headers={"Authorization": header} if header else {})

    assert code(response) == (401, "ERRIAU6000007")


def test_unknown_wrong_and_malformed_keys_get_the_same_answer(connected):
    _connection, pair = connected
    other = keys.make_pair()
    headers = [
        basic(other.app_key, other.secret.reveal()),
        basic(pair.app_key, other.secret.reveal()),
        basic(pair.secret.reveal(), pair.app_key),
    ]

    answers = [Client().get("/api/v1/me", headers={"Authorization": h}).json() for h in headers]

    for answer in answers:
        del answer["request_id"]
    assert answers[0] == answers[1] == answers[2]
    assert "reason" not in answers[0]


def test_who_proved_the_secret_of_replaced_keys_hears_the_reason(connected, software):
    connection, _pair = connected
    services.create_new_keys(connection=connection, by=connection.owner, op_id="0" * 32)

    answer = software.me()

    assert code(answer) == (401, "ERRIAU6000007")
    assert answer.json()["reason"] == "superseded"


def test_revoked_keys_are_dead_and_say_so(connected, software):
    connection, _pair = connected
    services.revoke(connection=connection, by=connection.owner)

    assert software.me().status_code == 401
    assert software.me().json()["reason"] == "revoked"


def test_a_blocked_environment_is_closed(connected, software):
    environment = connected[0].organisation.environment
    environment.blocked_at = timezone.now()
    environment.save()

    assert code(software.me()) == (403, "ERRPRO1000004")


@pytest.mark.parametrize("loss", ["role", "block", "remove", "membership"])
def test_keys_stop_when_their_owner_may_not_own_them_any_more(connected, software, loss):
    owner = connected[0].owner
    by = UserFactory(administrator=True, environment=owner.environment)

    match loss:
        case "role":
            accounts.change_role(user=owner, role=Role.BASIC, by=by)
        case "block":
            accounts.block(user=owner, by=by)
        case "remove":
            accounts.remove(user=owner, by=by)
        case "membership":
            accounts.set_organisations(user=owner, organisations=[], by=by)

    assert code(software.me()) == (403, "ERRIAU3000001")


def test_another_organisation_is_not_covered(connected, software):
    other = OrganisationFactory(environment=connected[0].organisation.environment)
    software.root = f"/api/v1/{other.organisation_id}"

    assert code(software.get("/inbox")) == (403, "ERRGRP3000006")


def test_a_missing_scope_is_named_with_the_reason():
    connection, pair = connect(access=Access.CHOSEN, functions=["GetInboxDocuments"])
    software = Software(pair, connection.organisation)

    refused = software.get("/outbox")

    body = refused.json()
    assert code(refused) == (403, "ERRCDO4000011")
    assert body["message"] == "SecurityToken scope in request is not available for this key"
    assert (body["scope"], body["function"], body["reason"]) == (
        "RETRIEVE_OUTBOX_DOCS",
        "GetOutboxDocuments",
        "key",
    )
    assert body["request_id"] == refused.headers["X-Request-ID"]
    assert software.get("/inbox").status_code == 200


def test_the_scope_is_checked_before_the_input():
    connection, pair = connect(access=Access.CHOSEN, functions=[])

    refused = Software(pair, connection.organisation).get("/inbox", limit="many")

    assert code(refused) == (403, "ERRCDO4000011")


def test_me_answers_whatever_the_scopes_are():
    connection, pair = connect(access=Access.CHOSEN, functions=[])

    answer = Software(pair, connection.organisation).me()

    assert (answer.status_code, answer.json()["functions"]) == (200, [])


def test_a_permission_added_to_an_own_app_opens_with_the_next_call():
    member = MembershipFactory(user__advanced=True)
    environment = member.organisation.environment
    app = AppFactory(environment=environment, functions=["GetAccountParties"])
    connection, pair = connect(member.user, app=app)
    software = Software(pair, connection.organisation)
    before = software.get("/inbox").status_code

    services.change_own_app(
        app=app, name=app.name, functions=["GetAccountParties", "GetInboxDocuments"], by=member.user
    )

    assert (before, software.get("/inbox").status_code) == (403, 200)


def test_narrowing_the_owners_accesses_narrows_the_key(connected, software):
    connected[0].owner.memberships.update(accesses=["GetInboxDocuments"])

    assert software.get("/inbox").status_code == 200
    assert software.get("/outbox").json()["reason"] == "owner"


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("get", "/api/v1/nowhere", (404, "ERRAPI4000404")),
        ("get", "/api/v1/", (404, "ERRAPI4000404")),
        ("delete", "/api/v1/me", (405, "ERRAPI4000405")),
        ("get", "/api/v1/%00/inbox", (401, "ERRIAU6000007")),
    ],
)
def test_errors_of_the_framework_look_like_ours(client, method, path, expected):
    response = getattr(client, method)(path)

    assert code(response) == expected
    assert response.json()["request_id"] == response.headers["X-Request-ID"]


def test_what_breaks_answers_in_our_form_without_a_trace(connected, software, monkeypatch):
    monkeypatch.setattr("connections.api.functions_of", lambda _names: 1 / 0)

    broken = software.me()

    assert code(broken) == (500, "ERRAPI8000500")
    assert "ZeroDivision" not in broken.content.decode()


def test_a_call_is_one_statement_before_its_own_work(
    software, written_later, django_assert_num_queries
):
    with django_assert_num_queries(1):
        software.me()


def test_calls_are_counted_by_outcome(connected, software):
    software.me()
    software.get("/inbox")
    software.get("/inbox")
    services.revoke(connection=connected[0], by=connected[0].owner)
    software.get("/inbox")

    counted = CallCount.objects.values_list("function", "code", "calls").order_by("pk")

    assert list(counted) == [
        ("", "", 1),
        ("GetInboxDocuments", "", 2),
        ("GetInboxDocuments", "ERRIAU6000007", 1),
    ]


def test_what_is_refused_after_the_gate_is_no_success(software):
    software.send(b"no invoice")

    counted = CallCount.objects.get()
    assert (counted.function, counted.code) == ("SendDocument", "ERRXSL4000001")
    assert counted.key_set.first_used_at is None


def test_the_caller_is_kept_as_a_network_only(software):
    software.me()

    assert CallCount.objects.get().last_network == "127.0.0.0/24"


def test_no_cookie_and_no_session_come_from_the_api(software):
    assert software.me().cookies == {}
