"""Issuing SecurityTokens, ending them, and forgetting the old ones (R42)."""

from collections.abc import Collection
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from connections import keys
from connections.callers import Caller
from connections.models import SecurityToken

LIFE = timedelta(hours=4)
ALIVE_AT_ONCE = 20
KEPT_AFTER = timedelta(days=1)  # so that software with an old token is told that it expired
FORGOTTEN_AT_ONCE = 10_000


@sensitive_variables("token")
@transaction.atomic
def issue(*, caller: Caller, scopes: Collection[str] | None, check) -> keys.Secret:
    """Give out a token of `caller` for 4 hours; of more than 20 the oldest goes.

    `scopes` narrow what it opens, None does not; what the keys open is computed at every call (R5). `check`
    locks the key set, and raises when it was retired meanwhile: no token is younger than its keys' end.
    """
    check()
    tokens = SecurityToken.objects.filter(key_set=caller.pk)
    newest_first = tokens.order_by("-pk").values_list("pk", flat=True)
    tokens.filter(pk__in=list(newest_first[ALIVE_AT_ONCE - 1 :])).delete()
    token = keys.make_token()
    now = timezone.now()
    SecurityToken.objects.create(
        key_set_id=caller.pk,
        digest=keys.token_digest(token.reveal()),
        scopes=None if scopes is None else sorted(scopes),
        created_at=now,
        expires_at=now + life(caller),
    )
    return token


def life(caller: Caller) -> timedelta:
    """How long a token lives that is given out now: 4 hours, or until its keys end."""
    return min(LIFE, caller.ends_at - timezone.now()) if caller.ends_at else LIFE


def revoke(*, token: keys.Secret, caller: Caller) -> None:
    """End a token of these keys at once; twice is once, and a token of other keys stays (RFC 7009)."""
    tokens = SecurityToken.objects.filter(key_set=caller.pk)
    tokens.filter(digest=keys.token_digest(token.reveal())).delete()


def forget_expired() -> int:
    """Delete what expired more than a day ago, and answer how many."""
    old = SecurityToken.objects.filter(expires_at__lt=timezone.now() - KEPT_AFTER)
    found = list(old.order_by("expires_at").values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
    SecurityToken.objects.filter(pk__in=found).delete()
    return len(found)
