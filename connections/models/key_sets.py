"""App Keys with the digests of their Secrets."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from connections import keys
from portal.prepared import Now


class KeySetQuerySet(models.QuerySet):
    def kept(self):
        """Not retired: in use, or over its time and not yet written down as retired."""
        return self.filter(retired_at__isnull=True)

    def live(self):
        """Those that a call is let in with now."""
        return self.kept().filter(Q(ends_at__isnull=True) | Q(ends_at__gt=Now()))

    def current(self):
        return self.filter(retired_at__isnull=True, rotated_at__isnull=True)

    def retiring(self):
        """The older ones of a planned change, which live on for a while beside the current ones (R17)."""
        return self.filter(retired_at__isnull=True, rotated_at__isnull=False)

    def overdue(self):
        return self.kept().filter(ends_at__lte=timezone.now())

    def retire(self, reason, by):
        return self.kept().update(retired_at=timezone.now(), retired_by=by, retired_because=reason)

    def wipe(self):
        """Take away by what a Secret is known, of retired sets alone; answers of how many."""
        retired = self.filter(retired_at__isnull=False).exclude(secret_digest="")
        return retired.update(secret_digest="", leak_tag="")

    def without_pepper(self):
        """Those that no call can be let in with, for the server has lost its key of their number."""
        return self.exclude(pepper__in=settings.PEPPERS.keys)

    def never_used(self):
        return self.live().filter(first_used_at__isnull=True)

    def of_secret(self, secret: keys.Secret):
        """The live key sets of which this is the Secret: one or none, under whatever pepper."""
        tags = Q(pk__in=[])
        for number, pepper in settings.PEPPERS.keys.items():
            tags |= Q(pepper=number, leak_tag=keys.leak_tag(secret.reveal(), pepper=pepper))
        return self.live().filter(tags)


class KeySet(models.Model):
    """One App Key with the digest of its Secret; kept after its retirement for the record (R16).

    `ends_at` is when it ends by itself, if it does: on the day that somebody chose, or, since
    `rotated_at`, at the end of a planned change (R17).
    """

    class Retired(models.TextChoices):
        SUPERSEDED = "superseded", _("Replaced by new keys")
        REVOKED = "revoked", _("Revoked")
        FOUND = "found", _("Found by somebody and ended")
        ROTATED = "rotated", _("Replaced in a planned change")
        EXPIRED = "expired", _("Expired")

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
    rotated_at = models.DateTimeField(null=True, editable=False)
    ends_at = models.DateTimeField(null=True, editable=False)
    retired_at = models.DateTimeField(null=True, editable=False)
    retired_by = models.ForeignKey(
        User, models.PROTECT, null=True, editable=False, related_name="+"
    )
    retired_because = models.CharField(max_length=12, choices=Retired, blank=True, editable=False)

    objects = KeySetQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["ends_at"],
                condition=Q(retired_at__isnull=True, ends_at__isnull=False),
                name="key_set_that_ends",
            )
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["connection"],
                condition=Q(retired_at__isnull=True, rotated_at__isnull=True),
                name="one_current_key_set_per_connection",
            ),
            models.UniqueConstraint(
                fields=["connection"],
                condition=Q(retired_at__isnull=True, rotated_at__isnull=False),
                name="one_retiring_key_set_per_connection",
            ),
            models.CheckConstraint(
                condition=Q(rotated_at__isnull=True) | Q(ends_at__isnull=False),
                name="a_retiring_key_set_ends",
            ),
            models.UniqueConstraint(
                fields=["connection", "version"], name="one_key_set_per_version"
            ),
            models.CheckConstraint(
                condition=Q(retired_at__isnull=True, retired_because="")
                | Q(retired_at__isnull=False) & ~Q(retired_because=""),
                name="retirement_has_a_time_and_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(retired_at__isnull=False) | ~Q(secret_digest=""),
                name="only_a_retired_key_set_loses_its_digest",
            ),
        ]

    def __str__(self):
        return self.app_key

    @property
    def is_current(self):
        return self.ended_because == "" and self.rotated_at is None

    @property
    def is_retiring(self):
        return self.ended_because == "" and self.rotated_at is not None

    @property
    def ended_because(self):
        """One of Retired, also where its time is over and nobody has written that down yet; or ""."""
        if self.retired_because or self.ends_at is None or self.ends_at > timezone.now():
            return self.retired_because
        return self.Retired.ROTATED if self.rotated_at else self.Retired.EXPIRED

    def get_ended_because_display(self):
        return self.Retired(self.ended_because).label

    @property
    def ended_at(self):
        return self.retired_at or (self.ends_at if self.ended_because else None)

    @property
    def ends_soon(self):
        """Whether the last quarter of a planned change has begun."""
        return self.ends_at - timezone.now() <= (self.ends_at - self.rotated_at) / 4

    def safe_from(self, newer):
        """When it is safe to end this one: `newer` is used, and this one silent for a twelfth of the change.

        None while `newer` is not used; later whenever this one is used again.
        """
        if newer is None or newer.first_used_at is None:
            return None
        silent_since = max(newer.first_used_at, self.last_used_at or newer.first_used_at)
        return silent_since + (self.ends_at - self.rotated_at) / 12

    def is_silent_beside(self, newer) -> bool:
        """Whether it is safe to end this one now."""
        safe_from = self.safe_from(newer)
        return safe_from is not None and safe_from <= timezone.now()

    def opens_with(self, secret: keys.Secret) -> bool:
        """Say whether `secret` belongs to this set. Retired long ago, nothing is known of its Secret.

        Raises ServerKeysError when the pepper of a set that is not retired is missing: no answer.
        """
        if self.retired_at and self.pepper not in settings.PEPPERS.keys:
            return False
        return keys.matches(
            secret.reveal(),
            self.secret_digest,
            pepper=settings.PEPPERS.get(self.pepper),
            app_key=self.app_key,
            connection=self.connection.uuid.hex,
            version=self.version,
        )

    def hashed(self, secret: keys.Secret) -> dict:
        """What is stored of its Secret today: number, digest and leak tag under the current pepper."""
        number = settings.PEPPERS.current
        pepper = settings.PEPPERS.get(number)
        bound = {"app_key": self.app_key, "connection": self.connection.uuid.hex}
        return {
            "pepper": number,
            "secret_digest": keys.digest(
                secret.reveal(), pepper=pepper, version=self.version, **bound
            ),
            "leak_tag": keys.leak_tag(secret.reveal(), pepper=pepper),
        }


class KeyNotice(models.Model):
    """That people were told something about a key set: once for each moment it is about (R54)."""

    class About(models.TextChoices):
        UNUSED = "unused", _("Nobody has used it")
        EXPIRES = "expires", _("It expires soon")
        OVERLAP_ENDS = "overlap ends", _("The planned change ends, and the old keys still call")
        SAFE_TO_END = "safe to end", _("The new keys are used, and the old ones are silent")

    key_set = models.ForeignKey(KeySet, models.CASCADE, related_name="notices")
    about = models.CharField(max_length=12, choices=About)
    moment = models.DateTimeField()
    days = models.PositiveSmallIntegerField(default=0)  # before that moment
    sent_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["key_set", "about", "moment", "days"], name="people_are_told_once"
            )
        ]

    def __str__(self):
        return f"{self.key_set}: {self.get_about_display()}"
