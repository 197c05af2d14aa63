"""The examples of the reference do what they say, and answer the fields that it names."""

from pathlib import Path

import pytest

from connections.catalogue import create_gateway
from connections.models import Gateway
from connections.views.docs import EXAMPLES, FORMS, _calls
from tests.connections.test_tokens import ask
from tests.factories import AppFactory, MembershipFactory, UserFactory, connect, let_in
from tests.invoices.documents import invoice
from tests.software import Software

requests = pytest.importorskip("requests")

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
ADDRESS = "0088:7300010000001"


@pytest.fixture
def office():
    place = MembershipFactory(user__advanced=True, organisation__environment__accountant=True)
    place.organisation.addresses.create(value=ADDRESS)
    return place, *connect(place.user)


def test_every_example_for_python_works_as_it_stands(
    office, live_server, settings, tmp_path, monkeypatch
):
    place, connection, pair = office
    settings.PORTAL_BASE_URL = live_server.url
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.chdir(tmp_path)
    document = invoice(company="", supplier=ADDRESS, customer=ADDRESS, number="2026-2")
    (tmp_path / "invoice.xml").write_bytes(document)
    package = AppFactory(name="Yuki")
    asked = let_in(place.user, app=package).requests.get()
    gateway = create_gateway(Gateway(name="Front door"), by=UserFactory(staff=True))
    first = invoice(company="", supplier=ADDRESS, customer=ADDRESS)
    sent = Software(pair, connection.organisation).send(first)
    organisation = connection.organisation.organisation_id
    token = ask(pair).json()["access_token"]

    assert {call.name for call in _calls().values()} >= {"SendDocument", *FORMS}
    for call in _calls().values():
        one = asked.uuid if "integration" in call.path else sent.json()["id"]
        text = call.python.replace(EXAMPLES["{id}"], str(one)).replace("kpt_…", token)
        text = text.replace(EXAMPLES["{organisation}"], organisation)
        mine = gateway if call.name == "introspect" else pair
        names = {"APP_KEY": mine.app_key, "SECRET": mine.secret.reveal()}
        names |= {"requests": requests, "Path": Path}

        exec(text, names)  # noqa: S102 (it is ours, and the reader does just that)

        answer = names["answer"]
        assert answer.status_code < 300, (call.name, answer.text)
        if answer.headers.get("Content-Type") == "application/json" and answer.content:
            fields = answer.json()
            told = fields[0] if isinstance(fields, list) else fields
            assert set(told) <= set(call.answer), call.name


def test_every_call_has_an_example_for_a_shell(settings):
    for call in _calls().values():
        assert call.curl.startswith('curl --user "$APP_KEY:$SECRET"')
        assert settings.PORTAL_BASE_URL in call.curl
