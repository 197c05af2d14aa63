"""SecurityTokens: OAuth 2.0 client credentials, dead with their keys (R42)."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from connections import keys, services, tokens
from connections.models import Access, CallCount, SecurityToken
from tests.factories import connect
from tests.software import Software, basic

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def connected():
    return connect()


@pytest.fixture
def pair(connected):
    return connected[1]


def ask(pair, path="/api/v1/token", *, grant_type="client_credentials", **fields):
    headers = {"Authorization": basic(pair.app_key, pair.secret.reveal())}
    fields = {"grant_type": grant_type, **fields}
    body = "&".join(f"{name}={value}" for name, value in fields.items())
    return Client().post(path, body, content_type=FORM, headers=headers)


def bearer(connected, token=None, **fields):
    """Software that calls with a token instead of the keys."""
    connection, pair = connected
    software = Software(pair, connection.organisation)
    software.authorization = f"Bearer {token or ask(pair, **fields).json()['access_token']}"
    return software


def refusal(answer):
    body = answer.json()
    return answer.status_code, body.get("error"), body["code"]


def test_a_token_opens_what_the_keys_open(connected):
    answer = ask(connected[1])

    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 4 * 3600)
    assert "no-store" in answer.headers["Cache-Control"]
    assert bearer(connected).get("/inbox").status_code == 200


def test_the_keys_may_come_in_the_form_too(connected, pair):
    body = f"grant_type=client_credentials&client_id={pair.app_key}&client_secret={pair.secret.reveal()}"

    answer = Client().post("/api/v1/token", body, content_type=FORM)

    assert bearer(connected, answer.json()["access_token"]).me().status_code == 200


def test_only_the_digest_of_a_token_is_kept(pair):
    token = ask(pair).json()["access_token"]

    row = SecurityToken.objects.values().get()

    assert token not in str(row)
    assert row["digest"] == keys.token_digest(token)


def test_asked_scopes_narrow_a_token(connected):
    software = bearer(connected, scope="RETRIEVE_INBOX_DOCS")

    refused = software.get("/outbox")

    assert software.get("/inbox").status_code == 200
    assert (refused.status_code, refused.json()["reason"]) == (403, "token")
    assert [f["function"] for f in software.me().json()["functions"]] == ["GetInboxDocuments"]


def test_a_scope_gives_no_right_that_the_keys_lost(connected):
    software = bearer(connected, scope="RETRIEVE_INBOX_DOCS")
    connected[0].owner.memberships.update(accesses=[])

    assert software.get("/inbox").json()["reason"] == "owner"


def test_a_scope_that_the_keys_lack_is_refused_by_name():
    _connection, pair = connect(access=Access.CHOSEN, functions=["GetInboxDocuments"])

    answer = ask(pair, scope="RETRIEVE_INBOX_DOCS SEND_DOC")

    assert refusal(answer) == (400, "invalid_scope", "ERRCDO4000011")
    assert answer.json()["scope"] == "SEND_DOC"
    assert answer.json()["reason"] == "key"
    assert CallCount.objects.get().function == "SendDocument"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"scope": "NONSENSE"}, (400, "invalid_scope", "ERRCDO4000011")),
        ({"grant_type": "password"}, (400, "unsupported_grant_type", "ERRIAU4000002")),
        ({"scope": "A&scope=B"}, (400, "invalid_request", "ERRAPI4000422")),
        ({"client_secret": "kps_x"}, (400, "invalid_request", "ERRIAU4000001")),
        ({"scope": "%ff"}, (400, "invalid_request", "ERRAPI4000422")),
        ({"scope": "x" * 9000}, (413, "invalid_request", "ERRAPI4000414")),
    ],
)
def test_errors_have_the_form_of_rfc_6749(pair, fields, expected):
    assert refusal(ask(pair, **fields)) == expected


def test_wrong_keys_are_an_invalid_client(pair):
    stranger = keys.make_pair()

    answer = ask(keys.KeyPair(pair.app_key, stranger.secret))

    assert refusal(answer) == (401, "invalid_client", "ERRIAU6000007")
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_a_blocked_environment_is_an_unauthorized_client(connected, pair):
    environment = connected[0].organisation.environment
    environment.blocked_at = timezone.now()
    environment.save()

    assert refusal(ask(pair)) == (400, "unauthorized_client", "ERRPRO1000004")


def test_a_token_dies_with_its_keys_and_says_why(connected):
    software = bearer(connected)
    services.create_new_keys(connection=connected[0], by=connected[0].owner, op_id="0" * 32)

    answer = software.me()

    assert (answer.status_code, answer.json()["reason"]) == (401, "superseded")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_an_expired_token_says_so_until_it_is_forgotten(connected):
    software = bearer(connected)
    past = timezone.now() - timedelta(hours=1)
    SecurityToken.objects.update(expires_at=past)

    assert software.me().json()["reason"] == "token_expired"
    assert tokens.forget_expired() == 0
    SecurityToken.objects.update(expires_at=past - timedelta(days=1))
    assert tokens.forget_expired() == 1
    assert "reason" not in software.me().json()


def test_of_more_than_20_tokens_the_oldest_ends(connected, pair):
    first = bearer(connected)
    others = [bearer(connected) for _ in range(20)]

    assert SecurityToken.objects.count() == 20
    assert first.me().status_code == 401
    assert {others[0].me().status_code, others[-1].me().status_code} == {200}


def test_a_revoked_token_is_dead_and_the_others_are_not(connected, pair):
    token, other = (ask(pair).json()["access_token"] for _ in range(2))

    answers = [ask(pair, "/api/v1/token/revoke", token=token).status_code for _ in range(2)]

    assert answers == [200, 200]
    assert bearer(connected, token).me().status_code == 401
    assert bearer(connected, other).me().status_code == 200


def test_nobody_revokes_the_token_of_other_keys(connected, pair):
    token = ask(pair).json()["access_token"]
    _connection, stranger = connect()

    ask(stranger, "/api/v1/token/revoke", token=token)

    assert bearer(connected, token).me().status_code == 200


def test_a_token_costs_one_statement_as_the_keys_do(
    connected, written_later, django_assert_num_queries
):
    software = bearer(connected)

    with django_assert_num_queries(1):
        software.me()


@pytest.mark.parametrize(
    "address",
    ["/api/v1/me?key={secret}", "/api/v1/me?access_token={token}", "/api/v1/me?a=k%70t_1"],
)
def test_what_stands_in_the_address_is_refused_beside_right_keys(connected, pair, address):
    token = ask(pair).json()["access_token"]
    address = address.format(secret=pair.secret.reveal(), token=token)
    headers = {"Authorization": basic(pair.app_key, pair.secret.reveal())}

    answer = Client().get(address, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "ERRIAU4000001")


def test_two_credentials_in_one_header_are_refused(pair):
    header = basic(pair.app_key, pair.secret.reveal())

    answer = Client().get("/api/v1/me", headers={"Authorization": f"{header}, {header}"})

    assert (answer.status_code, answer.json()["code"]) == (400, "ERRIAU4000001")


def test_libraries_find_the_addresses_by_themselves(client, settings):
    described = client.get("/.well-known/oauth-authorization-server").json()

    assert described["issuer"] == settings.PORTAL_BASE_URL
    for name in ("token_endpoint", "revocation_endpoint", "introspection_endpoint"):
        path = described[name].removeprefix(settings.PORTAL_BASE_URL)
        assert client.post(path, content_type=FORM).status_code == 401
