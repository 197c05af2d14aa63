"""docs/api.md is run as it stands, and the reference says what the code does."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from lxml import html

from accounts.models import Organisation
from connections.errors import ERRORS
from connections.functions import FUNCTIONS
from connections.models import App
from portal.demo import story
from tests.connections.test_pages import SECRET, form
from tests.factories import OrganisationFactory, connect
from tests.software import Software

TEXT = Path(settings.BASE_DIR, "docs", "api.md").read_text()
APP_KEY = re.compile(r"kpa_[0-9A-Za-z]{22}")


def session(text):
    """The commands of the page, each with the answer that stands under it."""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for command, _, answer in (part.partition("\n") for part in block.split("$ ")[1:] if part):
            yield command, answer


def create_keys(email, organisation, package):
    """Create keys on the pages of the portal, and read them from the one that shows them."""
    client = Client()
    client.post(reverse("account_login"), {"login": email, "password": story.PASSWORD})
    app = App.objects.get(name=package)
    url = reverse("connections:create", kwargs={"organisation": organisation, "app": app.pk})
    page = client.post(url, form(administration="docs")).content.decode()
    return f"{APP_KEY.search(page)[0]}:{SECRET.search(page)[0]}"


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("curl"), reason="the session is one with curl")
@pytest.mark.django_db(transaction=True)
def test_the_session_of_the_docs_runs_as_written(live_server):
    story.tell()
    ids = dict(Organisation.objects.values_list("name", "organisation_id"))
    seller, buyer = ids["Bakkerij De Molen B.V."], ids["Van Dijk Transport B.V."]
    environment = {
        "KOPPEL": f"{live_server.url}/api/v1",
        "SELLER": create_keys("sanne@demolen.example", seller, "Informer"),
        "BUYER": create_keys("peter@vandijk.example", buyer, "Yuki"),
        "SELLER_ID": seller,
        "BUYER_ID": buyer,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
    }
    commands = list(session(TEXT))

    script = "\n".join(f"{command}\necho ---" for command, _answer in commands)
    run = subprocess.run(
        ["bash", "-c", script],  # noqa: S607
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    answers = run.stdout.split("---\n")
    assert len(commands) >= 7
    for (command, expected), answer in zip(commands, answers, strict=False):
        pattern = ".*?".join(re.escape(part) for part in expected.strip().split("…"))
        assert re.fullmatch(pattern, answer.strip(), re.DOTALL), f"$ {command}\n{answer}"


def test_the_reference_names_every_function_and_every_error(client, db):
    page = client.get("/api/docs/").content.decode()

    for name, function in FUNCTIONS.items():
        assert name in page
        assert function.scope in page
    for code in ERRORS:
        assert f'id="{code}"' in page


@pytest.mark.django_db
def test_the_minimal_invoice_of_the_reference_is_accepted_as_one_to_oneself(client):
    page = html.fromstring(client.get("/api/docs/").text)
    xml = page.get_element_by_id("minimal-invoice").text_content()
    organisation = OrganisationFactory()
    organisation.addresses.create(value="0106:12345678")
    _connection, pair = connect(organisation=organisation)

    answer = Software(pair, organisation).send(xml)

    assert answer.status_code == 201
    assert answer.json()["receiver"]["id"] == organisation.organisation_id


def test_every_block_of_code_has_a_button_that_copies_it(client, db):
    page = html.fromstring(client.get("/api/docs/").text)
    blocks = [block.get("id") for block in page.xpath("//pre/code")]

    assert [button.get("data-copy") for button in page.xpath("//button[@data-copy]")] == [
        f"#{block}" for block in blocks
    ]
    assert len(set(blocks)) == len(blocks) > 8


def test_openapi_describes_every_call_with_its_refusals(client, db):
    document = client.get("/api/v1/openapi.json").json()

    assert document["openapi"].startswith("3.1")
    for name, function in FUNCTIONS.items():
        operation = document["paths"]["/api/v1" + function.path][function.method.lower()]
        assert operation["operationId"] == name
        assert {"401", "403"} <= operation["responses"].keys()
        assert operation["security"] == [
            {"AppKeyAndSecret": []},
            {"SecurityTokenOfKeys": []},
        ]


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.hosts = set()

    def handle_starttag(self, tag, attributes):
        self.hosts |= {
            value
            for name, value in attributes
            if name in {"src", "href"} and value and "//" in value
        }


def test_the_reference_asks_no_other_host(client, db):
    links = Links()

    links.feed(client.get("/api/docs/").content.decode())

    assert links.hosts == set()
