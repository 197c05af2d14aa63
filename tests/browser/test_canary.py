"""The Secret exists in one answer and in the customer's hands: of a hundred, none is found elsewhere."""

import base64
import re
import subprocess
import uuid
from contextlib import closing

import pytest
from playwright.sync_api import Error

from portal.demo import story
from tests.conftest import CHROMIUM, FLAGS
from tests.serving import Caller, Person, served

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.django_db(transaction=True)]

FORM = re.compile(rb"kps_[0-9A-Za-z]{38}")
APP_KEY = re.compile(r"kpa_[0-9A-Za-z]{22}")
KEYS_PAGE = "/organisations/{}/connections/1/keys/"


def traces(folders, secrets):
    """Where a Secret, or half of a Basic header with it, lies in the files below `folders`."""
    encoded = [base64.b64encode(b":" + s.encode())[4:40] for s in secrets]
    found = []
    for folder in folders:
        for file in [folder, *folder.rglob("*")]:
            if file.is_file():
                content = file.read_bytes()
                if FORM.search(content) or any(part in content for part in encoded):
                    found.append(file.name)
    return found


def test_no_secret_is_left_anywhere(tmp_path, playwright):
    profile = tmp_path / "profile"
    with served(tmp_path / "data") as portal:
        yuki = next(c for c in portal.demo["connections"] if c["app"] == "Yuki")
        page = KEYS_PAGE.format(yuki["organisation"])
        secrets = [
            *in_a_browser(playwright, profile, portal.url, page, 5),
            *over_http(portal.url, page, 95),
        ]
        assert len(set(secrets)) == 100
        dump(portal.data)
        assert "Broken" in portal.log.read_text()
        places = [portal.data, portal.log, profile]
        assert traces(places, secrets) == []
    assert any((portal.data / "mails").iterdir())
    assert traces(places, secrets) == []

    (portal.data / "mails" / "planted").write_text(f"your secret: {secrets[0]}")
    assert traces(places, secrets) == ["planted"]


def dump(data):
    """Have what PostgreSQL keeps beside the rest, as text; SQLite's is there, with its write-ahead log."""
    url = data / "database_url"
    if url.exists():
        with (data / "dump.sql").open("wb") as file:
            subprocess.run(["pg_dump", url.read_text()], stdout=file, check=True)
    else:
        assert (data / "portal.sqlite3-wal").stat().st_size > 0


def in_a_browser(playwright, profile, url, page_address, times):
    """Create keys with a profile on disk, wander about, go back, reload; answer the Secrets."""
    secrets = []
    with closing(
        playwright.chromium.launch_persistent_context(profile, executable_path=CHROMIUM, args=FLAGS)
    ) as browser:
        page = browser.new_page()
        page.goto(url + "/accounts/login/")
        page.get_by_label("Email").fill("sanne@demolen.example")
        page.get_by_placeholder("Password").fill(story.PASSWORD)
        page.get_by_placeholder("Password").press("Enter")
        page.wait_for_url(url + "/")
        for _ in range(times):
            page.goto(url + page_address)
            page.get_by_role("button", name="Create keys").click()
            secrets.append(page.get_by_label("Secret", exact=True).input_value())
            page.get_by_role("link", name="Overview").first.click()
            page.wait_for_url(url + "/")
            with pytest.raises(Error, match="ERR_CACHE_MISS"):
                page.go_back()
            page.close()
            page = browser.new_page()
    return secrets


def over_http(url, page, times):
    """Create keys and call with them, while things break on the way; answer the Secrets that were shown."""
    person = Person(url)
    person.log_in("sanne@demolen.example", story.PASSWORD)
    secrets = []
    for broken in ["Event", "Mail", "KeySet", "answer"] + [""] * times:
        person.get(page)
        person.post(page, op_id=uuid.uuid4(), headers={"X-Break": broken})
        if not broken:
            secret = FORM.search(person.page.encode())[0].decode()
            call(url, APP_KEY.search(person.page)[0], secret)
            secrets.append(secret)
    return secrets


def call(url, app_key, secret):
    caller = Caller(url, app_key, secret)
    with closing(caller.connection):
        assert caller.me() == 200
        assert caller.me(**{"X-Break": "answer"}) == 500
