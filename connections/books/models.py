"""What Koppel Books keeps: an administration for each browser, and the invoices booked in it."""

import hashlib
import secrets
import uuid
from datetime import timedelta

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

KEPT = timedelta(days=30)  # without use
MOST_REMOVED = 100  # at a time


class AdministrationQuerySet(models.QuerySet):
    def of(self, token):
        """The administration of the browser that has `token`, or one that is not stored yet."""
        return self.filter(token_digest=_digest(token)).first() if token else None

    def open_new(self) -> tuple["Administration", str]:
        """Make one, and the token that its browser keeps. Those that nobody uses any more leave."""
        unused = self.filter(used_at__lt=timezone.now() - KEPT).order_by("used_at")
        self.filter(pk__in=list(unused.values_list("pk", flat=True)[:MOST_REMOVED])).delete()
        token = secrets.token_urlsafe(32)
        return self.create(token_digest=_digest(token)), token


class Administration(models.Model):
    """The books of one browser. Only a digest of what the browser proves itself with is stored."""

    token_digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now)
    used_at = models.DateTimeField(default=timezone.now, db_index=True)

    email = models.EmailField(_("email address of this administration"), blank=True)
    organisation_id = models.CharField(_("organisation ID"), max_length=20, blank=True)
    organisation_name = models.CharField(max_length=200, blank=True)
    app_key = models.CharField(_("App Key"), max_length=26, blank=True)
    encrypted_secret = models.TextField(blank=True, editable=False)
    keys_stored_at = models.DateTimeField(null=True)
    connected_at = models.DateTimeField(null=True)
    tested = models.JSONField(default=dict)  # what the last test found: connections.books.findings

    first_customer = models.PositiveBigIntegerField(null=True)
    first_invoice = models.PositiveBigIntegerField(null=True)

    objects = AdministrationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(app_key="", encrypted_secret="", keys_stored_at__isnull=True)
                | ~models.Q(app_key="")
                & ~models.Q(encrypted_secret="")
                & models.Q(keys_stored_at__isnull=False),
                name="both_keys_are_stored_or_neither",
            )
        ]

    def __str__(self):
        return self.organisation_name or f"administration {self.pk}"

    @property
    def has_keys(self) -> bool:
        return bool(self.app_key)

    @property
    def connected_organisation(self) -> str:
        """The ID of the organisation with which a test succeeded, until these books are disconnected."""
        return self.organisation_id if self.organisation_name else ""

    @sensitive_variables()
    def store_keys(self, app_key, secret):
        """Keep both keys, the Secret encrypted; what was known of the earlier ones is forgotten."""
        self.app_key = app_key
        self.encrypted_secret = _fernet().encrypt(secret.encode()).decode()
        self.keys_stored_at = timezone.now()
        self.connected_at, self.tested = None, {}

    def forget_keys(self):
        self.app_key = self.encrypted_secret = self.organisation_id = self.organisation_name = ""
        self.keys_stored_at = self.connected_at = None
        self.tested = {}

    @property
    def secret(self) -> str:
        """For the header of a call, and for nothing else. "" when this server cannot read it any more."""
        try:
            return _fernet().decrypt(self.encrypted_secret.encode()).decode()
        except InvalidToken:
            return ""


class Direction(models.TextChoices):
    RECEIVED = "received", _("Received")
    SENT = "sent", _("Sent")


class State(models.TextChoices):
    BOOKED = "booked", _("Booked")  # received, stored and confirmed
    STORED = "stored", _("Stored, not confirmed")
    UNANSWERED = "unanswered", _("No answer yet")
    DELIVERED = "delivered", _("Delivered")
    FAILED = "failed", _("Delivery failed")
    REFUSED = "refused", _("Refused")


class BookedInvoice(models.Model):
    """An invoice in the books of an administration, with the document as it came or went."""

    uuid = models.UUIDField(default=uuid.uuid4)  # of a sent one its Idempotency-Key, too
    administration = models.ForeignKey(
        Administration, models.CASCADE, related_name="invoices", editable=False
    )
    direction = models.CharField(max_length=8, choices=Direction)
    state = models.CharField(max_length=10, choices=State)
    number = models.CharField(_("number"), max_length=100)
    other_party = models.CharField(max_length=200)
    total = models.DecimalField(max_digits=18, decimal_places=2)
    currency = models.CharField(max_length=3)
    xml = models.BinaryField()
    api_id = models.CharField(max_length=36, blank=True)
    answer = models.JSONField(default=dict)  # what the API said: connections.books.findings
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["administration", "uuid"], name="an_administration_has_an_invoice_once"
            ),
            models.UniqueConstraint(
                fields=["administration", "api_id"],
                condition=models.Q(direction=Direction.RECEIVED),
                name="a_received_invoice_is_booked_once",
            ),
        ]

    def __str__(self):
        return self.number


def _digest(token):
    return hashlib.sha256(token.encode()).hexdigest()


def _fernet():
    return Fernet(settings.BOOKS_KEY)
