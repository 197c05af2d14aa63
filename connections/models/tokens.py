"""SecurityTokens: what software may send instead of its keys for four hours (R42)."""

from django.db import models
from django.utils import timezone

from connections.models.key_sets import KeySet


class SecurityToken(models.Model):
    """One token of a key set, of which only the digest is kept. Every call joins it to its keys, so it dies
    with them and needs no end of its own.

    `scopes` are those that the software asked for; None narrows nothing. They give no right: R5 decides.
    """

    key_set = models.ForeignKey(KeySet, models.CASCADE, related_name="tokens")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(db_index=True, editable=False)

    def __str__(self):
        return f"token of {self.key_set_id}, until {self.expires_at:%d-%m-%Y %H:%M}"
