"""The activity log: who did what, when, to which organisation. Written once, never changed (R53)."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.events.words import in_words


class Action(models.TextChoices):
    """Everything that can happen; the label is what the activity page says."""

    ENVIRONMENT_CREATED = "environment.created", _("Environment created")
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
    USER_ACCESSES_CHANGED = "user.accesses_changed", _("Accesses of a user changed")
    USER_ORGANISATIONS_CHANGED = "user.organisations_changed", _("Organisations of a user changed")
    PROFILE_CHANGED = "user.profile_changed", _("Profile changed")
    LOGIN_CHANGED = "user.login_changed", _("Login methods changed")
    OWN_APP_CREATED = "app.created", _("Own App created")
    OWN_APP_CHANGED = "app.changed", _("Own App changed")
    CONNECTION_CREATED = "connection.created", _("Connection created")
    CONNECTION_CHANGED = "connection.changed", _("Accesses of a connection changed")
    KEYS_CREATED = "connection.new_keys", _("New keys created")
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
    FUNCTION_ADDED = "function.added", _("API function added to the catalogue")
    GATEWAY_CREATED = "gateway.created", _("Gateway created")
    GATEWAY_ENDED = "gateway.ended", _("Gateway ended")
    INVOICES_REOFFERED = "invoice.reoffered", _("Invoices re-offered to the API")


class EventQuerySet(models.QuerySet):
    def newest_first(self):
        return self.order_by("-at", "-pk")

    def of(self, environment):
        return self.filter(environment=environment)

    def about(self, kind, ref):
        return self.filter(subject_kind=kind, subject_ref=str(ref))

    def update(self, **values):
        raise TypeError("Events are never changed.")

    def delete(self):
        raise TypeError("Events are never deleted.")


class Event(models.Model):
    """One line of the activity log. `subject_name` is the name of the thing at that time."""

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

    objects = EventQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["environment", "-at", "-id"], name="event_newest"),
            models.Index(fields=["environment", "action", "-at", "-id"], name="event_by_action"),
            models.Index(fields=["environment", "actor", "-at", "-id"], name="event_by_actor"),
            models.Index(fields=["environment", "organisation", "-at", "-id"], name="event_by_org"),
            models.Index(fields=["subject_kind", "subject_ref", "-at"], name="event_by_subject"),
        ]

    def __str__(self):
        return f"{self.get_action_display()}: {self.subject_name}"

    @property
    def is_about_its_actor(self):
        return self.subject_kind == "user" and self.subject_ref == str(self.actor_id)

    @property
    def details_in_words(self):
        return in_words(self.details)

    def save(self, **kwargs):
        if not self._state.adding:
            raise TypeError("Events are never changed.")
        super().save(**kwargs)

    def delete(self, **kwargs):
        raise TypeError("Events are never deleted.")
