"""Ordinary OAuth clients, unchanged: they fetch a token and call every function (R42)."""

import pytest

from connections.functions import FUNCTIONS
from connections.models import Access
from tests.factories import AppFactory, MembershipFactory, connect, let_in
from tests.invoices.documents import invoice

requests_oauthlib = pytest.importorskip("requests_oauthlib")
oauthlib = pytest.importorskip("oauthlib.oauth2")
authlib = pytest.importorskip("authlib.integrations.requests_client")

ADDRESS = "0088:7300010000001"

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def office():
    """An accountancy with a client who accepted, and keys for everything."""
    place = MembershipFactory(user__advanced=True, organisation__environment__accountant=True)
    place.organisation.addresses.create(value=ADDRESS)
    return place, *connect(place.user)


def with_authlib(url, pair, scope=None):
    session = authlib.OAuth2Session(pair.app_key, pair.secret.reveal(), scope=scope)
    session.fetch_token(f"{url}/api/v1/token", grant_type="client_credentials")
    return session


def with_requests_oauthlib(url, pair, scope=None):
    client = oauthlib.BackendApplicationClient(client_id=pair.app_key, scope=scope)
    session = requests_oauthlib.OAuth2Session(client=client)
    session.fetch_token(
        f"{url}/api/v1/token", client_id=pair.app_key, client_secret=pair.secret.reveal()
    )
    return session


@pytest.fixture(params=[with_authlib, with_requests_oauthlib])
def library(request, monkeypatch):
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # the test has no https
    monkeypatch.setenv("NO_PROXY", "*")
    return request.param


def bodies(package):
    return {
        "SetInboxDocumentStatus": {"json": {"status": "opened"}},
        "RequestAppIntegration": {
            "json": {
                "client_name": "Van Dijk",
                "email": "someone@vandijk.example",
                "registration_number": "11223344",
                "app": package.name,
            }
        },
    }


def test_a_library_fetches_a_token_and_calls_every_function(library, live_server, office):
    place, connection, pair = office
    package = AppFactory(name="Yuki")
    asked = let_in(place.user, app=package).requests.get()
    session = library(live_server.url, pair)
    root = f"{live_server.url}/api/v1"
    organisation = connection.organisation.organisation_id
    document = invoice(company="", supplier=ADDRESS, customer=ADDRESS)
    sent = session.post(f"{root}/{organisation}/outbox", data=document)
    assert sent.status_code == 201, sent.text

    for name, function in FUNCTIONS.items():
        if name == "SendDocument":
            continue
        id = asked.uuid if "integration" in function.path else sent.json()["id"]
        path = function.path.format(organisation=organisation, party=organisation, id=id)
        query = {"params": {"q": ADDRESS}} if name == "GetParties" else {}
        options = bodies(package).get(name, {}) | query
        answer = session.request(function.method, root + path, **options)
        assert answer.status_code < 300, (name, answer.text)


def test_a_library_understands_that_a_scope_is_missing(library, live_server):
    _connection, pair = connect(access=Access.CHOSEN, functions=["GetInboxDocuments"])

    library(live_server.url, pair, scope="RETRIEVE_INBOX_DOCS")
    with pytest.raises(Exception, match="(?i)invalid_?scope|ERRCDO4000011|SecurityToken scope"):
        library(live_server.url, pair, scope="SEND_DOC")
