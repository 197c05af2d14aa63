"""An accountancy's software asks clients for access, and collects their keys."""

import pytest
from django.test import Client

from accounts import services as accounts
from accounts.mail.models import Mail
from accounts.roles import Role
from connections import keys
from connections.models import KeySet
from partners import services as partners
from partners.models import AuthorisationRequest
from tests.factories import AppFactory, MembershipFactory, UserFactory, connect, let_in
from tests.software import Software

pytestmark = pytest.mark.django_db


@pytest.fixture
def accountant():
    return MembershipFactory(user__advanced=True, organisation__environment__accountant=True)


@pytest.fixture
def client_side():
    return MembershipFactory(user__administrator=True)


@pytest.fixture
def package():
    return AppFactory(name="Yuki", functions=["SendDocument", "GetInboxDocuments"])


class Accountancy(Software):
    def post(self, path="/integration-requests", data=None, **headers):
        address, headers = self._url(path), self._headers() | headers
        return self.client.post(address, data, content_type="application/json", headers=headers)

    def collect(self, request):
        return self.post(f"/integration-requests/{request.uuid}/credentials")


@pytest.fixture
def software(accountant):
    connection, pair = connect(accountant.user)
    return Accountancy(pair, connection.organisation)


@pytest.fixture
def wish(client_side, package):
    return {
        "client_name": "Bakkerij De Molen",
        "email": client_side.user.email,
        "registration_number": client_side.organisation.registration_number,
        "app": "yuki",
        "note": "As agreed",
    }


def code(answer):
    return answer.status_code, answer.json()["code"]


def accepted(accountant, client_side, package):
    mandate = let_in(accountant.user, client_side, app=package)
    return mandate.requests.get()


def test_software_asks_a_client_in_the_name_of_the_owner(software, accountant, wish):
    answer = software.post(data=wish)

    request = AuthorisationRequest.objects.get()
    assert answer.status_code == 201
    assert answer.json()["id"] == str(request.uuid)
    assert request.asked_by == accountant.user
    assert request.functions == ["SendDocument", "GetInboxDocuments"]
    assert Mail.objects.filter(to=wish["email"]).count() == 1


def test_a_repeated_call_sends_once(software, wish):
    answers = [software.post(data=wish, **{"Idempotency-Key": "7"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()
    assert AuthorisationRequest.objects.count() == 1


def test_the_same_idempotency_key_for_another_request_is_refused(software, wish):
    software.post(data=wish, **{"Idempotency-Key": "7"})

    answer = software.post(data=wish | {"note": "other"}, **{"Idempotency-Key": "7"})

    assert code(answer) == (422, "ERRSND2000001")


def test_a_pending_request_is_named_and_can_be_replaced(software, wish):
    first = software.post(data=wish).json()

    answer = software.post(data=wish)

    assert code(answer) == (409, "ERRAIR2000001")
    assert answer.json()["id"] == first["id"]
    assert software.post(data=wish | {"replace": True}).status_code == 201


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"registration_number": "12"}, "registration_number"),
        ({"email": "nobody"}, "email"),
        ({"app": "Unknown"}, "app"),
        ({"app": "a\0b"}, "app"),
        ({"client_name": "a\0b"}, "client_name"),
        ({"country": "XX"}, "country"),
        ({"functions": ["Nothing"]}, "functions"),
        ({"extra": 1}, "body.extra"),
        ({"note": "\ud800"}, "body.note"),
    ],
)
def test_wrong_input_is_named_field_by_field(software, wish, wrong, field):
    answer = software.post(data=wish | wrong)

    assert code(answer) == (422, "ERRAPI4000422")
    assert [detail["field"] for detail in answer.json()["details"]] == [field]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("{", (422, "ERRAPI4000422")),
        ('{"note": NaN}', (422, "ERRAPI4000422")),
        ("[" * 30 + "]" * 30, (422, "ERRAPI4000422")),
        ("[" * 30_000, (422, "ERRAPI4000422")),
        (b"\xff\xfe\x00", (422, "ERRAPI4000422")),
        (" " * 70_000, (413, "ERRAPI4000414")),
    ],
)
def test_bodies_that_are_no_sane_json_get_an_answer(software, body, expected):
    assert code(software.post(data=body)) == expected


@pytest.mark.parametrize("lack", ["right", "client's keys"])
def test_only_keys_of_an_accountancys_own_organisation_ask(
    accountant, client_side, wish, lack, package
):
    if lack == "right":
        accountant = MembershipFactory(user__advanced=True)
        connection, pair = connect(accountant.user)
    else:
        mandate = let_in(accountant.user, client_side)
        connection, pair = connect(accountant.user, organisation=mandate.organisation)

    answer = Accountancy(pair, connection.organisation).post(data=wish)

    assert code(answer) == (403, "ERRAIR3000001")
    assert not Mail.objects.filter(subject__contains="Yuki").exists()


def test_an_owner_who_lost_the_role_asks_nobody(software, accountant, wish):
    administrator = UserFactory(administrator=True, environment=accountant.user.environment)
    accounts.change_role(user=accountant.user, role=Role.BASIC, by=administrator)

    assert code(software.post(data=wish)) == (403, "ERRIAU3000001")


def test_requests_are_listed_with_filters(software, wish, accountant):
    software.post(data=wish)
    other = let_in(accountant.user)

    def found(**query):
        items = software.get("/integration-requests", **query).json()["items"]
        return [(item["email"], item["status"], item["organisation"]) for item in items]

    pending = (wish["email"], "pending", None)
    active = (other.email, "active", other.organisation.organisation_id)
    assert found() == [pending, active]
    assert found(status="active") == [active]
    assert found(counterparty=wish["registration_number"]) == [pending]
    assert found(created_to="2020-01-01T00:00:00") == []


def test_a_moment_may_be_told_in_any_time_zone(software, wish):
    software.post(data=wish)

    def found(moment):
        return len(software.get("/integration-requests", created_from=moment).json()["items"])

    assert (found("2020-01-01T00:00:00-22:55"), found("2713-07-16T22:59:11.2-22:55")) == (1, 0)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00", "9999-12-31T23:59:59-12:00", "soon"])
def test_moments_out_of_this_world_are_wrong_input(software, moment):
    assert software.get("/integration-requests", created_from=moment).status_code == 422


def test_strangers_requests_are_not_there(software):
    stranger = let_in().requests.get()

    assert software.get("/integration-requests").json()["items"] == []
    assert code(software.collect(stranger)) == (404, "ERRAIR4000404")
    nonsense = software.post("/integration-requests/nonsense/credentials")
    assert code(nonsense) == (404, "ERRAIR4000404")


def test_the_keys_of_a_client_who_accepted_are_collected_once(
    software, accountant, client_side, package
):
    request = accepted(accountant, client_side, package)

    answer = software.collect(request)

    made = answer.json()
    pair = keys.KeyPair(made["app_key"], keys.Secret(made["secret"]))
    assert answer.status_code == 201
    assert Software(pair, client_side.organisation).me().status_code == 200
    connection = KeySet.objects.get(app_key=made["app_key"]).connection
    assert (connection.owner, connection.mandate) == (accountant.user, request.mandate)


def test_a_second_collection_makes_nothing_and_shows_no_secret(
    software, accountant, client_side, package
):
    request = accepted(accountant, client_side, package)
    first = software.collect(request).json()

    again = software.collect(request)

    assert code(again) == (409, "ERRAIR2000002")
    assert again.json()["app_key"] == first["app_key"]
    assert keys.find_secrets(again.text) == []


def test_without_an_acceptance_there_are_no_keys(software, accountant, client_side, package, wish):
    software.post(data=wish)
    pending = AuthorisationRequest.objects.get()

    assert code(software.collect(pending)) == (409, "ERRAIR2000002")
    partners.decline(request=pending, by=client_side.user)
    assert "Declined" in software.collect(pending).json()["details"]
    assert KeySet.objects.count() == 1


def test_the_secret_is_in_no_table(software, accountant, client_side, package, django_db_blocker):
    from django.db import connection as db

    secret = software.collect(accepted(accountant, client_side, package)).json()["secret"]

    with db.cursor() as cursor:
        for table in db.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608
            assert secret not in str(cursor.fetchall()), table


def test_a_body_without_keys_is_not_read(wish):
    answer = Client().post(
        "/api/v1/KPNL1/integration-requests", "{", content_type="application/json"
    )

    assert answer.status_code == 401
