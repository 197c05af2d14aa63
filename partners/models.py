"""Accountants and their clients: who asked whom for what, and what a client lets its accountant do."""

import hashlib
import secrets
import uuid
from datetime import timedelta

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Environment, Membership, Organisation, User
from accounts.registration import Country
from accounts.roles import Permission
from portal.prepared import Now
from portal.search import searched

TOKEN_BYTES = 32  # 256 bits in an activation link


class PartnershipQuerySet(models.QuerySet):
    def active(self):
        return self.filter(ended_at__isnull=True)

    def of(self, environment):
        return self.filter(Q(accountant=environment) | Q(client=environment))

    def search(self, text):
        return searched(self, text, "accountant__name", "client__name")


class Partnership(models.Model):
    """The link between two environments that an accepted request makes. Ended is for ever."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    accountant = models.ForeignKey(Environment, models.PROTECT, related_name="+")
    client = models.ForeignKey(Environment, models.PROTECT, related_name="+")
    started_at = models.DateTimeField(default=timezone.now, editable=False)
    ended_at = models.DateTimeField(null=True, editable=False)
    ended_by = models.ForeignKey(User, models.PROTECT, null=True, editable=False, related_name="+")

    objects = PartnershipQuerySet.as_manager()

    class Meta:
        indexes = [
            # For whoever has many; those of whoever has few are found by its side, and sorted.
            models.Index(fields=["-started_at", "-id"], name="partnerships_newest"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["accountant", "client"],
                condition=Q(ended_at__isnull=True),
                name="one_active_partnership_between_two_environments",
            ),
            models.CheckConstraint(
                condition=~Q(accountant=F("client")), name="nobody_is_a_partner_of_itself"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ended_by__isnull=True)
                | Q(ended_at__isnull=False, ended_by__isnull=False),
                name="ending_a_partnership_has_a_time_and_a_person",
            ),
        ]

    def __str__(self):
        return f"{self.accountant} – {self.client}"

    @property
    def is_active(self):
        return self.ended_at is None

    def other(self, environment):
        """The side that `environment` is not."""
        return self.client if environment == self.accountant else self.accountant

    def get_absolute_url(self):
        return reverse("partners:partnership", kwargs={"partnership": self.uuid})

    @property
    def event_subject(self):
        return "partnership", self.uuid, str(self)


class MandateQuerySet(models.QuerySet):
    def active(self):
        return self.filter(given_at__isnull=False, ended_at__isnull=True)

    def search(self, text):
        """By a part of the name or address, or by the whole registration number or organisation ID."""
        called = Organisation.objects.filter(organisation_id=text.upper())
        known = Q(registration_number=text) | Q(organisation__in=list(called))
        return searched(self, text, "name", "email", exactly=known)

    def seen_by(self, user):
        """Administrators see every client of their environment; others those they asked or may enter (R4)."""
        found = self.filter(accountant=user.environment_id)
        if user.may(Permission.MANAGE_PARTNERS):
            return found
        return found.filter(looked_after_by(user))


def looked_after_by(user):
    """The condition that `user` may enter this client's organisation, or asked it while nobody may."""
    member = Membership.objects.filter(organisation=OuterRef("organisation"), user=user)
    asked = AuthorisationRequest.objects.filter(mandate=OuterRef("pk"), asked_by=user)
    nobody_may = Q(given_at__isnull=True) | Q(ended_at__isnull=False)
    return Q(Exists(member)) | (nobody_may & Q(Exists(asked)))


class Mandate(models.Model):
    """What an organisation lets an accountancy do: asked for, given, ended; one row through all of it.

    The accountant knows the client by name, address and registration number from the first request on. The
    organisation and the partnership come with the acceptance. `functions` are the API functions that the
    client allows; nobody who comes through the partnership does more there, whatever else they have (R5).
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    accountant = models.ForeignKey(Environment, models.PROTECT, related_name="mandates")
    name = models.CharField(_("client"), max_length=150)
    email = models.EmailField(_("email"), max_length=254)
    country = models.CharField(
        _("country"), max_length=2, choices=Country, default=Country.NETHERLANDS
    )
    registration_number = models.CharField(_("registration number"), max_length=20)
    partnership = models.ForeignKey(
        Partnership, models.PROTECT, null=True, editable=False, related_name="mandates"
    )
    organisation = models.ForeignKey(
        Organisation, models.PROTECT, null=True, editable=False, related_name="mandates"
    )
    functions = models.JSONField(_("API functions"), default=list)
    accountant_pays = models.BooleanField(_("the accountant pays"), default=False)
    given_at = models.DateTimeField(null=True, editable=False)
    ended_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # People of the accountant whom the client has removed: only the client can let them in again.
    kept_out = models.ManyToManyField(User, editable=False, related_name="+")

    objects = MandateQuerySet.as_manager()
    searched = ["name", "email"]

    class Meta:
        indexes = [
            models.Index(fields=["accountant", "name", "id"], name="mandate_by_name"),
            models.Index(fields=["registration_number"], name="mandate_by_number"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["accountant", "country", "registration_number"],
                name="one_mandate_per_accountant_and_registration_number",
            ),
            models.UniqueConstraint(
                fields=["accountant", "organisation"],
                name="one_mandate_per_accountant_and_organisation",
            ),
            models.CheckConstraint(
                condition=Q(
                    given_at__isnull=True,
                    ended_at__isnull=True,
                    partnership__isnull=True,
                    organisation__isnull=True,
                )
                | Q(
                    given_at__isnull=False,
                    partnership__isnull=False,
                    organisation__isnull=False,
                ),
                name="a_mandate_that_is_given_has_organisation_and_partnership",
            ),
        ]

    def __str__(self):
        return self.name

    @property
    def is_active(self):
        return self.given_at is not None and self.ended_at is None

    @property
    def known_functions(self):
        """What was ever asked and accepted for this client: the boxes that it can tick or not."""
        accepted = [r for r in self.requests.all() if r.status == r.Status.ACTIVE]
        return list(
            dict.fromkeys([*self.functions, *(name for r in accepted for name in r.functions)])
        )

    def get_absolute_url(self):
        return reverse("connections:client", kwargs={"mandate": self.uuid})

    @property
    def event_subject(self):
        return "client", self.uuid, self.name


class AuthorisationRequestQuerySet(models.QuerySet):
    def pending(self):
        return self.filter(status=AuthorisationRequest.Status.PENDING)

    def open(self):
        """Pending, and not past its date, whether or not the job has been there."""
        return self.pending().filter(expires_at__gt=Now())

    def received_by(self, environment):
        """Those that this environment answered, and those sent to the address of one of its people (R31).

        Of its people those who have joined: anybody can invite an address that is not theirs.
        """
        people = User.objects.filter(environment=environment, joined_at__isnull=False)
        sent = AuthorisationRequest.objects.filter(client=None, email__in=people.values("email"))
        answered = AuthorisationRequest.objects.filter(client=environment)
        # Not by "or": no index finds rows by that and a subquery.
        return self.filter(pk__in=answered.values("pk").union(sent.values("pk")))

    def seen_by(self, user):
        """Of those sent: administrators see their environment's, others their own and their clients'."""
        found = self.filter(accountant=user.environment_id)
        if user.may(Permission.MANAGE_PARTNERS):
            return found
        mine = Membership.objects.filter(organisation=OuterRef("mandate__organisation"), user=user)
        return found.filter(Q(asked_by=user) | Exists(mine))

    def in_status(self, status):
        """Those whose `state` is this."""
        if status == AuthorisationRequest.Status.PENDING:
            return self.open()
        found = Q(status=status)
        if status == AuthorisationRequest.Status.EXPIRED:
            pending = AuthorisationRequest.Status.PENDING
            found |= Q(status=pending, expires_at__lte=timezone.now())
        return self.filter(found)

    def search(self, text):
        names = ("client_name", "email", "app__name", "accountant__name")
        known = list(Mandate.objects.filter(registration_number=text))
        return searched(self, text, *names, exactly=Q(mandate__in=known))

    def of_client(self, text):
        """Those to the client with this very address or registration number."""
        return self.filter(Q(email__iexact=text) | Q(mandate__registration_number=text))

    def for_list(self):
        return self.select_related("app__logo", "mandate", "accountant", "asked_by", "answered_by")


class AuthorisationRequest(models.Model):
    """An accountant's request to a client for access (R30). Only Pending can be answered, once."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        ACTIVE = "active", _("Active")
        DECLINED = "declined", _("Declined")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        EXPIRED = "expired", _("Expired")
        REPLACED = "replaced", _("Replaced")
        ENDED = "ended", _("Ended")  # it was Active; the partnership has been ended since

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    op_id = models.UUIDField(unique=True)
    accountant = models.ForeignKey(Environment, models.PROTECT, related_name="sent_requests")
    mandate = models.ForeignKey(Mandate, models.PROTECT, related_name="requests")
    app = models.ForeignKey("connections.App", models.PROTECT, related_name="requests")
    asked_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    client_name = models.CharField(_("client"), max_length=150)
    email = models.EmailField(_("email of the client"), max_length=254)
    language = models.CharField(_("language of the mail"), max_length=5, choices=settings.LANGUAGES)
    accountant_pays = models.BooleanField(_("the accountant pays"))
    functions = models.JSONField(_("API functions"))
    note = models.TextField(_("personal note"), max_length=1000, blank=True)
    status = models.CharField(
        _("status"), max_length=10, choices=Status, default=Status.PENDING, editable=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    sent_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(editable=False)
    warned_at = models.DateTimeField(null=True, editable=False)
    told_at = models.DateTimeField(null=True, editable=False)
    closed_at = models.DateTimeField(null=True, editable=False)
    client = models.ForeignKey(
        Environment,
        models.PROTECT,
        null=True,
        db_index=False,
        editable=False,
        related_name="answered_requests",
    )
    answered_by = models.ForeignKey(
        User, models.PROTECT, null=True, editable=False, related_name="+"
    )

    objects = AuthorisationRequestQuerySet.as_manager()
    searched = ["client_name", "email"]

    class Meta:
        indexes = [
            models.Index(fields=["accountant", "-created_at", "-id"], name="request_newest"),
            models.Index(
                fields=["accountant", "status", "-created_at", "-id"], name="request_by_status"
            ),
            models.Index(fields=["accountant", "status", "sent_at"], name="request_by_last_mail"),
            models.Index(fields=["accountant", "app"], name="request_by_package"),
            models.Index(fields=["email", "status"], name="request_by_address"),
            models.Index(
                fields=["client", "-created_at", "-id"],
                condition=Q(client__isnull=False),
                name="request_answered",
            ),
            models.Index(
                fields=["expires_at"], condition=Q(status="pending"), name="request_by_expiry"
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["mandate", "email", "app"],
                condition=Q(status="pending"),
                name="one_pending_request_per_client_address_organisation_and_package",
            ),
            models.CheckConstraint(
                condition=Q(status="pending", closed_at__isnull=True)
                | (~Q(status="pending") & Q(closed_at__isnull=False)),
                name="what_is_not_pending_has_the_time_of_its_end",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["active", "declined", "ended"])
                | Q(client__isnull=False, answered_by__isnull=False),
                name="an_answer_has_an_environment_and_a_person",
            ),
        ]

    def __str__(self):
        return f"{self.client_name} – {self.app}"

    @property
    def asked(self):
        """The API functions asked for, in the order of the catalogue."""
        return [function for function in self.app.asked if function.name in self.functions]

    @property
    def is_pending(self):
        return self.status == self.Status.PENDING and self.expires_at > timezone.now()

    @property
    def is_past(self):
        """Expired, whether or not the job has been there."""
        return self.status == self.Status.EXPIRED or (
            self.status == self.Status.PENDING and not self.is_pending
        )

    @property
    def state(self):
        """The status as it is now: one past its date is Expired before the job says so."""
        return self.Status.EXPIRED if self.is_past else self.Status(self.status)

    def get_absolute_url(self):
        return reverse("partners:request", kwargs={"uuid": self.uuid})

    @property
    def event_subject(self):
        return "request", self.uuid, str(self)


class MandateApp(models.Model):
    """One cell of the portfolio: a client and a package, with the newest request for it (R35)."""

    mandate = models.ForeignKey(Mandate, models.CASCADE, related_name="apps")
    app = models.ForeignKey("connections.App", models.PROTECT, related_name="+")
    request = models.ForeignKey(
        AuthorisationRequest, models.PROTECT, null=True, editable=False, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["mandate", "app"], name="one_cell_per_client_and_package"
            )
        ]
        indexes = [
            models.Index(
                fields=["app"], condition=Q(request__isnull=True), name="cell_without_request"
            )
        ]

    def __str__(self):
        return f"{self.mandate} – {self.app}"


def packages():
    """The Generic Apps that a client can be asked for; the model lives in a room above this one."""
    return apps.get_model("connections.App").objects.published().select_related("logo").by_name()


def connections_made():
    """The connections that were made under mandates, for lists; their model lives above too."""
    return apps.get_model("connections.Connection").objects.listed().for_list().order_by("-pk")


class ActivationLinkQuerySet(models.QuerySet):
    def of_today(self, environment):
        """Those that this environment mailed in the last 24 hours."""
        return self.filter(
            accountant=environment, created_at__gt=timezone.now() - timedelta(days=1)
        )

    def of_token(self, token):
        return self.filter(digest=digest_of(token))

    def left_today(self, environment):
        """How many more this environment may mail in these 24 hours."""
        return max(0, settings.REQUEST_MAILS_PER_DAY - self.of_today(environment).count())


class ActivationLink(models.Model):
    """One mailed link to a request, of which we know the digest. It carries no power (R31)."""

    request = models.ForeignKey(AuthorisationRequest, models.CASCADE, related_name="links")
    accountant = models.ForeignKey(Environment, models.PROTECT, related_name="+")
    email = models.EmailField(max_length=254)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ActivationLinkQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["request", "-id"], name="link_newest"),
            models.Index(fields=["accountant", "created_at"], name="link_by_day"),
            models.Index(fields=["accountant", "email", "created_at"], name="link_by_address"),
        ]

    def __str__(self):
        return f"{self.request}, {self.created_at:%Y-%m-%d}"


def new_token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest_of(token: str) -> str:
    """What is stored of a token. It is random enough to need neither salt nor pepper."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class BatchQuerySet(models.QuerySet):
    def seen_by(self, user):
        """Administrators see every file of their environment, others their own."""
        found = self.filter(environment=user.environment_id)
        return found if user.may(Permission.MANAGE_PARTNERS) else found.filter(by=user)

    def sending(self):
        return self.filter(started_at__isnull=False, finished_at__isnull=True)


class Batch(models.Model):
    """Many requests at once, from a file: first judged line by line, then sent by the worker."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    environment = models.ForeignKey(Environment, models.PROTECT, related_name="batches")
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    file_name = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    objects = BatchQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "batches"
        indexes = [models.Index(fields=["environment", "-created_at", "-id"], name="batch_newest")]

    def __str__(self):
        return self.file_name

    def get_absolute_url(self):
        return reverse("partners:batch", kwargs={"batch": self.uuid})

    @property
    def event_subject(self):
        return "batch", self.uuid, self.file_name


class BatchLine(models.Model):
    """One line of the file: what it says, how it was judged, what became of it."""

    class State(models.TextChoices):
        READY = "ready", _("Ready")
        WRONG = "wrong", _("To be mended")
        SENT = "sent", _("Sent")
        REFUSED = "refused", _("Refused")

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="lines")
    number = models.PositiveIntegerField()
    values = models.JSONField()
    state = models.CharField(max_length=10, choices=State)
    verdict = models.CharField(max_length=500, blank=True)
    request = models.OneToOneField(
        AuthorisationRequest, models.PROTECT, null=True, editable=False, related_name="batch_line"
    )

    class Meta:
        indexes = [models.Index(fields=["batch", "state", "number"], name="line_by_state")]
        constraints = [
            models.UniqueConstraint(fields=["batch", "number"], name="one_line_per_number"),
            models.CheckConstraint(
                condition=Q(state="sent", request__isnull=False)
                | (~Q(state="sent") & Q(request__isnull=True)),
                name="a_sent_line_has_its_request",
            ),
        ]

    def __str__(self):
        return f"{self.batch}, {self.number}"
