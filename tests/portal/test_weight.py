"""What pages weigh and what they ask of the database: a first visit, and the lists with fifty rows."""

import gzip
import re
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from portal import rows
from portal.demo.size import PACKAGES, grow
from portal.templatetags import ui
from tests.factories import AppFactory, UserFactory, connect
from tests.invoices.test_at_size import grow as exchange

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
FIRST_VISIT, LATER_PAGE = 100_000, 15_000  # bytes
STATIC = re.compile(r'"/static/([^"#]+)')


@pytest.fixture
def office():
    """The administrator of an accountancy."""
    for name in PACKAGES:
        AppFactory(name=name)
    return UserFactory(administrator=True, environment__accountant=True)


@pytest.fixture
def sides(office):
    seller, buyer = connect()[0], connect()[0]
    return {"clients": office, "overview": office, "received-of": buyer, "sent-of": seller}


def address_of(name, side):
    if name in ("clients", "overview"):
        return reverse(f"connections:{name}")
    return reverse(f"invoices:{name}", args=[side.organisation.organisation_id])


@pytest.fixture
def page(sides):
    def get(name):
        side = sides[name]
        client = Client()
        client.force_login(getattr(side, "owner", side))
        client.get(address_of(name, side))
        with CaptureQueriesContext(database) as queries:
            answer = client.get(address_of(name, side))
        assert answer.status_code == 200
        return answer, len(queries)

    return get


@pytest.fixture
def fill_lists(office, sides):
    def add(rows):
        grow(office, rows)
        exchange(sides["sent-of"], sides["received-of"], range(1000 + rows, 1000 + 2 * rows))

    return add


@pytest.mark.parametrize("name", ["clients", "overview", "received-of", "sent-of"])
def test_a_list_of_fifty_asks_as_often_as_a_list_of_one_and_stays_light(page, fill_lists, name):
    fill_lists(4)
    few, asked = page(name)
    fill_lists(70)

    answer, asked_for_fifty = page(name)

    assert len(few.context["page"].rows) < 5
    assert len(answer.context["page"].rows) == 50
    assert asked_for_fifty == asked
    assert asked <= {"clients": 19, "overview": 10, "received-of": 14, "sent-of": 10}[name]
    assert len(gzip.compress(answer.content)) <= LATER_PAGE


@pytest.fixture
def nothing_is_rendered_yet():
    """What processes keep of rendered pages has the names of files; those of production stay in this test."""
    for kept in (ui.icon, rows._form):
        kept.cache_clear()
    yield
    for kept in (ui.icon, rows._form):
        kept.cache_clear()


@pytest.mark.usefixtures("nothing_is_rendered_yet")
def test_a_first_visit_fetches_at_most_100_kb(client, office, tmp_path, settings):
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
    }
    call_command("collectstatic", "--noinput", verbosity=0)
    sign_in = client.get(reverse("account_login")).content
    client.force_login(office)
    home = client.get("/").content

    files = set(STATIC.findall((sign_in + home).decode()))
    weights = {file: served(tmp_path / file) for file in files}

    assert {Path(file).suffix for file in files} == {".css", ".js", ".svg", ".woff2"}
    assert sum(weights.values()) + len(sign_in) + len(home) <= FIRST_VISIT, weights


def served(file):
    """The bytes that a browser gets, which takes every compression."""
    forms = [file.with_name(file.name + ending) for ending in (".br", ".gz", "")]
    return next(form.stat().st_size for form in forms if form.exists())
