import base64
import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections import keys

PEPPER = b"p" * 32
BOUND = {"pepper": PEPPER, "app_key": "kpa_a", "connection": "c", "version": 1}


def header(text):
    return "Basic " + base64.b64encode(text.encode("latin-1")).decode()


def test_a_pair_has_the_promised_form():
    pair = keys.make_pair()

    assert keys.is_app_key(pair.app_key)
    assert keys.is_secret(pair.secret.reveal())
    assert (len(pair.app_key), len(pair.secret.reveal())) == (26, 42)


def test_every_single_typing_error_is_told():
    secret = keys.make_pair().secret.reveal()

    mistyped = [
        secret[:place] + other + secret[place + 1 :]
        for place in range(4, len(secret))
        for other in "0aZ9"
        if secret[place] != other
    ]

    assert [text for text in mistyped if keys.is_secret(text)] == []


def test_swapped_neighbours_are_told():
    secret = keys.make_pair().secret.reveal()

    swapped = [secret[:p] + secret[p + 1] + secret[p] + secret[p + 2 :] for p in range(4, 41)]

    assert [text for text in swapped if text != secret and keys.is_secret(text)] == []


def test_basic_brings_both_parts():
    pair = keys.make_pair()

    read = keys.read_basic(header(f"{pair.app_key}:{pair.secret.reveal()}"))

    assert (read.app_key, read.secret.reveal()) == (pair.app_key, pair.secret.reveal())


@pytest.mark.parametrize(
    "mangled",
    [
        lambda app_key, secret: "",
        lambda app_key, secret: "Basic",
        lambda app_key, secret: "Bearer " + secret,
        lambda app_key, secret: "Basic not-base64!",
        lambda app_key, secret: header(f"{secret}:{app_key}"),
        lambda app_key, secret: header(f"{app_key}:{secret[:-1]}"),
        lambda app_key, secret: header(f"{app_key}:{secret} "),
        lambda app_key, secret: header(f"{app_key}:{secret}\0"),
        lambda app_key, secret: header(f"{app_key}:kps_" + "é" * 38),
        lambda app_key, secret: header(f"{app_key}{secret}"),
        lambda app_key, secret: header(f"{app_key}:{secret}" * 1000),
    ],
)
def test_what_cannot_be_a_pair_is_none(mangled):
    pair = keys.make_pair()

    assert keys.read_basic(mangled(pair.app_key, pair.secret.reveal())) is None


@given(st.text())
def test_reading_a_header_never_raises(text):
    assert keys.read_basic("Basic " + text) is None
    assert keys.read_basic(text) is None


def test_only_the_secret_itself_matches():
    stored = keys.digest("kps_right", **BOUND)

    assert keys.matches("kps_right", stored, **BOUND)
    assert not keys.matches("kps_wrong", stored, **BOUND)


@pytest.mark.parametrize(
    "elsewhere", [{"app_key": "kpa_b"}, {"connection": "d"}, {"version": 2}, {"pepper": b"q" * 32}]
)
def test_a_digest_opens_nothing_in_another_row(elsewhere):
    stored = keys.digest("kps_right", **BOUND)

    assert not keys.matches("kps_right", stored, **BOUND | elsewhere)


def test_a_secret_prints_masked():
    secret = keys.make_pair().secret

    printed = f"{secret} {secret!r} {[secret]} {keys.KeyPair('kpa_', secret)}"

    assert secret.reveal() not in printed


@pytest.mark.parametrize("store", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_cannot_be_stored(store):
    with pytest.raises(TypeError):
        store(keys.make_pair().secret)
