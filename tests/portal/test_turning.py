"""`manage.py server_keys`, command by command, and what turning a key does to people and software."""

import json
import re
import shutil
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from http.client import HTTPException

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.conf import settings as loaded
from django.core import signing
from django.core.management import CommandError, call_command
from django.db import connection as database
from django.test import Client

from accounts.mfa import encrypt_anew
from connections import services
from connections.autopilot.models import SigningSecret
from connections.models import KeySet
from portal import server_keys
from tests.factories import UserFactory, connect
from tests.serving import Caller, environment_of, prepare, serving
from tests.software import Software


@pytest.fixture
def data(tmp_path, settings):
    """A folder of server keys of its own, which the settings of the test come from."""
    shutil.copytree(loaded.PORTAL_DATA / "secrets", tmp_path / "secrets")
    settings.PORTAL_DATA = tmp_path
    return tmp_path


@pytest.fixture
def run(data, settings, capsys):
    """Run the command, then start the process anew: it reads the files again."""

    def command(*arguments):
        call_command("server_keys", *map(str, arguments))
        settings.PEPPERS = server_keys.peppers(data)
        settings.SIGNING_KEYS = server_keys.signing_keys(data)
        settings.MFA_KEYS = server_keys.mfa_keys(data)
        settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS = server_keys.secret_keys(data)
        return capsys.readouterr().out

    return command


def turn(run, name):
    run("add", name)
    run("switch", name)


@pytest.mark.django_db
def test_the_list_names_every_file_of_the_folder_and_what_hangs_on_it(run, data):
    connection, _pair = connect()
    turn(run, "peppers")

    said = run("list")

    files = {path.name.removesuffix(".json") for path in (data / "secrets").iterdir()}
    assert {line.split(":")[0] for line in said.splitlines() if line[0] != " "} == files
    assert "  1, old: 1 live key sets, 0 gateways" in said
    assert "  2, in use: 0 live key sets, 0 gateways" in said
    key_set = connection.key_sets.get()
    assert f"{key_set.app_key} of {connection.organisation.organisation_id}, never used" in said


@pytest.mark.django_db
def test_a_pepper_goes_when_nothing_live_hangs_on_it_any_more(run):
    used, unused = connect(), connect()
    gone = connect()
    services.revoke(connection=gone[0], by=gone[0].owner)
    turn(run, "peppers")
    software = Software(used[1], used[0].organisation)
    software.me()

    with pytest.raises(
        CommandError, match=r"1 live key sets \(never used\) and 0 gateways hang on"
    ):
        run("drop", "peppers", 1)
    services.revoke(connection=unused[0], by=unused[0].owner)
    said = run("drop", "peppers", 1)

    assert "Key 1 is gone from peppers.json. Calls with 2 retired key sets" in said
    assert software.me().status_code == 200
    assert [n for n in loaded.PEPPERS.keys] == [2]  # noqa: C416 (a mapping of numbers)
    assert KeySet.objects.exclude(secret_digest="").get().connection == used[0]


@pytest.mark.django_db
def test_the_commands_of_the_page_about_server_keys_work_one_after_the_other(run):
    page = (loaded.BASE_DIR / "docs" / "server-keys.md").read_text()
    commands = re.findall(r"^manage\.py server_keys ([\w ]+?) *(?:#|$)", page, re.M)

    said = [run(*command.split()) for command in commands]

    assert [command.split()[0] for command in commands] == ["add", "switch", "list", "drop"]
    assert "Key 1 is gone from peppers.json." in said[-1]


@pytest.mark.django_db
def test_a_step_out_of_order_is_a_sentence(run):
    with pytest.raises(CommandError, match="To begin a change run manage.py server_keys add"):
        run("switch", "peppers")


@pytest.mark.django_db
def test_people_stay_signed_in_while_the_secret_key_turns_and_not_after_the_old_one_is_gone(run):
    user = UserFactory()
    browser = Client()
    browser.force_login(user)
    link = signing.dumps("a link in a mail")

    def is_signed_in():
        return browser.get("/profile/").status_code == 200

    run("add", "secret_key")
    added = is_signed_in(), signing.loads(link)
    run("switch", "secret_key")
    switched = is_signed_in(), signing.loads(link)
    newer = Client()
    newer.force_login(user)
    run("drop", "secret_key", 1)

    assert added == switched == (True, "a link in a mail")
    assert newer.get("/profile/").status_code == 200
    with pytest.raises(signing.BadSignature):
        signing.loads(link)


@pytest.mark.django_db
def test_a_machine_that_has_the_new_key_only_to_read_with_logs_nobody_out(run, settings):
    user = UserFactory()
    run("add", "secret_key")
    behind = settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS
    run("switch", "secret_key")
    browser = Client()
    browser.force_login(user)

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = behind

    assert browser.get("/profile/").status_code == 200


@pytest.mark.django_db
def test_an_authenticator_app_goes_on_when_the_key_it_lay_under_is_gone(run):
    user = UserFactory()
    TOTP.activate(user, "JBSWY3DPEHPK3PXP")
    turn(run, "mfa_key")

    said = run("drop", "mfa_key", 1)

    stored = Authenticator.objects.get(user=user).data["secret"]
    assert "1 authenticators are encrypted under the current key." in said
    assert get_adapter().decrypt(stored) == "JBSWY3DPEHPK3PXP"
    assert encrypt_anew() == 1


@pytest.mark.django_db
def test_a_signing_key_goes_when_no_live_secret_comes_from_it(run):
    connection, _pair = connect()
    secret = SigningSecret.objects.create(
        connection=connection, version=1, key=1, op_id=connection.uuid, created_by=connection.owner
    )
    before = secret.reveal().reveal()
    turn(run, "signing_keys")

    with pytest.raises(CommandError, match="1 live signing secrets come from key 1"):
        run("drop", "signing_keys", 1)
    assert secret.reveal().reveal() == before
    SigningSecret.objects.all().delete()
    assert "Nothing hung on it." in run("drop", "signing_keys", 1)


# A pepper turns under load


class Load:
    """Software of several connections that calls whichever of the portals is up, and never pauses."""

    def __init__(self, pairs, portals):
        self.pairs, self.portals, self.ended = pairs, portals, threading.Event()
        self.answers = []
        self.threads = [threading.Thread(target=self._call, args=pair) for pair in pairs]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join(60)

    def _call(self, app_key, secret):
        while not self.ended.is_set():
            for url in list(self.portals):
                with suppress(OSError, HTTPException):  # that one is being started anew
                    caller = Caller(url, app_key, secret)
                    self.answers.append(caller.me())
                    caller.connection.close()
            time.sleep(0.02)

    def goes_on(self):
        """Wait until everybody has called a few times more."""
        seen, until = len(self.answers), time.monotonic() + 60
        while len(self.answers) < seen + 4 * len(self.pairs) and time.monotonic() < until:
            time.sleep(0.05)


@pytest.mark.skipif(
    database.vendor != "sqlite", reason="only SQLite's copy has what the test stored"
)
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_pepper_turns_under_load_and_no_call_is_refused(tmp_path):
    data = tmp_path / "data"
    pairs = [connect()[1] for _ in range(4)]
    used = [(pair.app_key, pair.secret.reveal()) for pair in pairs[:3]]
    prepare(data)
    shutil.copytree(loaded.PORTAL_DATA / "secrets", data / "secrets")

    with ExitStack() as stack:
        portals = {name: ExitStack() for name in ("one", "two")}
        urls = {}

        def start_anew(name):
            urls.pop(name, None)
            portals[name].close()
            portals[name] = stack.enter_context(ExitStack())
            urls[name] = portals[name].enter_context(serving(data, workers=1)).url

        class Up:
            def __iter__(self):
                return iter(list(urls.values()))

        for name in portals:
            start_anew(name)
        with Load(used, Up()) as load:
            load.goes_on()
            for step in ("add", "switch"):
                assert at_shell(data, step, "peppers")[0] == 0
                for name in portals:
                    start_anew(name)
                    load.goes_on()
            time.sleep(2 * loaded_flush_seconds())
        _, listed = at_shell(data, "list")
        dropped = at_shell(data, "drop", "peppers", "1")

    assert set(load.answers) == {200}
    assert len(load.answers) > 60
    assert "  1, old: 1 live key sets, 0 gateways" in listed
    assert re.findall(r"kpa_\w+", listed) == [pairs[3].app_key]
    assert "  2, in use: 3 live key sets, 0 gateways" in listed
    assert dropped[0] == 1
    assert "1 live key sets (never used) and 0 gateways hang on key 1." in dropped[1]
    assert set(json.loads((data / "secrets" / "peppers.json").read_text())["keys"]) == {"1", "2"}


def at_shell(data, *arguments):
    """How a step ends that an operator takes: exit code, and all that it says."""
    ended = subprocess.run(
        [sys.executable, "manage.py", "server_keys", *arguments],
        cwd=loaded.BASE_DIR,
        env=environment_of(data),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout


def loaded_flush_seconds():
    from portal.settings import CALLS_FLUSH_SECONDS  # of the served portal, not of the tests

    return CALLS_FLUSH_SECONDS
