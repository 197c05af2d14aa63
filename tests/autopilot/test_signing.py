"""Signatures as Standard Webhooks 1.0 has them."""

import base64
import re

from connections.autopilot import signing
from connections.keys import Secret

KEY = b"k" * 32


def test_the_vector_of_the_standard():
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    signature = signing.sign(
        secret,
        id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_has_the_form_of_the_standard_and_prints_masked():
    secret = signing.secret_of(key=KEY, connection="c", version=1)

    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret.reveal())
    assert len(base64.b64decode(secret.reveal().removeprefix("whsec_"))) == 32
    assert secret.reveal() not in f"{secret} {secret!r}"


def test_each_connection_version_and_key_has_a_secret_of_its_own():
    made = {
        signing.secret_of(key=key, connection=connection, version=version).reveal()
        for key in (KEY, b"x" * 32)
        for connection in ("a", "b")
        for version in (1, 2)
    }

    assert len(made) == 8


def test_several_secrets_sign_in_one_header_with_a_space_between():
    secrets = [signing.secret_of(key=KEY, connection="c", version=n) for n in (2, 1)]

    headers = signing.headers(secrets, id="msg_1", timestamp=5, body=b"{}")

    assert headers == {
        "webhook-id": "msg_1",
        "webhook-timestamp": "5",
        "webhook-signature": " ".join(
            signing.sign(secret, id="msg_1", timestamp=5, body=b"{}") for secret in secrets
        ),
    }
