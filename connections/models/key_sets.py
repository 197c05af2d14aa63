"""App Keys with the digests of their Secrets."""

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Membership, User
from connections import keys


class KeySetQuerySet(models.QuerySet):
    def live(self):
        return self.filter(retired_at__isnull=True)

    def retire(self, reason, by):
        return self.live().update(retired_at=timezone.now(), retired_by=by, retired_because=reason)

    def never_used(self):
        return self.live().filter(first_used_at__isnull=True)

    def of_secret(self, secret: keys.Secret):
        """The live key sets of which this is the Secret: one or none, under whatever pepper."""
        tags = Q(pk__in=[])
        for number, pepper in settings.PEPPERS.keys.items():
            tags |= Q(pepper=number, leak_tag=keys.leak_tag(secret.reveal(), pepper=pepper))
        return self.live().filter(tags)

    def of_token(self, token: keys.Secret):
        """The key set whose SecurityToken this is, dead or alive, with the scopes and end of the token."""
        digest = keys.token_digest(token.reveal())
        return self.filter(tokens__digest=digest).annotate(
            token_scopes=F("tokens__scopes"), token_ends=F("tokens__expires_at")
        )

    def for_call(self):
        """With all that a call's checks read, in one query."""
        members = Membership.objects.filter(
            user=OuterRef("connection__owner"), organisation=OuterRef("connection__organisation")
        )
        return self.select_related(
            "connection__app",
            "connection__owner",
            "connection__organisation__environment",
            "connection__mandate__accountant",
        ).annotate(
            owner_is_member=Exists(members),
            owner_accesses=Subquery(members.values("accesses")[:1]),
        )


class KeySet(models.Model):
    """One App Key with the digest of its Secret; kept after its retirement for the record (R16)."""

    class Retired(models.TextChoices):
        SUPERSEDED = "superseded", _("Replaced by new keys")
        REVOKED = "revoked", _("Revoked")
        FOUND = "found", _("Found by somebody and ended")

    connection = models.ForeignKey(
        "connections.Connection", models.PROTECT, related_name="key_sets"
    )
    version = models.PositiveIntegerField()
    app_key = models.CharField(max_length=keys.APP_KEY_LENGTH, unique=True)
    pepper = models.PositiveSmallIntegerField()
    secret_digest = models.CharField(max_length=64)
    leak_tag = models.CharField(max_length=64, db_index=True, editable=False)
    op_id = models.UUIDField(unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    first_used_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    reminded_at = models.DateTimeField(null=True, editable=False)
    retired_at = models.DateTimeField(null=True, editable=False)
    retired_by = models.ForeignKey(
        User, models.PROTECT, null=True, editable=False, related_name="+"
    )
    retired_because = models.CharField(max_length=12, choices=Retired, blank=True, editable=False)

    token_scopes = token_ends = None  # those of the token by which it was found; see `of_token`

    objects = KeySetQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection"],
                condition=Q(retired_at__isnull=True),
                name="one_live_key_set_per_connection",
            ),
            models.UniqueConstraint(
                fields=["connection", "version"], name="one_key_set_per_version"
            ),
            models.CheckConstraint(
                condition=Q(retired_at__isnull=True, retired_because="")
                | Q(retired_at__isnull=False) & ~Q(retired_because=""),
                name="retirement_has_a_time_and_a_reason",
            ),
        ]

    def __str__(self):
        return self.app_key

    def opens_with(self, secret: keys.Secret) -> bool:
        """Say whether `secret` belongs to this set; a missing pepper raises KeyError: no answer."""
        return keys.matches(
            secret.reveal(),
            self.secret_digest,
            pepper=settings.PEPPERS.get(self.pepper),
            app_key=self.app_key,
            connection=self.connection.uuid.hex,
            version=self.version,
        )
