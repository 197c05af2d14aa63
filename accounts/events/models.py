"""The activity log: who did what, when, to which organisation. Written once, never changed (R53)."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.events import chain
from accounts.events.words import in_words


class Action(models.TextChoices):
    """Everything that can happen; the label is what the activity page says."""

    ENVIRONMENT_CREATED = "environment.created", _("Environment created")
    ENVIRONMENT_CLOSED = "environment.closed", _("Environment closed")
    ENVIRONMENT_REOPENED = "environment.reopened", _("Environment opened again")
    ENVIRONMENT_PURGED = "environment.purged", _("People of a closed environment forgotten")
    ENVIRONMENT_BLOCKED = "environment.blocked", _("Environment blocked by support")
    ENVIRONMENT_UNBLOCKED = "environment.unblocked", _("Environment unblocked by support")
    INTEGRATIONS_ACTIVATED = "integrations.activated", _("Integrations service activated")
    INTEGRATIONS_ENDED = "integrations.ended", _("Integrations service ended")
    ORGANISATION_ADDED = "organisation.added", _("Organisation added")
    ORGANISATION_CHANGED = "organisation.changed", _("Organisation changed")
    USER_INVITED = "user.invited", _("User invited")
    USER_JOINED = "user.joined", _("User joined")
    USER_ROLE_CHANGED = "user.role_changed", _("Role changed")
    USER_BLOCKED = "user.blocked", _("User blocked")
    USER_UNBLOCKED = "user.unblocked", _("User unblocked")
    USER_REMOVED = "user.removed", _("User removed")
    ACCOUNT_DELETED = "user.deleted", _("Account deleted by its person")
    DATA_DOWNLOADED = "user.data_downloaded", _("Own data downloaded")
    USER_ACCESSES_CHANGED = "user.accesses_changed", _("Accesses of a user changed")
    USER_ORGANISATIONS_CHANGED = "user.organisations_changed", _("Organisations of a user changed")
    PROFILE_CHANGED = "user.profile_changed", _("Profile changed")
    LOGIN_CHANGED = "user.login_changed", _("Login methods changed")
    OWN_APP_CREATED = "app.created", _("Own App created")
    OWN_APP_CHANGED = "app.changed", _("Own App changed")
    CONNECTION_CREATED = "connection.created", _("Connection created")
    CONNECTION_CHANGED = "connection.changed", _("Accesses of a connection changed")
    KEYS_CREATED = "connection.new_keys", _("New keys created")
    KEYS_ROTATED = "connection.rotated", _("Keys rotated")
    KEYS_REPLACED = "connection.replaced", _("New keys of a rotation replaced")
    KEYS_ENDED = "connection.keys_ended", _("Keys ended")
    KEYS_END_CHANGED = "connection.end_changed", _("End of the keys changed")
    CONNECTION_PAUSED = "connection.paused", _("Connection paused")
    CONNECTION_RESUMED = "connection.resumed", _("Connection resumed")
    AUTOPILOT_ON = "connection.autopilot_on", _("Autopilot switched on")
    SIGNING_SECRET_MADE = "connection.signing_secret", _("New signing secret created")
    AUTOPILOT_GONE = "connection.autopilot_gone", _("Paused: the package wants no more invoices")
    CONNECTION_EXTENDED = "connection.extended", _("Connection used for one more organisation")
    CONNECTION_NARROWED = "connection.narrowed", _("Organisation removed from a connection")
    ADMINISTRATION_CHANGED = (
        "connection.administration",
        _("Administration of a connection changed"),
    )
    KEYS_FOUND = "connection.keys_found", _("Keys found by somebody and ended")
    CONNECTION_TAKEN_OVER = "connection.taken_over", _("Connection taken over")
    CONNECTION_USED = "connection.first_used", _("First call of the software")
    CHANGE_ASKED = "connection.change_asked", _("Somebody asked to change what refused a call")
    CONNECTION_REVOKED = "connection.revoked", _("Connection revoked")
    CONNECTION_DELETED = "connection.deleted", _("Connection deleted")
    REQUEST_SENT = "request.sent", _("Authorisation request sent")
    REQUEST_RESENT = "request.resent", _("Authorisation request sent again")
    REQUEST_PASSED_ON = "request.passed_on", _("Administrators told of an authorisation request")
    REQUEST_ACCEPTED = "request.accepted", _("Authorisation request accepted")
    REQUEST_DECLINED = "request.declined", _("Authorisation request declined")
    REQUEST_WITHDRAWN = "request.withdrawn", _("Authorisation request withdrawn")
    REQUEST_EXPIRED = "request.expired", _("Authorisation request expired")
    REQUESTS_STARTED = "request.batch_started", _("Authorisation requests from a file")
    PARTNERSHIP_STARTED = "partnership.started", _("Partnership started")
    PARTNERSHIP_ENDED = "partnership.ended", _("Partnership ended")
    CLIENT_COLLEAGUES_CHANGED = "client.colleagues_changed", _("Colleagues of a client changed")
    CLIENT_PERSON_REMOVED = "client.person_removed", _("Person of a partner removed")
    CLIENT_PERSON_READMITTED = "client.person_readmitted", _("Person of a partner let in again")
    CLIENT_FUNCTIONS_CHANGED = "client.functions_changed", _("What a partner may do changed")
    SUPPORT_LOOKED = "support.looked", _("Support looked at")
    SUPPORT_CHANGED = "support.changed", _("Changed by support")
    MAIL_SENT_AGAIN = "support.mail_again", _("Mail sent again by support")
    STAFF_ADDED = "staff.added", _("Member of support invited")
    STAFF_CHANGED = "staff.changed", _("Groups of a member of support changed")
    STAFF_ENDED = "staff.ended", _("Access of a member of support ended")
    FUNCTION_ADDED = "function.added", _("API function added to the catalogue")
    GATEWAY_CREATED = "gateway.created", _("Gateway created")
    GATEWAY_ENDED = "gateway.ended", _("Gateway ended")
    INVOICES_REOFFERED = "invoice.reoffered", _("Invoices re-offered to the API")
    NAME_ERASED = "log.name_erased", _("Name of a former user erased from the log")
    LINES_RETIRED = "log.lines_retired", _("Old lines taken out of the log")
    RESTORED = "log.restored", _("Backup put back")
    ENDED_AGAIN = "log.ended_again", _("Ended again after a backup was put back")
    INVOICE_STATUS_SET = "invoice.status_set", _("Status of an invoice set")
    INVOICE_MARKED_ORIGINAL = "invoice.marked_original", _("Duplicate marked as original")


class EventQuerySet(models.QuerySet):
    def newest_first(self):
        return self.order_by("-at", "-pk")

    def of(self, environment):
        return self.filter(environment=environment)

    def about(self, kind, ref):
        return self.filter(subject_kind=kind, subject_ref=str(ref))

    def chained(self):
        """Those that have their place in the chain, in its order."""
        return self.filter(number__isnull=False).order_by("number").select_related("organisation")

    def waiting(self):
        """Those that have not yet got their place in the chain, the oldest first."""
        return self.filter(number__isnull=True).order_by("pk").select_related("organisation")

    def bulk_create(self, objs, **kwargs):
        objs = list(objs)
        for event in objs:
            chain.sign(event)
        return super().bulk_create(objs, **kwargs)

    def update(self, **values):
        raise TypeError("Events are never changed.")

    def delete(self):
        raise TypeError("Events are never deleted.")

    def put(self, **values):
        """Store what the guards of the database let pass: a place in the chain, an emptied value."""
        return super().update(**values)

    def let_go(self):
        """Delete lines that a checkpoint covers; the guards of the database let no other pass."""
        return self._raw_delete(self.db)


class Event(models.Model):
    """One line of the activity log. `subject_name` is the name of the thing at that time.

    The worker gives it its place in the chain of its environment a moment later: `number` and `link`, the
    check value over this and all earlier lines (see accounts.events.chain).
    """

    environment = models.ForeignKey(  # none for what support does for the whole portal
        "accounts.Environment", models.PROTECT, null=True, related_name="events"
    )
    organisation = models.ForeignKey(
        "accounts.Organisation", models.PROTECT, null=True, blank=True, related_name="events"
    )
    at = models.DateTimeField(default=timezone.now, editable=False)
    actor = models.ForeignKey(
        "accounts.User", models.PROTECT, null=True, blank=True, related_name="+"
    )
    actor_name = models.CharField(max_length=300, blank=True)
    action = models.CharField(max_length=40, choices=Action)
    subject_kind = models.CharField(max_length=20)
    subject_ref = models.CharField(max_length=64)
    subject_name = models.CharField(max_length=300)
    details = models.JSONField(default=dict)
    request_id = models.CharField(max_length=40, blank=True)
    proofs = models.JSONField(editable=False)  # salts, or what is left of erased values
    seal = models.CharField(max_length=64, unique=True, editable=False)
    number = models.PositiveBigIntegerField(null=True, editable=False)
    link = models.CharField(max_length=64, blank=True, editable=False)
    link_seal = models.CharField(max_length=64, blank=True, editable=False)

    objects = EventQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["environment", "-at", "-id"], name="event_newest"),
            models.Index(fields=["environment", "action", "-at", "-id"], name="event_by_action"),
            models.Index(fields=["environment", "actor", "-at", "-id"], name="event_by_actor"),
            models.Index(fields=["environment", "organisation", "-at", "-id"], name="event_by_org"),
            models.Index(fields=["subject_kind", "subject_ref", "-at"], name="event_by_subject"),
            models.Index(
                fields=["environment"],
                name="event_waits_for_its_place",
                condition=models.Q(number__isnull=True),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "number"], name="one_line_in_each_place_of_a_log"
            )
        ]

    def __str__(self):
        return f"{self.get_action_display()}: {self.subject_name}"

    @property
    def is_about_its_actor(self):
        return self.subject_kind == "user" and self.subject_ref == str(self.actor_id)

    @property
    def who(self):
        """The name of the actor, as far as the log may still say it."""
        if chain.is_erased(self, "actor_name"):
            return _("Former user")
        return self.actor_name or "Koppel"

    @property
    def about_whom(self):
        """The name of the thing, as far as the log may still say it."""
        return _("Former user") if chain.is_erased(self, "subject_name") else self.subject_name

    @property
    def details_in_words(self):
        return in_words(self.details)

    def save(self, **kwargs):
        if not self._state.adding:
            raise TypeError("Events are never changed.")
        chain.sign(self)
        super().save(**kwargs)

    def delete(self, **kwargs):
        raise TypeError("Events are never deleted.")


class Checkpoint(models.Model):
    """Where the log of an environment begins since its oldest lines have left it."""

    environment = models.ForeignKey("accounts.Environment", models.PROTECT, related_name="+")
    number = models.PositiveBigIntegerField()
    link = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now)
    seal = models.CharField(max_length=64)

    def __str__(self):
        return f"{self.environment}: {self.number}"

    def sealed(self):
        return chain.sealed("checkpoint", self.environment_id, self.number, self.link)
