"""Autopilot: invoices that are pushed to the address of a package, and a journal of every attempt."""

import uuid
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from connections.autopilot import signing
from connections.invoices.models import Invoice, Offer
from connections.models import Connection, Kind

OVERLAP = timedelta(hours=24)  # for which an older signing secret signs beside the new one
FUNCTION = "GetInboxDocument"  # what a push needs, as fetching does


def pushing_connections():
    """The connections that push now: those of Autopilot that run and have an address."""
    return Connection.objects.running().filter(kind=Kind.AUTOPILOT).exclude(app__autopilot_url="")


class Autopilot(models.Model):
    """How a connection that pushes is doing; the rows of its invoices are `Push`."""

    connection = models.OneToOneField(
        Connection, models.CASCADE, primary_key=True, related_name="autopilot"
    )
    last_delivered_at = models.DateTimeField(null=True, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)  # without a delivery in between
    failures = models.PositiveIntegerField(default=0, editable=False)  # in a row
    rests_until = models.DateTimeField(null=True, editable=False)
    told_failing_at = models.DateTimeField(null=True, editable=False)
    told_given_up_at = models.DateTimeField(null=True, editable=False)

    def __str__(self):
        return str(self.connection)

    @property
    def host(self):
        """Where the invoices go, in short; "" when the package has no address now."""
        return urlsplit(self.connection.app.autopilot_url).netloc

    @property
    def may_push(self):
        """Whether the accesses of R5 let it have received invoices. Needs `with_owner_standing`."""
        return self.connection.rights.allows(FUNCTION)

    @property
    def is_running(self):
        """The same as `pushing_connections` for this one, and whether it may; needs `for_list`."""
        connection = self.connection
        stopped = connection.is_revoked or connection.paused_at
        return bool(self.host) and not stopped and connection.stands and self.may_push

    @property
    def waiting(self):
        """How many invoices are still to be pushed, those that were given up apart."""
        ready = self.connection.offers.ready()
        return ready.filter(Q(push=None) | Q(push__given_up_at=None)).count()

    @property
    def given_up(self):
        return Push.objects.filter(offer__connection=self.connection).given_up().count()

    @property
    def last_failure(self):
        return self.connection.attempts.failed().order_by("-at", "-pk").first()

    @property
    def last_attempts(self):
        return self.connection.attempts.select_related("invoice").order_by("-at", "-pk")[:10]

    @property
    def older_secret_until(self):
        """Until when an older signing secret signs too; None when there is none."""
        return self.connection.signing_secrets.live().aggregate(last=models.Max("ends_at"))["last"]


class SigningSecretQuerySet(models.QuerySet):
    def live(self):
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=timezone.now()))


class SigningSecret(models.Model):
    """A version of the signing secret of a connection; what it is comes from a key of the server."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="signing_secrets")
    version = models.PositiveIntegerField()
    key = models.PositiveIntegerField()  # its number in SIGNING_KEYS
    op_id = models.UUIDField(unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    ends_at = models.DateTimeField(null=True)

    objects = SigningSecretQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "version"], name="a_signing_secret_has_one_version"
            ),
            models.UniqueConstraint(
                fields=["connection"],
                condition=Q(ends_at__isnull=True),
                name="one_current_signing_secret",
            ),
        ]

    def __str__(self):
        return f"{self.connection}: {self.version}"

    def reveal(self):
        """The secret itself, which prints masked."""
        return signing.secret_of(
            key=settings.SIGNING_KEYS.get(self.key),
            connection=self.connection.uuid.hex,
            version=self.version,
        )


class PushQuerySet(models.QuerySet):
    def waiting(self):
        return self.filter(given_up_at__isnull=True)

    def given_up(self):
        return self.filter(given_up_at__isnull=False)

    def due(self, now):
        """Those to be tried now, of connections that do not rest; the longest waiting first.

        Whether a connection may push now is for who takes one: asked of all, it would cost too much.
        """
        resting = Autopilot.objects.filter(
            connection=OuterRef("offer__connection"), rests_until__gt=now
        )
        return (
            self.waiting()
            .filter(~Exists(resting), send_after__lte=now)
            .order_by("send_after", "pk")
        )

    def offered_again(self):
        """Those given up whose invoice somebody offered again since."""
        return self.given_up().filter(offer__offered_at__gt=F("given_up_at"))


class Push(models.Model):
    """An offered invoice on its way to the package; gone when it has arrived.

    `send_after` is also the lease: a worker moves it ahead while it sends. `message` is the webhook-id, which
    every attempt carries.
    """

    offer = models.OneToOneField(Offer, models.CASCADE, related_name="push")
    message = models.UUIDField(default=uuid.uuid4, editable=False)
    send_after = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveIntegerField(default=0)
    first_tried_at = models.DateTimeField(null=True)
    tried_at = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)

    objects = PushQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "pushes"
        indexes = [
            models.Index(
                fields=["send_after", "id"],
                condition=Q(given_up_at__isnull=True),
                name="push_waiting",
            )
        ]

    def __str__(self):
        return str(self.offer)


class AttemptQuerySet(models.QuerySet):
    def failed(self):
        return self.exclude(outcome=Attempt.Outcome.DELIVERED)

    def delivered(self):
        return self.filter(outcome=Attempt.Outcome.DELIVERED)

    def tests(self):
        return self.filter(invoice__isnull=True)


class Attempt(models.Model):
    """A line of the journal: one request to the package and what came of it; without an invoice, a test."""

    class Outcome(models.TextChoices):
        DELIVERED = "delivered", _("Delivered")
        REFUSED = "refused", _("The package refused it.")
        REDIRECT = "redirect", _("The package named another address; redirects are not followed.")
        GONE = "gone", _("The package wants no more invoices on this address.")
        BUSY = "busy", _("The package asked to try again later.")
        FAULT = "fault", _("The package has a fault.")
        ADDRESS = "address", _("The address is not on the public internet, so nothing was sent.")
        NAME = "name", _("The name of the server was not found.")
        UNREACHABLE = "unreachable", _("The server could not be reached.")
        CERTIFICATE = "certificate", _("The certificate of the server is not valid for its name.")
        SLOW = "slow", _("There was no answer in time.")
        STRANGE = "strange", _("The answer was no HTTP.")

    connection = models.ForeignKey(
        Connection, models.CASCADE, db_index=False, related_name="attempts"
    )
    invoice = models.ForeignKey(Invoice, models.PROTECT, null=True, related_name="+")
    message = models.UUIDField()
    number = models.PositiveIntegerField(default=1)
    at = models.DateTimeField(default=timezone.now)
    milliseconds = models.PositiveIntegerField()
    outcome = models.CharField(max_length=12, choices=Outcome)
    status = models.PositiveSmallIntegerField(null=True)
    said = models.CharField(max_length=300, blank=True)  # the beginning of the answer

    objects = AttemptQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["connection", "at", "id"], name="attempts_in_order"),
            models.Index(
                fields=["connection", "at", "id"],
                condition=~Q(outcome="delivered"),
                name="failed_attempts_in_order",
            ),
            models.Index(fields=["at"], name="attempts_by_age"),
        ]

    def __str__(self):
        return f"{self.message}: {self.outcome}"

    @property
    def is_delivered(self):
        return self.outcome == self.Outcome.DELIVERED

    @property
    def webhook_id(self):
        return webhook_id(self.message)


def webhook_id(message):
    return f"msg_{message.hex}"
