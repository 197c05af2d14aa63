"""Gateways that stand in front of the operator's own API."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from connections import keys


class GatewayQuerySet(models.QuerySet):
    def of_pair(self, pair: keys.KeyPair):
        """The gateway whose credential this is, or None."""
        gateway = self.filter(client_id=pair.app_key, ended_at__isnull=True).first()
        return gateway if gateway and gateway.opens_with(pair.secret) else None


class Gateway(models.Model):
    """A credential with which an API gateway introspects tokens; made and ended by support (R46)."""

    name = models.CharField(_("name"), max_length=60)
    client_id = models.CharField(max_length=keys.APP_KEY_LENGTH, unique=True, editable=False)
    pepper = models.PositiveSmallIntegerField(editable=False)
    secret_digest = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    created_by = models.ForeignKey(User, models.PROTECT, editable=False, related_name="+")
    ended_at = models.DateTimeField(_("ended"), null=True, editable=False)
    ended_by = models.ForeignKey(User, models.PROTECT, null=True, editable=False, related_name="+")

    objects = GatewayQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ended_by__isnull=True)
                | Q(ended_at__isnull=False, ended_by__isnull=False),
                name="the_end_of_a_gateway_has_a_time_and_a_person",
            )
        ]

    def __str__(self):
        return self.name

    def opens_with(self, secret: keys.Secret) -> bool:
        """Say whether `secret` belongs to this gateway; a missing pepper raises ServerKeysError."""
        return keys.matches(secret.reveal(), self.secret_digest, **self.bound(self.pepper))

    def hashed(self, secret: keys.Secret) -> dict:
        """What is stored of its Secret today: number and digest under the current pepper."""
        number = settings.PEPPERS.current
        return {
            "pepper": number,
            "secret_digest": keys.digest(secret.reveal(), **self.bound(number)),
        }

    def bound(self, number: int) -> dict:
        """What the digest of its Secret under the pepper of this number is bound to."""
        return {
            "pepper": settings.PEPPERS.get(number),
            "app_key": self.client_id,
            "connection": "gateway",
            "version": 1,
        }

    @property
    def event_subject(self):
        return "gateway", self.pk, self.name
