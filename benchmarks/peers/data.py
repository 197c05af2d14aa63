"""That many keys of each peer, of which a thousand are called: python -m benchmarks.peers.data KEYS"""

import sys
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import django
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from benchmarks.installations import NOTE

CALLED = 1000
PEERS = ("api-key", "knox", "token", "oauth")


def grow(number):
    """Make the keys, and a file of headers for each peer."""
    from accounts.models import User

    users = User.objects.bulk_create(
        (User(email=f"person{n}@bench.example", password="!") for n in range(number)),
        batch_size=1000,
    )
    called = users[:: max(1, number // CALLED)][:CALLED]
    chosen = {user.pk for user in called}
    others = [user for user in users if user.pk not in chosen]
    folder = Path(settings.PORTAL_DATA)
    for name, make in zip(PEERS, (_api_keys, _knox, _tokens, _oauth), strict=True):
        with transaction.atomic():
            headers = make(called, others)
        (folder / f"{name}.tsv").write_text("\n".join(headers) + "\n")
    (folder / NOTE).write_text("{}")


def _api_keys(called, others):
    from rest_framework_api_key.models import APIKey

    APIKey.objects.bulk_create(
        (
            APIKey(
                id=f"{user.pk:08x}.{_of(user, 120)}",
                prefix=f"{user.pk:08x}",
                hashed_key=_of(user, 120),
                name="x",
            )
            for user in others
        ),
        batch_size=1000,
    )
    return [f"Api-Key {APIKey.objects.create_key(name='x')[1]}" for _user in called]


def _knox(called, others):
    from knox.models import AuthToken

    ends = timezone.now() + timedelta(hours=10)
    AuthToken.objects.bulk_create(
        (
            AuthToken(digest=_of(user, 128), token_key=_of(user, 15), user=user, expiry=ends)
            for user in others
        ),
        batch_size=1000,
    )
    return [f"Token {AuthToken.objects.create(user=user)[1]}" for user in called]


def _tokens(called, others):
    from rest_framework.authtoken.models import Token

    Token.objects.bulk_create(
        (Token(key=_of(user, 40), user=user) for user in others), batch_size=1000
    )
    return [f"Token {Token.objects.create(user=user).key}" for user in called]


def _oauth(called, others):
    from oauth2_provider.models import AccessToken, Application

    application = Application.objects.create(
        name="x",
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
    )
    ends = timezone.now() + timedelta(hours=10)

    def tokens(users):
        for user in users:
            text = _of(user, 30)
            checksum = sha256(text.encode()).hexdigest()
            values = {"token": text, "token_checksum": checksum, "scope": "read"}
            yield AccessToken(application=application, user=user, expires=ends, **values)

    AccessToken.objects.bulk_create(tokens([*called, *others]), batch_size=1000)
    return [f"Bearer {_of(user, 30)}" for user in called]


def _of(user, length):
    """That many characters which look random and follow from the number of the user."""
    digest = "".join(sha256(f"{part} {user.pk}".encode()).hexdigest() for part in range(2))
    return digest[:length]


if __name__ == "__main__":
    django.setup()
    grow(int(sys.argv[1]))
