"""The pages of connections: keys are shown once, hostile forms change nothing, lists cost the same."""

import io
import re
import uuid
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection as db
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from accounts.models import ElectronicAddress
from connections import services
from connections.models import Access, App, Connection, KeySet
from tests.browsing import signed_in
from tests.factories import PASSWORD, AppFactory, MembershipFactory, connect, let_in
from tests.invoices.documents import invoice
from tests.software import Software

pytestmark = pytest.mark.django_db
SECRET = re.compile(r"kps_[0-9A-Za-z]{38}")


@pytest.fixture
def member():
    return MembershipFactory(user__advanced=True, user__with_login=True)


@pytest.fixture
def organisation(member):
    return member.organisation


@pytest.fixture
def app():
    return AppFactory(name="Yuki")


def log_in(client, user):
    client.post(reverse("account_login"), {"login": user.email, "password": PASSWORD})


@pytest.fixture
def visitor(member):
    client = Client()
    log_in(client, member.user)
    return client


def address(name, organisation, **values):
    kwargs = {"organisation": organisation.organisation_id, **values}
    return reverse(f"connections:{name}", kwargs=kwargs)


def form(**values):
    asked = {"name": "Bookkeeping", "access": Access.ALL, "confirmed": "on"}
    return {**asked, "op_id": uuid.uuid4(), **values}


def test_creating_shows_app_key_and_secret_once(visitor, organisation, app):
    url = address("create", organisation, app=app.pk)

    response = visitor.post(url, form())

    page = response.content.decode()
    connection = Connection.objects.for_list().get()
    assert response.status_code == 200
    assert connection.app_key in page
    assert len(set(SECRET.findall(page))) == 1
    assert SECRET.search(visitor.get(connection.get_absolute_url()).content.decode()) is None


def test_the_page_with_the_secret_is_kept_by_nobody(visitor, organisation, app):
    response = visitor.post(address("create", organisation, app=app.pk), form())

    assert "no-store" in response.headers["Cache-Control"]
    assert "Content-Encoding" not in response.headers
    assert SECRET.search(str(dict(visitor.session))) is None


def test_reloading_the_answer_makes_no_second_set(visitor, organisation, app):
    url, posted = address("create", organisation, app=app.pk), form()
    visitor.post(url, posted)

    again = visitor.post(url, posted)

    assert again.status_code == 409
    assert SECRET.search(again.content.decode()) is None
    assert KeySet.objects.count() == 1


def test_a_second_connection_is_answered_with_the_way_to_new_keys(visitor, organisation, app):
    visitor.post(address("create", organisation, app=app.pk), form())

    second = visitor.post(address("create", organisation, app=app.pk), form(name="Typed by me"))

    assert second.status_code == 422
    assert "Typed by me" in second.content.decode()
    assert address("new-keys", organisation, number=1) in second.content.decode()


def test_where_the_client_connected_the_package_its_accountant_is_led_to_what_is_open(app):
    mandate = let_in(app=app)
    organisation, accountant = mandate.organisation, mandate.requests.get().asked_by
    client = organisation.memberships.exclude(user=accountant).get().user
    connect(client, organisation, app=app)
    visitor, url = signed_in(accountant), address("create", organisation, app=app.pk)

    refused = visitor.post(url, form())

    assert refused.status_code == 422
    assert "only its people can create new keys for it" in refused.text
    assert address("new-keys", organisation, number=1) not in refused.text
    assert visitor.post(url, form(administration="Second")).status_code == 200


def test_new_keys_are_shown_once_and_the_old_ones_are_dead(visitor, member):
    connection, old = connect(member.user)
    url, posted = connection.url("new-keys"), {"op_id": uuid.uuid4()}

    shown, again = visitor.post(url, posted), visitor.post(url, posted)

    assert (shown.status_code, again.status_code) == (200, 409)
    assert SECRET.search(shown.content.decode())
    assert Software(old, connection.organisation).me().status_code == 401


@pytest.mark.parametrize("name", ["create", "new-keys", "accesses"])
def test_an_old_login_is_asked_for_the_password_and_nothing_typed_is_lost(
    visitor, member, organisation, app, name, time_machine
):
    connection, _pair = connect(member.user)
    number = {"app": app.pk} if name == "create" else {"number": connection.number}
    time_machine.move_to(timezone.now() + timedelta(seconds=601))
    before = KeySet.objects.count()

    asked = visitor.post(address(name, organisation, **number), form(name="Typed before"))
    answered = visitor.post(asked.headers["Location"], {"password": PASSWORD})

    assert asked.headers["Location"].startswith("/accounts/reauthenticate/")
    assert answered.status_code in {200, 302}
    assert KeySet.objects.count() == before + (name != "accesses")


def test_a_tampered_form_gives_no_locked_access(visitor, member, organisation):
    member.accesses = ["SendDocument"]
    member.save()
    app = AppFactory(functions=["SendDocument", "GetInboxDocuments"])

    visitor.post(
        address("create", organisation, app=app.pk),
        form(
            access=Access.CHOSEN,
            functions=["SendDocument", "GetInboxDocuments"],
            owner=1,
            organisation=99,
            state="active",
        ),
    )

    connection = Connection.objects.get()
    assert (connection.functions, connection.owner) == (["SendDocument"], member.user)
    assert connection.organisation == organisation


@pytest.mark.parametrize(
    "values",
    [
        {"name": ""},
        {"name": "x" * 61},
        {"name": "a\0b"},
        {"access": "everything"},
        {"op_id": "junk"},
        {"op_id": ""},
        {"access": Access.CHOSEN, "functions": ["DropTables"]},
        {"administration": "y" * 61},
    ],
)
def test_a_wrong_form_is_answered_with_a_sentence_and_keeps_what_was_typed(
    visitor, organisation, app, values
):
    response = visitor.post(address("create", organisation, app=app.pk), form(**values))

    assert response.status_code == 422
    assert response.context["form"].errors
    assert not Connection.objects.exists()


def test_the_own_app_of_another_environment_cannot_be_connected(visitor, organisation):
    foreign = AppFactory(environment=MembershipFactory().organisation.environment)

    assert visitor.post(address("create", organisation, app=foreign.pk), form()).status_code == 404


def test_the_permissions_of_a_generic_app_cannot_be_edited(visitor, app):
    edit = reverse("connections:edit-app", kwargs={"pk": app.pk})

    answer = visitor.post(edit, {"name": "Mine", "functions": ["SendDocument"]})

    assert answer.status_code == 403
    assert App.objects.get().name == "Yuki"


def test_an_own_app_is_made_with_its_logo(visitor, organisation):
    file = io.BytesIO()
    Image.new("RGB", (20, 20)).save(file, "PNG")
    logo = SimpleUploadedFile("logo.png", file.getvalue(), "image/png")

    visitor.post(
        address("new-own-app", organisation),
        {"name": "Webshop", "functions": ["SendDocument"], "logo": logo},
    )

    shown = visitor.get(App.objects.get().logo_url)
    assert (shown.status_code, shown.headers["Content-Type"]) == (200, "image/png")
    assert "sandbox" in shown.headers["Content-Security-Policy"]


def test_a_bad_logo_is_refused_at_the_field_and_keeps_the_rest(visitor, organisation):
    svg = SimpleUploadedFile("logo.svg", b"<svg/>", "image/svg+xml")

    response = visitor.post(
        address("new-own-app", organisation),
        {"name": "Webshop", "functions": ["SendDocument"], "logo": svg},
    )

    assert response.status_code == 422
    assert response.context["form"].errors["logo"]
    assert "Webshop" in response.content.decode()


def test_revoking_and_deleting_from_a_stale_tab_changes_nothing_more(visitor, member):
    connection, _pair = connect(member.user)
    for page in ("revoke", "revoke", "delete"):
        visitor.post(connection.url(page))

    assert visitor.post(connection.url("delete")).status_code == 404
    assert visitor.get(connection.get_absolute_url()).status_code == 404


def test_a_get_changes_nothing(visitor, member):
    connection, pair = connect(member.user)

    for page in ("new-keys", "revoke", "delete", "test", "accesses"):
        visitor.get(connection.url(page))

    assert Software(pair, connection.organisation).me().status_code == 200


def test_a_refused_call_is_told_with_the_way_to_mend_it(visitor, member, organisation):
    app = AppFactory(environment=organisation.environment, functions=["GetAccountParties"])
    connection, pair = connect(member.user, app=app)
    software = Software(pair, organisation)
    software.me()
    software.get("/inbox")
    edit = reverse("connections:edit-app", kwargs={"pk": app.pk})

    told = [visitor.get(url).content.decode() for url in ("/", connection.get_absolute_url())]
    services.change_own_app(app=app, name=app.name, functions=["GetInboxDocuments"], by=member.user)
    mended = visitor.get(connection.get_absolute_url())

    assert "1 call of" in told[0]
    assert edit in told[1]
    assert mended.context["trouble"] is None
    assert visitor.get(connection.url("test")).context["ok"]


def test_a_refusal_is_mended_by_a_later_call_that_is_let_in(visitor, member, organisation):
    connection, pair = connect(member.user)
    software = Software(pair, organisation)
    troubles = []
    for limit in ("many", 1):
        software.get("/inbox", limit=limit)
        troubles.append(visitor.get(connection.get_absolute_url()).context["trouble"])

    assert [trouble and trouble.code for trouble in troubles] == ["ERRAPI4000422", None]


def test_a_document_that_was_refused_is_not_mended_by_another_one(visitor, member, organisation):
    connection, pair = connect(member.user)
    ElectronicAddress.objects.create(organisation=organisation, value="0088:7300010000001")
    software = Software(pair, organisation)
    software.send(invoice(company="", supplier="0088:7300010000001", customer="0192:987654325"))
    software.send(
        invoice(
            company="", supplier="0088:7300010000001", customer="0088:7300010000001", number="2"
        )
    )

    trouble = visitor.get(connection.get_absolute_url()).context["trouble"]

    assert trouble.code == "ERRSND4000001"


def test_software_with_old_keys_is_told_until_the_new_ones_work(visitor, member, organisation):
    connection, old = connect(member.user)
    new = services.create_new_keys(connection=connection, by=member.user, op_id=uuid.uuid4())
    told = []
    for pair in (old, new):
        Software(pair, organisation).me()
        told.append(visitor.get(connection.get_absolute_url()).context["still_calling"]["calls"])

    assert told == [1, 0]


def test_an_administrator_takes_a_suspended_connection_over(organisation, member):
    connection, _pair = connect(member.user)
    place = MembershipFactory(
        organisation=organisation, user__administrator=True, user__with_login=True
    )
    member.delete()
    administrator = Client()
    log_in(administrator, place.user)

    second = administrator.post(address("create", organisation, app=connection.app_id), form())
    shown = administrator.post(
        connection.url("take-over"), {"op_id": uuid.uuid4(), "owner": place.user.pk}
    )

    assert connection.get_absolute_url() in second.content.decode()
    assert SECRET.search(shown.content.decode())


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("", ["Never", "Revoked", "Suspended", "Used"]),
        ("active", ["Used"]),
        ("never_used", ["Never"]),
        ("suspended", ["Suspended"]),
        ("revoked", ["Revoked"]),
        ("nonsense", ["Never", "Revoked", "Suspended", "Used"]),
    ],
)
def test_the_overview_filters_by_status(visitor, member, organisation, status, expected):
    made = {name: connect(member.user, name=name) for name in ("Used", "Never", "Revoked")}
    Software(made["Used"][1], organisation).me()
    services.revoke(connection=made["Revoked"][0], by=member.user)
    gone = MembershipFactory(organisation=organisation, user__advanced=True)
    connect(gone.user, organisation, name="Suspended")
    gone.delete()

    page = visitor.get(reverse("connections:overview"), {"status": status})

    labels = {row.texts["connection"]: row.kind["status"].label for row in page.context["rows"]}
    assert sorted(labels) == expected
    assert all(
        labels[name].startswith(name[:5]) for name in labels if name not in {"Used", "Never"}
    )


def test_the_overview_is_searched_by_app_key(visitor, member):
    connect(member.user, name="Other")
    _connection, pair = connect(member.user, name="Wanted")

    page = visitor.get(reverse("connections:overview"), {"q": pair.app_key})

    assert [connection.name for connection in page.context["page"].rows] == ["Wanted"]


def test_a_hostile_search_finds_nothing_and_breaks_nothing(visitor, member):
    connect(member.user)
    for hostile in ("\0", "%", "'; --", "x" * 5000, "\ud800".encode("utf-16", "surrogatepass")):
        assert visitor.get(reverse("connections:overview"), {"q": hostile}).status_code == 200


def test_connections_of_organisations_out_of_reach_are_not_listed(visitor, member):
    other = MembershipFactory(
        organisation__environment=member.organisation.environment, user__advanced=True
    )
    connect(other.user, name="Out of reach")
    connect(member.user, name="Mine")

    page = visitor.get(reverse("connections:overview"))

    assert [connection.name for connection in page.context["page"].rows] == ["Mine"]


@pytest.mark.parametrize("name", ["home", "overview", "overview-of", "new", "connection", "test"])
def test_pages_cost_the_same_with_one_and_with_three_rows(visitor, member, organisation, name):
    connection, pair = connect(member.user)
    Software(pair, organisation).me()
    values = {"number": 1} if name in {"connection", "test"} else {}
    url = (
        reverse("home" if name == "home" else f"connections:{name}")
        if name in {"home", "overview"}
        else address(name, organisation, **values)
    )
    visitor.get(url)

    def cost():
        with CaptureQueriesContext(db) as queries:
            assert visitor.get(url).status_code == 200
        return len(queries)

    one = cost()
    for _more in range(2):
        connect(member.user)
        MembershipFactory(user=member.user, organisation__environment=organisation.environment)
    services.create_new_keys(connection=connection, by=member.user, op_id=uuid.uuid4())

    assert cost() == one
    assert one <= 23
