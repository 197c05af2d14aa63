"""Invoices on their way from one organisation to another."""

import uuid

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation, User
from connections.models import Connection, FurtherOrganisation
from portal.paging import each_has


class Delivery(models.TextChoices):
    """How far a received invoice is on its way into the software of its receiver (R50)."""

    NOT_OFFERED = "not_offered", _("Not offered")
    READY = "ready", _("Ready")
    RETRIEVED = "retrieved", _("Retrieved")


class Status(models.TextChoices):
    """What became of an invoice at its receiver, or that it never got there (R49, R51)."""

    RECEIVED = "received", _("Received")
    DOWNLOADED = "downloaded", _("Downloaded")  # by software, which confirmed it
    OPENED = "opened", _("Opened")  # by a person
    PAID = "paid", _("Paid")
    REJECTED = "rejected", _("Rejected")
    DUPLICATE = "duplicate", _("Duplicate")
    FAILED = "delivery failed", _("Delivery failed")


class SentStatus(models.TextChoices):
    """The same as its sender sees it, whom the software of the receiver does not concern."""

    DELIVERED = "delivered", _("Delivered")
    OPENED = Status.OPENED.value, Status.OPENED.label
    PAID = Status.PAID.value, Status.PAID.label
    REJECTED = Status.REJECTED.value, Status.REJECTED.label
    DUPLICATE = Status.DUPLICATE.value, Status.DUPLICATE.label
    FAILED = Status.FAILED.value, Status.FAILED.label


# What the receiver's people and software can say of an invoice; the portal says the rest.
SETTABLE = (Status.PAID, Status.REJECTED, Status.OPENED, Status.RECEIVED)
_DELIVERED = (Status.RECEIVED, Status.DOWNLOADED)


def to_sender(status) -> SentStatus:
    """What the sender is told of a status."""
    return SentStatus.DELIVERED if status in _DELIVERED else SentStatus(status)


def _waiting():
    return Offer.objects.ready().to_live_connections().filter(invoice=OuterRef("pk"))


def _confirmed():
    return Offer.objects.retrieved().filter(invoice=OuterRef("pk"))


class InvoiceQuerySet(models.QuerySet):
    def sent_by(self, organisation):
        return self.filter(sender=organisation.pk)

    def received_by(self, organisation):
        return self.filter(receiver=organisation.pk)

    def of(self, organisation):
        """What stands in its inbox or in its outbox."""
        return self.filter(Q(sender=organisation) | Q(receiver=organisation))

    def in_delivery(self, delivery):
        """Received invoices in this state of Delivery, over all connections of their receiver."""
        ready, retrieved = each_has(_waiting()), each_has(_confirmed())
        if delivery == Delivery.READY:
            return self.filter(ready)
        return self.filter(~ready, retrieved if delivery == Delivery.RETRIEVED else ~retrieved)

    def retrieved_before(self):
        """Those that some connection has confirmed, revoked since or not."""
        return self.filter(each_has(_confirmed()))

    def in_sent_status(self, status):
        """Sent invoices of which the sender sees this SentStatus."""
        return self.filter(status__in=_DELIVERED if status == SentStatus.DELIVERED else [status])

    def exchanged_with(self, counterparty, *, side):
        """Those whose `side`, "sender" or "receiver", has this organisation ID or electronic address."""
        name = f"{side}_address" if ":" in counterparty else f"{side}__organisation_id"
        return self.filter(**{name: counterparty})

    def ready_for(self, connection):
        """Offered to this connection and not confirmed by it yet (R50)."""
        return self.filter(
            pk__in=Offer.objects.ready().filter(connection=connection.pk).values("invoice")
        )

    def retrieved_by(self, connection):
        done = Offer.objects.retrieved().filter(invoice=OuterRef("pk"), connection=connection.pk)
        return self.filter(each_has(done))


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
    sender = models.ForeignKey(Organisation, models.PROTECT, db_index=False, related_name="outbox")
    sender_name = models.CharField(max_length=200)
    sender_address = models.CharField(max_length=100)
    receiver = models.ForeignKey(
        Organisation, models.PROTECT, null=True, db_index=False, related_name="inbox"
    )
    receiver_name = models.CharField(max_length=200)
    receiver_address = models.CharField(max_length=100)
    sent_through = models.ForeignKey(Connection, models.PROTECT, related_name="sent_invoices")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    sha256 = models.CharField(max_length=64)
    status = models.CharField(max_length=15, choices=Status, editable=False)
    # When the status changed last. A download does not count: lists stay still while software fetches.
    changed_at = models.DateTimeField(default=timezone.now, editable=False)
    # Which one it is a duplicate of, or was before "Mark as original".
    duplicate_of = models.ForeignKey(
        "self", models.PROTECT, null=True, editable=False, related_name="duplicates"
    )

    objects = InvoiceQuerySet.as_manager()
    searched = ["number", "sender_name", "receiver_name"]

    class Meta:
        indexes = [
            models.Index(fields=["created_at", "id"], name="invoices_in_order"),
            models.Index(fields=["sender", "created_at", "id"], name="outbox_in_order"),
            models.Index(fields=["sender", "number"], name="invoice_by_number"),
            models.Index(fields=["receiver", "created_at", "id"], name="inbox_in_order"),
            models.Index(fields=["sender", "changed_at", "id"], name="outbox_by_change"),
            models.Index(fields=["receiver", "changed_at", "id"], name="inbox_by_change"),
            models.Index(
                fields=["sender", "receiver_address", "changed_at", "id"], name="outbox_by_address"
            ),
            models.Index(
                fields=["receiver", "sender_address", "changed_at", "id"], name="inbox_by_address"
            ),
            models.Index(fields=["sender", "status", "changed_at", "id"], name="outbox_by_status"),
            models.Index(fields=["receiver", "status", "changed_at", "id"], name="inbox_by_status"),
            models.Index(fields=["sender", "status", "created_at", "id"], name="outbox_of_status"),
            models.Index(fields=["receiver", "status", "created_at", "id"], name="inbox_of_status"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(receiver__isnull=True, status=Status.FAILED)
                | (Q(receiver__isnull=False) & ~Q(status=Status.FAILED)),
                name="what_has_no_receiver_is_a_failed_delivery",
            ),
            models.CheckConstraint(
                condition=~Q(status=Status.DUPLICATE) | Q(duplicate_of__isnull=False),
                name="a_duplicate_has_an_original",
            ),
        ]

    def __str__(self):
        return self.number

    @property
    def delivered(self):
        return self.receiver_id is not None

    @property
    def is_duplicate(self):
        """Marked as a duplicate, and not as an original since (R51)."""
        return self.status == Status.DUPLICATE

    @property
    def possible(self):
        """What its status can be set to; nothing of a duplicate or of a failed delivery."""
        if self.status in (Status.DUPLICATE, Status.FAILED):
            return []
        return [status for status in SETTABLE if status != self.status]

    @property
    def shown_status(self):
        """Its status as the receiver sees it, with the label."""
        return Status(self.status)

    @property
    def sent_status(self):
        """Its status as the sender sees it."""
        return to_sender(self.status)

    @property
    def event_subject(self):
        return "invoice", self.uuid, self.number

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


class StatusChange(models.Model):
    """A line of the history of an invoice: which status, when, by whom or by which software (R52)."""

    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="history")
    status = models.CharField(max_length=15, choices=Status)
    at = models.DateTimeField(default=timezone.now, editable=False)
    by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    through = models.ForeignKey(Connection, models.PROTECT, null=True, related_name="+")
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(by__isnull=True, through__isnull=False)
                | Q(by__isnull=False, through__isnull=True),
                name="a_status_comes_from_a_person_or_from_software",
            )
        ]

    def __str__(self):
        return f"{self.invoice}: {self.get_status_display()}"

    @property
    def who(self):
        """The person, or the connection with its package."""
        return str(self.by or f"{self.through} ({self.through.app})")


class OfferQuerySet(models.QuerySet):
    def ready(self):
        return self.filter(retrieved_at__isnull=True)

    def retrieved(self):
        return self.filter(retrieved_at__isnull=False)

    def to_live_connections(self):
        """Not revoked, and still used for the receiver."""
        further = FurtherOrganisation.objects.filter(
            connection=OuterRef("connection"), organisation=OuterRef("invoice__receiver")
        )
        return self.filter(
            Q(connection__organisation=F("invoice__receiver")) | Exists(further),
            connection__revoked_at__isnull=True,
        )

    def with_ways(self):
        """Add `is_open`: whether the connection can still be used for the receiver."""
        still = Offer.objects.to_live_connections().filter(pk=OuterRef("pk"))
        return self.annotate(is_open=Exists(still))


class Offer(models.Model):
    """An invoice put before a connection: ready until the software confirms that it has it (R48, R50).

    Each connection has offers of its own, so two packages of one organisation never take an invoice from
    each other.
    """

    invoice = models.ForeignKey(Invoice, models.PROTECT, db_index=False, related_name="offers")
    connection = models.ForeignKey(
        Connection, models.PROTECT, db_index=False, related_name="offers"
    )
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


class ReofferQuerySet(models.QuerySet):
    def running(self):
        return self.filter(finished_at__isnull=True)

    def not_blocked(self):
        """Those that go on now; others wait until support unblocks the organisation, or the person's side."""
        return self.filter(
            organisation__environment__blocked_at__isnull=True,
            by__environment__blocked_at__isnull=True,
        )


class Reoffer(models.Model):
    """Received invoices that somebody puts before connections again: a job, done line by line (R50)."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="reoffers")
    connections = models.ManyToManyField(Connection, related_name="+")
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    number = models.PositiveIntegerField(editable=False)  # of invoices
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    objects = ReofferQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["organisation", "-created_at", "-id"], name="reoffer_newest"),
            models.Index(
                fields=["created_at"], condition=Q(finished_at__isnull=True), name="reoffer_running"
            ),
        ]

    def __str__(self):
        return f"{self.organisation}, {self.created_at:%Y-%m-%d}"

    def get_absolute_url(self):
        kwargs = {"organisation": self.organisation.organisation_id, "job": self.uuid}
        return reverse("invoices:reoffered", kwargs=kwargs)


class ReofferLineQuerySet(models.QuerySet):
    def waiting(self):
        return self.filter(state=ReofferLine.State.WAITING)

    def offered(self):
        return self.filter(state=ReofferLine.State.OFFERED)

    def refused(self):
        return self.exclude(state__in=[ReofferLine.State.WAITING, ReofferLine.State.OFFERED])


class ReofferLine(models.Model):
    """One invoice of a re-offer, and what became of it; of a refusal the state says why."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        OFFERED = "offered", _("Offered")
        DUPLICATE = "duplicate", _("It is a duplicate. Mark it as original first.")
        SENT = "sent", _("You sent it. Only received invoices are offered to your software.")
        NOTHING_CONNECTED = (
            "nothing connected",
            _("None of the chosen connections may fetch invoices any more."),
        )
        NO_ACCESS = "no access", _("Who asked for it may not re-offer invoices here any more.")

    reoffer = models.ForeignKey(Reoffer, models.CASCADE, db_index=False, related_name="lines")
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="reoffer_lines")
    state = models.CharField(max_length=20, choices=State, default=State.WAITING, editable=False)

    objects = ReofferLineQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["reoffer", "state", "id"], name="reoffer_line_by_state")]
        constraints = [
            models.UniqueConstraint(
                fields=["reoffer", "invoice"], name="an_invoice_is_in_a_re_offer_once"
            )
        ]

    def __str__(self):
        return f"{self.invoice}: {self.get_state_display()}"

    @property
    def is_refused(self):
        return self.state not in (self.State.WAITING, self.State.OFFERED)


class SentOnce(models.Model):
    """What an Idempotency-Key stands for: the same key with the same document is the same invoice (R48)."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64)
    invoice = models.ForeignKey(Invoice, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, db_index=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "key"], name="an_idempotency_key_stands_for_one_invoice"
            )
        ]

    def __str__(self):
        return self.key
