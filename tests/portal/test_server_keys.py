import base64
import json
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.conf import settings

from portal import server_keys
from portal.server_keys import TURNING, NotNow, ServerKeysError


def write(path, text, mode=0o600):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def peppers_file(keys, current=1):
    return json.dumps(
        {"current": current, "keys": {n: base64.b64encode(k).decode() for n, k in keys.items()}}
    )


@pytest.mark.parametrize(
    "secret",
    [
        server_keys.secret_keys,
        server_keys.peppers,
        server_keys.signing_keys,
        server_keys.mfa_keys,
        server_keys.chain_key,
        server_keys.books_key,
    ],
)
def test_what_the_first_start_makes_every_later_one_reads(tmp_path, secret):
    assert secret(tmp_path) == secret(tmp_path)


def test_the_secrets_are_long_and_random(tmp_path):
    (key,) = server_keys.secret_keys(tmp_path)
    peppers = server_keys.peppers(tmp_path)

    assert len(key) >= 50
    assert peppers.current == 1
    assert len(peppers.get(1)) == 32
    assert server_keys.secret_keys(tmp_path / "other") != [key]


def test_only_the_user_of_the_server_can_read_the_files(tmp_path):
    server_keys.secret_keys(tmp_path)
    server_keys.peppers(tmp_path)

    folder = tmp_path / "secrets"
    modes = {p.name: oct(stat.S_IMODE(p.stat().st_mode)) for p in [folder, *folder.iterdir()]}
    assert modes == {"secrets": "0o700", "secret_key": "0o600", "peppers.json": "0o600"}


def test_processes_that_start_together_agree(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = set(
            pool.map(lambda n: server_keys.secret_keys(tmp_path / str(n // 8))[0], range(160))
        )

    assert len(keys) == 20


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_stops_the_start(tmp_path, mode):
    path = tmp_path / "secrets" / "secret_key"
    write(path, "x" * 64, mode)

    with pytest.raises(ServerKeysError, match=f"{path} can be read by other users: run chmod 600"):
        server_keys.secret_keys(tmp_path)


def test_a_short_secret_key_stops_the_start(tmp_path):
    write(tmp_path / "secrets" / "secret_key", "x" * 31)

    with pytest.raises(ServerKeysError, match="secret_key is shorter than 32 characters"):
        server_keys.secret_keys(tmp_path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "does not hold numbered keys"),
        ("[]", "does not hold numbered keys"),
        ('{"current": 1}', "does not hold numbered keys"),
        ('{"current": 1, "keys": {"1": 5}}', "does not hold numbered keys"),
        ('{"current": 1, "keys": {"1": "no base64!"}}', "does not hold numbered keys"),
        (peppers_file({"1": b"x" * 31}), "a key 1 of less than 32 bytes"),
        (peppers_file({"1": b"x" * 32, "2": b""}), "a key 2 of less than 32 bytes"),
        (peppers_file({"1": b"x" * 32}, current=2), "no key with its current number 2"),
    ],
)
def test_a_damaged_file_of_peppers_stops_the_start(tmp_path, text, sentence):
    write(tmp_path / "secrets" / "peppers.json", text)

    with pytest.raises(ServerKeysError, match=sentence):
        server_keys.peppers(tmp_path)


def test_old_peppers_stay_within_reach(tmp_path):
    text = peppers_file({"1": b"a" * 32, "2": b"b" * 32}, current=2)
    write(tmp_path / "secrets" / "peppers.json", text)

    peppers = server_keys.peppers(tmp_path)

    assert (peppers.current, peppers.get(1), peppers.get(2)) == (2, b"a" * 32, b"b" * 32)


def test_a_pepper_that_is_gone_is_named(tmp_path):
    with pytest.raises(ServerKeysError, match="no key 7"):
        server_keys.peppers(tmp_path).get(7)


def test_peppers_do_not_show_in_a_traceback(tmp_path):
    assert "keys" not in repr(server_keys.peppers(tmp_path))


# Turning a key


def numbers(data, name):
    found = server_keys.read(data, name)
    return found.current, sorted(found.keys)


def dropped(data, name, number):
    server_keys.drop(data, name, number, check=lambda: None)


@pytest.mark.parametrize("name", TURNING)
def test_a_key_turns_in_two_steps_and_none_is_lost_on_the_way(tmp_path, name):
    first = server_keys.read(tmp_path, name).get(1)

    server_keys.add(tmp_path, name)
    waiting = numbers(tmp_path, name), server_keys.read(tmp_path, name).current_first[0]
    server_keys.switch(tmp_path, name)
    turned = numbers(tmp_path, name), server_keys.read(tmp_path, name).get(1)
    dropped(tmp_path, name, 1)

    assert waiting == ((1, [1, 2]), first)
    assert turned == ((2, [1, 2]), first)
    assert numbers(tmp_path, name) == (2, [2])
    assert server_keys.read(tmp_path, name).get(2) != first


@pytest.mark.parametrize("name", TURNING)
def test_the_folder_holds_nothing_that_others_can_read_after_a_turn(tmp_path, name):
    server_keys.add(tmp_path, name)

    (file,) = (tmp_path / "secrets").iterdir()

    assert (file.name, stat.S_IMODE(file.stat().st_mode)) == (TURNING[name], 0o600)


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ((server_keys.add, server_keys.add), "Key 2 is in peppers.json already and waits"),
        ((server_keys.switch,), "there is nothing to switch to"),
        ((server_keys.add, server_keys.switch, server_keys.switch), "nothing to switch to"),
        ((lambda *where: dropped(*where, 1),), "is no old one: 1 is in use"),
        ((server_keys.add, lambda *where: dropped(*where, 2)), "is no old one: 1 is in use"),
        ((lambda *where: dropped(*where, 7),), "has no key 7"),
    ],
)
def test_a_step_out_of_order_changes_nothing_and_says_which_is_next(tmp_path, steps, sentence):
    *earlier, last = steps
    for step in earlier:
        step(tmp_path, "peppers")
    before = numbers(tmp_path, "peppers")

    with pytest.raises(NotNow, match=sentence):
        last(tmp_path, "peppers")

    assert numbers(tmp_path, "peppers") == before


def test_a_drop_that_is_refused_keeps_the_key(tmp_path):
    server_keys.add(tmp_path, "peppers")
    server_keys.switch(tmp_path, "peppers")

    def refuse():
        raise NotNow("Something hangs on it.")

    with pytest.raises(NotNow):
        server_keys.drop(tmp_path, "peppers", 1, check=refuse)

    assert numbers(tmp_path, "peppers") == (2, [1, 2])


def test_of_commands_at_the_same_time_one_adds_and_the_others_hear_that_it_did(tmp_path):
    start = Barrier(8)

    def add(_):
        start.wait()
        try:
            return server_keys.add(tmp_path, "peppers")
        except NotNow:
            return None

    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(add, range(8)))

    assert sorted(filter(None, added)) == [2]
    assert numbers(tmp_path, "peppers") == (1, [1, 2])


def test_whenever_a_command_is_killed_the_file_is_whole_and_no_number_is_lost(tmp_path):
    first = server_keys.peppers(tmp_path).get(1)
    turn = "import sys, pathlib; from portal import server_keys as k; print(flush=True)\n"
    turn += "while True: k.add(p := pathlib.Path(sys.argv[1]), 'peppers'); k.switch(p, 'peppers')"

    for round_ in range(12):
        with subprocess.Popen(
            [sys.executable, "-c", turn, tmp_path], stdout=subprocess.PIPE, cwd=settings.BASE_DIR
        ) as process:
            process.stdout.readline()
            time.sleep(0.01 * round_)
            process.kill()
        current, found = numbers(tmp_path, "peppers")
        assert found == list(range(1, found[-1] + 1))
        assert current in (found[-1], found[-1] - 1)
        if current < found[-1]:
            server_keys.switch(tmp_path, "peppers")

    assert found[-1] > 12
    assert server_keys.peppers(tmp_path).get(1) == first


def test_the_plain_file_of_an_older_release_is_key_1(tmp_path):
    write(tmp_path / "secrets" / "secret_key", "x" * 64 + "\n")

    server_keys.add(tmp_path, "secret_key")

    first, second = server_keys.secret_keys(tmp_path)
    assert (first, len(second)) == ("x" * 64, 86)
