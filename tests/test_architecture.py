"""Promises over the whole code: every view carries its gate, and the gates hold."""

import re
import uuid
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse
from django.utils import timezone

from accounts.access import Gate
from accounts.models import ElectronicAddress, User
from connections.api import AppKeyAndSecret, SecurityTokenOfKeys, api
from connections.autopilot.services import switch_on
from connections.endpoints.oauth import ClientCredentials, GatewayCredential
from connections.functions import FUNCTIONS
from connections.invoices import services as invoices
from connections.invoices.models import Invoice, Reoffer
from connections.models import App, Connection, RefusedCall
from connections.services import add_organisation, store_logo
from partners.models import AuthorisationRequest, Batch, Mandate
from tests.factories import AppFactory, MembershipFactory, UserFactory, ask, connect, let_in
from tests.invoices.documents import invoice

OURS = ("accounts.", "partners.", "connections.", "portal.")
METHODS = ["get", "head", "options", "post", "put", "patch", "delete"]
ROOT = Path(settings.BASE_DIR)


def patterns(resolver=None, namespace="", outer=()):
    """Every view of the site: the name that `reverse` knows, the view, the arguments of its address."""
    for entry in (resolver or get_resolver()).url_patterns:
        arguments = {*outer, *getattr(entry.pattern, "converters", {})}
        if isinstance(entry, URLPattern):
            yield f"{namespace}{entry.name}", entry.callback, arguments
        else:
            inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            yield from patterns(entry, inner, arguments)


OUR_VIEWS = {
    name: (view, arguments)
    for name, view, arguments in patterns()
    if view.__module__.startswith(OURS)
    and not name.startswith("admin:")
    and not view.__module__.startswith("connections.books.")  # a stranger: tests/books
}


def names(*kinds):
    """The names of our views behind gates of these kinds."""
    return [
        name
        for name, (view, _arguments) in OUR_VIEWS.items()
        if getattr(view, "gate", Gate("")).kind in kinds
    ]


def test_every_view_carries_its_gate():
    assert len(OUR_VIEWS) > 30
    assert [
        n for n, (view, _) in OUR_VIEWS.items() if not isinstance(getattr(view, "gate", 0), Gate)
    ] == []


def test_gates_of_environments_and_organisations_name_a_permission():
    for view, _arguments in OUR_VIEWS.values():
        assert (view.gate.permission is not None) == (
            view.gate.kind in {"environment", "organisation"}
        )


def test_whatever_names_an_organisation_stands_behind_its_gate():
    named = {name for name, (_view, arguments) in OUR_VIEWS.items() if "organisation" in arguments}

    assert named == set(names("organisation"))


def test_every_call_of_the_api_stands_behind_the_gate():
    operations = [
        operation
        for _prefix, router in api._routers
        for path in router.path_operations.values()
        for operation in path.operations
    ]

    assert len(operations) >= 7
    for operation in operations:
        assert [type(auth) for auth in operation.auth_callbacks] in (
            [AppKeyAndSecret, SecurityTokenOfKeys],
            [ClientCredentials],
            [GatewayCredential],
        )


def test_every_function_that_answers_has_a_call_and_no_other_has():
    called = {
        auth.function.name
        for _prefix, router in api._routers
        for path in router.path_operations.values()
        for operation in path.operations
        for auth in operation.auth_callbacks
        if auth.function
    }

    assert called == set(FUNCTIONS)


OF_APPS = {"connections:app", "connections:edit-app"}


@dataclass
class House:
    """An organisation with a member, a connection, an invoice, a client and an accountant; and the address
    of each of its pages."""

    member: User
    connection: Connection
    autopilot: Connection
    own_app: App
    sent: Invoice
    asked: AuthorisationRequest
    received: AuthorisationRequest
    mandate: Mandate  # of a client
    let_in: Mandate  # to an accountant
    batch: Batch
    job: Reoffer
    refused: RefusedCall

    @property
    def organisation(self):
        return self.connection.organisation

    @staticmethod
    def arguments(name):
        return OUR_VIEWS[name][1]

    def address(self, name, **others):
        shown = self.autopilot if name.startswith("autopilot:") else self.connection
        values = {
            "organisation": self.organisation.organisation_id,
            "number": shown.number,
            "app": shown.app_id,
            "pk": self._pk_of(name),
            "uuid": self._uuid_of(name),
            "digest": self.own_app.logo.digest,
            "token": "token",
            "mandate": self.mandate.uuid,
            "partnership": self.let_in.partnership.uuid,
            "organisation_id": self.organisation.organisation_id,
            "person": self.let_in.requests.get().asked_by_id,
            "batch": self.batch.uuid,
            "job": self.job.uuid,
            "request_id": self.refused.request_id,
            "connection": self.connection.uuid,
            "other": self.connection.further.get().organisation_id,
        }
        values |= others
        return reverse(name, kwargs={key: values[key] for key in self.arguments(name)})

    def _pk_of(self, name):
        if name == "accounts:notice":
            return self.member.notices.latest("pk").pk
        return self.own_app.pk if name in OF_APPS else self.member.pk

    def _uuid_of(self, name):
        if not name.startswith("partners:"):
            return self.sent.uuid
        of_client = {"consent", "accept", "decline", "add-organisation"}
        return (self.received if name.split(":")[1] in of_client else self.asked).uuid


@pytest.fixture
def house(db):
    return our_house()


def our_house():
    place = MembershipFactory(user__administrator=True, organisation__environment__accountant=True)
    member = place.user
    own_app = AppFactory(environment=member.environment)
    store_logo(own_app, b"png")
    connection, _pair = connect(member)
    another = MembershipFactory(user=member, organisation__environment=member.environment)
    add_organisation(connection=connection, organisation=another.organisation, by=member)
    ElectronicAddress.objects.create(
        organisation=connection.organisation, value="0088:7300010000001"
    )
    sent, _new = invoices.send(xml=invoice(company=""), through=connection)
    autopilot, _secret = switch_on(
        organisation=connection.organisation,
        app=AppFactory(autopilot_url="http://127.0.0.1:9/"),  # which is never called
        name="Autopilot",
        administration="Autopilot",
        by=member,
        op_id=uuid.uuid4(),
    )
    return House(
        member,
        connection,
        autopilot,
        own_app,
        sent,
        asked=ask(member),
        received=ask(client=place),
        mandate=let_in(member),
        let_in=let_in(client=place),
        batch=Batch.objects.create(environment=member.environment, by=member, file_name="a.csv"),
        job=Reoffer.objects.create(organisation=sent.sender, by=member, number=0),
        refused=RefusedCall.objects.create(
            key_set=connection.key_sets.get(),
            request_id="req_1",
            code="ERRGRP3000006",
            at=timezone.now(),
        ),
    )


def logged_in(user):
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


@pytest.mark.parametrize("name", names("organisation"))
def test_strangers_get_404_from_every_page_of_an_organisation_by_every_method(house, name):
    strangers = [
        MembershipFactory(user__administrator=True).user,
        UserFactory(advanced=True),
        UserFactory(staff=True),
    ]
    for stranger in strangers:
        client = logged_in(stranger)
        answers = {m: getattr(client, m)(house.address(name)).status_code for m in METHODS}
        assert set(answers.values()) == {404}, answers


@pytest.mark.parametrize("name", names("organisation"))
def test_colleagues_get_the_checklist_with_403(house, name):
    colleague = UserFactory(administrator=True, environment=house.organisation.environment)

    for method in METHODS:
        assert getattr(logged_in(colleague), method)(house.address(name)).status_code == 403


@pytest.mark.parametrize("name", names("organisation"))
def test_members_with_the_role_are_let_in(house, name):
    assert logged_in(house.member).get(house.address(name)).status_code in {200, 302, 405}


@pytest.mark.parametrize("name", names("personal", "environment", "organisation"))
def test_nobody_is_let_in_without_login(house, name):
    address = house.address(name)

    for method in METHODS:
        response = getattr(Client(), method)(address)
        assert (response.status_code, response.headers["Location"].split("?")[0]) == (
            302,
            "/accounts/login/",
        )


OF_AN_ENVIRONMENT = [name for name in names("environment") if House.arguments(name)]


@pytest.mark.parametrize("name", OF_AN_ENVIRONMENT)
def test_what_belongs_to_another_environment_is_404(house, name):
    stranger = UserFactory(administrator=True, environment__accountant=True)

    answers = {
        m: getattr(logged_in(stranger), m)(house.address(name)).status_code for m in ("get", "post")
    }

    assert 404 in answers.values()
    assert set(answers.values()) <= {404, 405}


@pytest.mark.parametrize("name", OF_AN_ENVIRONMENT)
def test_what_belongs_to_the_own_environment_is_there(house, name):
    assert logged_in(house.member).get(house.address(name)).status_code in {200, 302, 405}


@pytest.mark.parametrize("name", names("environment"))
def test_people_without_an_environment_are_let_in_nowhere(house, name):
    """Support staff have none."""
    for method in METHODS:
        answer = getattr(logged_in(UserFactory(staff=True)), method)(house.address(name))
        assert answer.status_code == 403


# Readers of mail know no stylesheet, so the layout of mails has its styles inline.
TEMPLATES = sorted({*(ROOT / "templates").rglob("*.html")} - {ROOT / "templates/mail/layout.html"})


@pytest.mark.parametrize(
    "template", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates"))
)
def test_nothing_is_inline_and_nothing_is_from_another_host(template):
    text = template.read_text()

    assert re.findall(r"<style|<script(?![^>]*(src=|type=\"application/json\"))", text) == []
    assert re.findall(r"\s(?:style|on[a-z]+)\s*=\s*[\"']", text) == []
    assert re.findall(r"(?:src|href|action)=[\"'](?:https?:)?//", text) == []


def test_stylesheets_and_scripts_ask_no_other_host():
    for file in [*(ROOT / "static").rglob("*.css"), *(ROOT / "static").rglob("*.js")]:
        assert (
            re.findall(
                r"url\(\s*[\"']?(?:https?:)?//|(?:fetch|import)\(?\s*[\"']https?:", file.read_text()
            )
            == []
        )


@pytest.mark.django_db
def test_migrations_match_the_models():
    call_command("makemigrations", "--check", "--dry-run", stdout=StringIO())


def test_all_files_of_pages_can_be_collected_and_hashed(tmp_path, settings):
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}
    }

    call_command("collectstatic", "--noinput", stdout=StringIO())

    assert (tmp_path / "staticfiles.json").exists()


def test_included_forms_get_the_token_without_which_nobody_can_send_them():
    templates = {
        str(path.relative_to(ROOT / "templates")): path.read_text()
        for path in (ROOT / "templates").rglob("*.html")
    }
    include = r'{% include "([^"]+)"([^%]*) only %}'
    found = {
        (name, included)
        for name, text in templates.items()
        for included, given in re.findall(include, text)
        if "{% csrf_token %}" in templates.get(included, "") and "csrf_token=" not in given
    }

    assert found == set()
