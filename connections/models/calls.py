"""What was called with which keys."""

from datetime import timedelta

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.urls import reverse

from accounts.models import Organisation
from connections.errors import ERRORS, INVALID_KEYS
from connections.models.key_sets import KeySet
from portal.prepared import Today

STILL_CALLING_DAYS = 7


class CallCountQuerySet(models.QuerySet):
    def refused(self):
        return self.exclude(code="")

    def still_calling(self):
        """Calls of software that was not given the new keys, or not told of the end, this week (R20).

        What came before the new keys were used for the first time is mended, and not told any more.
        """
        mended = KeySet.objects.live().filter(
            connection=OuterRef("key_set__connection"), first_used_at__gt=OuterRef("last_at")
        )
        told_before_the_end = Q(last_at__lt=F("key_set__connection__revoked_at"))
        return (
            self.of_last_days(STILL_CALLING_DAYS)
            .filter(code=INVALID_KEYS.code)
            .exclude(told_before_the_end)
            .exclude(Exists(mended))
        )

    def with_live_keys(self):
        return self.filter(key_set__retired_at__isnull=True)

    def of_today(self):
        return self.filter(day=Today())

    def of(self, connection):
        return self.filter(key_set__connection=connection)

    def of_last_days(self, days):
        return self.filter(day__gt=Today(-timedelta(days=days)))


class CallCount(models.Model):
    """How often one key set asked one API function on one day, and how it ended (R20).

    `code` is the error code of a refusal, or "" for calls that were let in. Counted off the request path: a
    crash may lose the last seconds of it.
    """

    key_set = models.ForeignKey(KeySet, models.CASCADE, related_name="calls")
    day = models.DateField()
    function = models.CharField(max_length=40, blank=True)
    code = models.CharField(max_length=13, blank=True)
    calls = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField()
    last_request_id = models.CharField(max_length=40)
    last_network = models.CharField(max_length=45)

    objects = CallCountQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["key_set", "day", "function", "code"],
                name="one_count_per_key_set_day_function_and_code",
            )
        ]

    @property
    def is_about_one_document(self):
        """Whether a document was refused that the software sent, and not the call itself."""
        return self.code[:6] in ("ERRSND", "ERRXSL")

    def __str__(self):
        return f"{self.function or 'me'} {self.code or 'ok'}: {self.calls}"

    @property
    def error(self):
        """Why the call was refused, or None."""
        return ERRORS.get(self.code)


class RefusedCallQuerySet(models.QuerySet):
    def within_reach_of(self, user):
        """Those of the user's organisations; of a client's, only with keys of the user's environment.

        A client sees of an accountant's keys what was asked about its own organisation, and nothing of the
        other clients for whom they are used, or were.
        """
        connection = "key_set__connection"
        about_it = Q(organisation=F(f"{connection}__organisation__organisation_id"))
        own_keys = Q(**{f"{connection}__mandate__isnull": True})
        own = Q(**{f"{connection}__organisation__environment": user.environment_id})
        theirs = Q(**{f"{connection}__mandate__accountant": user.environment_id})
        organisations = Organisation.objects.reachable_by(user)
        return self.filter(
            own & (own_keys | about_it) | theirs,
            **{f"{connection}__organisation__in": organisations},
        )


class RefusedCall(models.Model):
    """One call that was refused after its Secret was proved: what a request ID stands for (R44).

    Of each key set the newest 200 of the last 30 days are kept, written off the request path.
    """

    key_set = models.ForeignKey(KeySet, models.CASCADE, related_name="refused")
    request_id = models.CharField(max_length=40, unique=True)
    at = models.DateTimeField(db_index=True)
    function = models.CharField(max_length=40, blank=True)
    organisation = models.CharField(max_length=20, blank=True)  # that the call named, by its ID
    code = models.CharField(max_length=13)
    reason = models.CharField(max_length=20, blank=True)
    details = models.JSONField(default=dict)  # what the answer said beside that
    network = models.CharField(max_length=45)
    asked_at = models.DateTimeField(null=True)

    objects = RefusedCallQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["key_set", "-id"], name="refused_newest")]

    def __str__(self):
        return self.request_id

    @property
    def error(self):
        """Why it was refused; None when a later release has no such code any more."""
        return ERRORS.get(self.code)

    def get_absolute_url(self):
        return f"{reverse('connections:request')}?id={self.request_id}"
