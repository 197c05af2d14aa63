"""What the window of Quick Connect reads. MUTATIONS=100000 tries as many spoilt texts."""

import os
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connections import keys
from connections.books.paste import Pasted, Problem, Wrong, read

MUTATIONS = int(os.environ.get("MUTATIONS", "400"))

PAIR, OTHER = keys.make_pair(), keys.make_pair()
APP_KEY, SECRET = PAIR.app_key, PAIR.secret.reveal()
OTHER_APP_KEY, OTHER_SECRET = OTHER.app_key, OTHER.secret.reveal()


def mistyped(key):
    return key[:10] + ("a" if key[10] != "a" else "b") + key[11:]


@pytest.mark.parametrize(
    "text",
    [
        "APP_KEY:{a};SECRET_KEY:{s};EMAIL_ID:books@example.com;COMPANY_ID:KPNL10001;",
        "{a}\n{s}",
        "{s}\t{a}",
        "App Key: {a}\r\nSecret: {s}\r\n",
        '{{"app_key": "{a}", "secret": "{s}"}}',
        "“{a}” «{s}»",
        "curl -u {a}:{s} https://portal.example/api/v1/me",
        "{a}{s}",
        "App Key and Secret: {a} {s}",
        "App Key {a}, and once more {a}. Secret:\xa0{s}",
        "An App Key begins with kpa_, a Secret with kps_. Yours: {a} {s}",
        "<td>{a}</td><td>{s}</td>",
    ],
)
def test_both_keys_are_found_whatever_stands_around_them(text):
    found = read(text.format(a=APP_KEY, s=SECRET))

    assert (found.app_key, found.secret) == (APP_KEY, SECRET)


WRONG = {
    "": Wrong.NOTHING,
    "Hello": Wrong.NOTHING,
    "kpa_ kps_": Wrong.NOTHING,
    APP_KEY: Wrong.SECRET_MISSING,
    SECRET: Wrong.APP_KEY_MISSING,
    f"{mistyped(APP_KEY)} {SECRET}": Wrong.APP_KEY_MISTYPED,
    f"{APP_KEY} {mistyped(SECRET)}": Wrong.SECRET_MISTYPED,
    f"{mistyped(APP_KEY)} {mistyped(SECRET)}": Wrong.BOTH_MISTYPED,
    f"{APP_KEY[:-3]} {SECRET}": Wrong.APP_KEY_CUT,
    f"{APP_KEY} {SECRET[:20]}": Wrong.SECRET_CUT,
    f"{APP_KEY}x {SECRET}": Wrong.APP_KEY_MISTYPED,
    f"{APP_KEY} {SECRET} {OTHER_APP_KEY} {OTHER_SECRET}": Wrong.TWO_SETS,
    f"{APP_KEY} {OTHER_APP_KEY} {SECRET}": Wrong.TWO_APP_KEYS,
    f"{APP_KEY} {SECRET} {OTHER_SECRET}": Wrong.TWO_SECRETS,
    f"{APP_KEY} {SECRET} {mistyped(SECRET)}": Wrong.TWO_SECRETS,
    f"APP_KEY:{SECRET};SECRET_KEY:{APP_KEY};": Wrong.SWAPPED,
    f"Secret: {APP_KEY}\nApp key: {SECRET}": Wrong.SWAPPED,
    f"{APP_KEY} {SECRET} EMAIL_ID:nobody;": Wrong.EMAIL,
    f"{APP_KEY} {SECRET} EMAIL_ID:a@b.example:x;": Wrong.EMAIL,
    f"{APP_KEY} {SECRET} EMAIL_ID:a@b.example; EMAIL_ID:c@d.example;": Wrong.EMAIL,
    f"{APP_KEY} {SECRET} EMAIL_ID:x;SECRET_KEY:{OTHER_SECRET};@b.example;": Wrong.TWO_SECRETS,
    f"{APP_KEY} {SECRET} COMPANY_ID:../me;": Wrong.ORGANISATION,
    f"{APP_KEY} {SECRET} KPNL10001 KPNL10002": Wrong.ORGANISATION,
    f"{APP_KEY} {SECRET}" + " " * 4096: Wrong.TOO_LONG,
    f"{APP_KEY} {SECRET}" + "é" * 2048: Wrong.TOO_LONG,
    "kpa_" * 1024: Wrong.NOTHING,
}


@pytest.mark.parametrize(("text", "wrong"), WRONG.items(), ids=range(len(WRONG)))
def test_what_is_wrong_is_named(text, wrong):
    assert read(text) == Problem(wrong)


def test_what_was_found_prints_without_the_secret():
    assert SECRET not in repr(read(f"{APP_KEY} {SECRET}"))


emails = st.from_regex(r"[a-z0-9.+_-]{1,20}@[a-z0-9]{1,20}\.(example|com)", fullmatch=True)
organisations = st.from_regex(r"KP(NL|BE|NO|SE)[1-9][0-9]{4,6}", fullmatch=True)
pairs = st.builds(keys.make_pair)
fillings = st.text(string.whitespace + '"\'=,|<>{}"', max_size=5)


@given(pairs, emails, organisations)
def test_what_quick_connect_writes_is_read(pair, email, organisation):
    secret = pair.secret.reveal()
    text = f"APP_KEY:{pair.app_key};SECRET_KEY:{secret};EMAIL_ID:{email};COMPANY_ID:{organisation};"

    assert read(text) == Pasted(pair.app_key, secret, email, organisation)


@given(pairs, st.booleans(), fillings, fillings, fillings)
def test_neither_the_order_nor_what_lies_between_matters(pair, turned, before, between, after):
    first, second = pair.app_key, pair.secret.reveal()
    if turned:
        first, second = second, first
    found = read(f"{before}{first}{between}{second}{after}")

    assert (found.app_key, found.secret) == (pair.app_key, pair.secret.reveal())


@st.composite
def spoilt_texts(draw):
    """A proper text after a few changes: a piece cut, doubled, moved, replaced or put in."""
    text = f"APP_KEY:{APP_KEY};SECRET_KEY:{SECRET};EMAIL_ID:books@example.com;COMPANY_ID:KPNL10001;"
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(text)))
        end = begin + draw(st.integers(0, 12))
        piece = draw(
            st.one_of(
                st.just(""),
                st.just(text[begin:end] * 2),
                st.just(text[begin:end].swapcase()),
                st.just(text[begin:end][::-1]),
                st.sampled_from([OTHER_APP_KEY, OTHER_SECRET, "kpa_", "kps_", "\0", ";", ":"]),
                st.text(max_size=6),
            )
        )
        text = text[:begin] + piece + text[end:]
    return text


@settings(max_examples=MUTATIONS, deadline=None)
@given(spoilt_texts())
def test_a_spoilt_text_gives_a_message_or_a_proper_pair_and_never_a_crash(text):
    found = read(text)

    if isinstance(found, Pasted):
        assert found.app_key in text
        assert found.secret in text
        assert found.app_key in {APP_KEY, OTHER_APP_KEY}
        assert found.secret in {SECRET, OTHER_SECRET}
        assert keys.is_app_key(found.app_key)
        assert keys.is_secret(found.secret)
    else:
        assert found.wrong in Wrong


@given(st.text(max_size=1500))
def test_any_text_is_read_without_a_crash(text):
    assert isinstance(read(text), Problem)
