"""Invoices on their way from one organisation to another."""

import uuid

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation, User
from connections.models import Connection


class Delivery(models.TextChoices):
    """How far a received invoice is on its way into the software of its receiver (R50)."""

    NOT_OFFERED = "not_offered", _("Not offered")
    READY = "ready", _("Ready")
    RETRIEVED = "retrieved", _("Retrieved")


class Outcome(models.TextChoices):
    """How sending an invoice ended (R49)."""

    DELIVERED = "delivered", _("Delivered")
    FAILED = "failed", _("Delivery failed")


def _waiting():
    return Offer.objects.ready().to_live_connections().filter(invoice=OuterRef("pk"))


def _confirmed():
    return Offer.objects.retrieved().filter(invoice=OuterRef("pk"))


class InvoiceQuerySet(models.QuerySet):
    def sent_by(self, organisation):
        return self.filter(sender=organisation)

    def received_by(self, organisation):
        return self.filter(receiver=organisation)

    def of(self, organisation):
        """What stands in its inbox or in its outbox."""
        return self.filter(Q(sender=organisation) | Q(receiver=organisation))

    def with_delivery(self):
        """Add `waiting` and `confirmed`, which `Invoice.delivery` reads."""
        return self.annotate(waiting=Exists(_waiting()), confirmed=Exists(_confirmed()))

    def in_delivery(self, delivery):
        """Received invoices in this state of Delivery, over all connections of their receiver."""
        ready, retrieved = Exists(_waiting()), Exists(_confirmed())
        if delivery == Delivery.READY:
            return self.filter(ready)
        return self.filter(~ready, retrieved if delivery == Delivery.RETRIEVED else ~retrieved)

    def with_outcome(self, outcome):
        """Sent invoices that ended so."""
        return self.filter(receiver__isnull=outcome == Outcome.FAILED)

    def ready_for(self, connection):
        """Offered to this connection and not confirmed by it yet (R50)."""
        return self.filter(
            Exists(Offer.objects.ready().filter(invoice=OuterRef("pk"), connection=connection))
        )

    def retrieved_by(self, connection):
        done = Offer.objects.retrieved().filter(invoice=OuterRef("pk"), connection=connection)
        return self.filter(Exists(done))

    def with_delivery_to(self, connection):
        """Add `offered` and `retrieved`: how far this connection is with each invoice."""
        offers = Offer.objects.filter(invoice=OuterRef("pk"), connection=connection)
        return self.annotate(
            offered=Exists(offers), retrieved=Exists(offers.filter(retrieved_at__isnull=False))
        )


class Invoice(models.Model):
    """One UBL document: in the outbox of its sender and, if delivered, in the inbox of its receiver."""

    class Kind(models.TextChoices):
        INVOICE = "Invoice", _("Invoice")
        CREDIT_NOTE = "CreditNote", _("Credit note")

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=10, choices=Kind)
    number = models.CharField(max_length=100)
    issue_date = models.DateField()
    currency = models.CharField(max_length=3)
    total = models.DecimalField(max_digits=18, decimal_places=2)
    sender = models.ForeignKey(Organisation, models.PROTECT, related_name="outbox")
    sender_name = models.CharField(max_length=200)
    sender_address = models.CharField(max_length=100)
    receiver = models.ForeignKey(Organisation, models.PROTECT, null=True, related_name="inbox")
    receiver_name = models.CharField(max_length=200)
    receiver_address = models.CharField(max_length=100)
    sent_through = models.ForeignKey(Connection, models.PROTECT, related_name="sent_invoices")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    sha256 = models.CharField(max_length=64)

    objects = InvoiceQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["created_at", "id"], name="invoices_in_order"),
            models.Index(fields=["sender", "created_at", "id"], name="outbox_in_order"),
            models.Index(fields=["sender", "number"], name="invoice_by_number"),
            models.Index(fields=["receiver", "created_at", "id"], name="inbox_in_order"),
        ]

    def __str__(self):
        return self.number

    @property
    def delivered(self):
        return self.receiver_id is not None

    @property
    def outcome(self):
        return Outcome.DELIVERED if self.delivered else Outcome.FAILED

    @property
    def delivery(self):
        """Ready while a live connection has not confirmed it; needs `with_delivery`."""
        if self.waiting:
            return Delivery.READY
        return Delivery.RETRIEVED if self.confirmed else Delivery.NOT_OFFERED

    def url(self, name, organisation):
        """The address of the page `name` about this invoice in the books of `organisation`."""
        kwargs = {"organisation": organisation.organisation_id, "uuid": self.uuid}
        return reverse(f"invoices:{name}", kwargs=kwargs)


class Document(models.Model):
    """The bytes of an invoice, as they came; apart from it, so that lists never read them."""

    invoice = models.OneToOneField(
        Invoice, models.PROTECT, related_name="document", primary_key=True
    )
    xml = models.BinaryField()

    def __str__(self):
        return str(self.invoice)


class OfferQuerySet(models.QuerySet):
    def ready(self):
        return self.filter(retrieved_at__isnull=True)

    def retrieved(self):
        return self.filter(retrieved_at__isnull=False)

    def to_live_connections(self):
        return self.filter(connection__revoked_at__isnull=True)


class Offer(models.Model):
    """An invoice put before a connection: ready until the software confirms that it has it (R48, R50).

    Each connection has offers of its own, so two packages of one organisation never take an invoice from
    each other.
    """

    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="offers")
    connection = models.ForeignKey(Connection, models.PROTECT, related_name="offers")
    offered_at = models.DateTimeField(default=timezone.now, editable=False)
    offered_by = models.ForeignKey(  # who re-offered it; nobody when it was offered on arrival
        User, models.PROTECT, null=True, editable=False, related_name="+"
    )
    retrieved_at = models.DateTimeField(null=True, editable=False)

    objects = OfferQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["connection", "invoice"],
                condition=Q(retrieved_at__isnull=True),
                name="offer_ready",
            )
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["invoice", "connection"], name="an_invoice_is_offered_to_a_connection_once"
            )
        ]

    def __str__(self):
        return f"{self.invoice} → {self.connection}"


class SentOnce(models.Model):
    """What an Idempotency-Key stands for: the same key with the same document is the same invoice (R48)."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64)
    invoice = models.ForeignKey(Invoice, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "key"], name="an_idempotency_key_stands_for_one_invoice"
            )
        ]

    def __str__(self):
        return self.key
