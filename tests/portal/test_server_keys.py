import base64
import json
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from portal import server_keys
from portal.server_keys import ServerKeysError


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
        server_keys.secret_key,
        server_keys.peppers,
        server_keys.signing_keys,
        server_keys.mfa_key,
        server_keys.chain_key,
        server_keys.books_key,
    ],
)
def test_what_the_first_start_makes_every_later_one_reads(tmp_path, secret):
    assert secret(tmp_path) == secret(tmp_path)


def test_the_secrets_are_long_and_random(tmp_path):
    key = server_keys.secret_key(tmp_path)
    peppers = server_keys.peppers(tmp_path)

    assert len(key) >= 50
    assert peppers.current == 1
    assert len(peppers.get(1)) == 32
    assert server_keys.secret_key(tmp_path / "other") != key


def test_only_the_user_of_the_server_can_read_the_files(tmp_path):
    server_keys.secret_key(tmp_path)
    server_keys.peppers(tmp_path)

    folder = tmp_path / "secrets"
    modes = {p.name: oct(stat.S_IMODE(p.stat().st_mode)) for p in [folder, *folder.iterdir()]}
    assert modes == {"secrets": "0o700", "secret_key": "0o600", "peppers.json": "0o600"}


def test_processes_that_start_together_agree(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda n: server_keys.secret_key(tmp_path / str(n // 8)), range(160)))

    assert len(keys) == 20


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_stops_the_start(tmp_path, mode):
    path = tmp_path / "secrets" / "secret_key"
    write(path, "x" * 64, mode)

    with pytest.raises(ServerKeysError, match=f"{path} can be read by other users: run chmod 600"):
        server_keys.secret_key(tmp_path)


def test_a_short_secret_key_stops_the_start(tmp_path):
    write(tmp_path / "secrets" / "secret_key", "x" * 31)

    with pytest.raises(ServerKeysError, match="secret_key is shorter than 32 characters"):
        server_keys.secret_key(tmp_path)


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
