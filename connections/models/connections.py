"""Organisations joined to apps."""

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Environment, Organisation, User
from connections.models.apps import App
from connections.models.further import FurtherOrganisation
from connections.models.key_sets import KeySet
from connections.models.standing import Standing, StandingQuerySet
from portal.paging import each_has
from portal.prepared import Now
from portal.search import searched

SOON = timedelta(days=30)  # as the first mail about the end of keys

# The two things that most software is for, as the overview says them in short.
_MAIN_USES = {"SendDocument": _("send"), "GetInboxDocument": _("receive")}


class Access(models.TextChoices):
    """What a key is given (R27)."""

    ALL = "all", _("All accesses")
    OWNERS = "owners", _("This user's accesses")
    CHOSEN = "chosen", _("Decide for yourself")


class Kind(models.TextChoices):
    """How a connection works: the software calls with keys, or is called itself (R22)."""

    KEYS = "keys", _("Keys")
    AUTOPILOT = "autopilot", _("Autopilot")


def _live_keys():
    return KeySet.objects.live().filter(connection=OuterRef("pk"))


class ConnectionQuerySet(StandingQuerySet):
    def listed(self):
        return self.filter(deleted_at__isnull=True)

    def live(self):
        return self.filter(revoked_at__isnull=True)

    def revoked(self):
        return self.listed().filter(revoked_at__isnull=False)

    def concerning(self, about):
        """Those that live on a user, were made under a mandate, or are of an environment, on either side."""
        if isinstance(about, User):
            return self.filter(owner=about)
        if isinstance(about, Environment):
            return self.filter(Q(organisation__environment=about) | Q(mandate__accountant=about))
        return self.filter(mandate=about)

    def within_reach_of(self, user):
        """The newest first where they are many: in the order in which a list, and a count, then ask them."""
        found = self.filter(Organisation.objects.reached_at("organisation", user))
        return found.order_by("-created_at", "-pk") if user.is_member_of_many else found

    def stopped(self):
        """Those whose calls are refused without anybody here wanting it: blocked and suspended ones."""
        return self.live().filter(~self._stands())

    def suspended(self):
        return self.stopped().exclude(self._has_blocked_side())

    def blocked(self):
        return self.live().of_blocked_sides()

    def running(self):
        return self.live().filter(self._stands(), paused_at__isnull=True)

    def paused(self):
        return self.live().filter(self._stands(), paused_at__isnull=False)

    def _stands(self):
        return each_has(self.model.objects.standing().filter(pk=OuterRef("pk")))

    def with_keys(self):
        return self.filter(kind=Kind.KEYS)

    def working(self):
        used = each_has(_live_keys().filter(first_used_at__isnull=False))
        return self.running().filter(used | Q(autopilot__last_delivered_at__isnull=False))

    def rotating(self):
        return self.running().filter(each_has(_live_keys().retiring()))

    def never_used(self):
        used = _live_keys().filter(first_used_at__isnull=False)
        waits = Q(kind=Kind.AUTOPILOT, autopilot__last_delivered_at=None)
        return self.running().filter(waits | ~each_has(used) & each_has(_live_keys()))

    def unused_for(self, duration):
        """Made, or given new keys, that long ago, and never used since (R21)."""
        return (
            self.with_keys()
            .never_used()
            .filter(each_has(_live_keys().filter(created_at__lte=Now(-duration))))
        )

    def without_keys(self):
        """Those whose keys ended without new ones, because somebody found them for instance."""
        return self.running().with_keys().filter(~each_has(_live_keys().current()))

    def expiring(self):
        """Those whose keys end by themselves soon, the first one first."""
        return (
            self.running()
            .filter(  # the current ones, of which there is one; joined, so that an index has the order
                key_sets__retired_at__isnull=True,
                key_sets__rotated_at__isnull=True,
                key_sets__ends_at__gt=Now(),
                key_sets__ends_at__lte=Now(SOON),
            )
            .order_by("key_sets__ends_at")
        )

    def used_for(self, organisation):
        """Those of an organisation, and those of others that are used for it too (R15)."""
        further = FurtherOrganisation.objects.filter(organisation=organisation)
        return self.filter(Q(organisation=organisation) | Q(pk__in=further.values("connection")))

    def search(self, text):
        """By the name of key, package or organisation, or by a whole App Key, old or new."""
        called = list(KeySet.objects.filter(app_key=text).values_list("connection", flat=True))
        names = ("name", "app__name", "organisation__name")
        return searched(self, text, *names, exactly=Q(pk__in=called))

    def for_call(self):
        """With all around it that a call may read once it is let in, in one query."""
        return self.select_related(
            "app", "owner", "organisation__environment", "mandate__accountant"
        )

    def for_list(self):
        """With all that a row or a page about a connection says, in one query."""
        newest = KeySet.objects.filter(connection=OuterRef("pk")).order_by("-version")
        ended = Case(
            When(
                retired_at__isnull=True,
                ends_at__lte=Now(),
                then=Value(KeySet.Retired.EXPIRED),
            ),
            default=F("retired_because"),
        )
        return (
            self.select_related(
                "app__logo", "organisation__environment", "owner", "mandate__accountant"
            )
            .with_owner_standing()
            .annotate(
                app_key=Subquery(newest.values("app_key")[:1]),
                last_used_at=Coalesce(
                    Subquery(newest.values("last_used_at")[:1]),
                    Subquery(_live_keys().retiring().values("last_used_at")[:1]),
                    F("autopilot__last_delivered_at"),
                ),
                keys_ended=Subquery(newest.annotate(ended=ended).values("ended")[:1]),
                keys_end_at=Subquery(newest.values("ends_at")[:1]),
                older_end_at=Subquery(_live_keys().retiring().values("ends_at")[:1]),
                is_shared=Exists(FurtherOrganisation.objects.filter(connection=OuterRef("pk"))),
            )
        )


class Connection(Standing, models.Model):
    """An organisation joined to an app. Revoked is for ever; deleted hides it (R18, R19)."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        NEVER_USED = "never_used", _("Never used")
        ROTATING = "rotating", _("Rotating")
        PAUSED = "paused", _("Paused")
        SUSPENDED = "suspended", _("Suspended")
        BLOCKED = "blocked", _("Blocked by support")
        KEYS_ENDED = "keys_ended", _("Keys ended")
        REVOKED = "revoked", _("Revoked")

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organisation = models.ForeignKey(
        Organisation, models.PROTECT, db_index=False, related_name="connections"
    )
    number = models.PositiveIntegerField(editable=False)
    # An index of its own would lead SQLite to all connections of a package.
    app = models.ForeignKey(App, models.PROTECT, db_index=False, related_name="connections")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.KEYS, editable=False)
    name = models.CharField(_("name of the key"), max_length=60)
    administration = models.CharField(_("administration"), max_length=60, blank=True)
    reported = models.CharField(max_length=60, blank=True, editable=False)
    access = models.CharField(_("access"), max_length=10, choices=Access, default=Access.ALL)
    functions = models.JSONField(default=list, editable=False)
    owner = models.ForeignKey(User, models.PROTECT, related_name="owned_connections")
    mandate = models.ForeignKey(  # under which the owner works here; none for the organisation's own people
        "partners.Mandate", models.PROTECT, null=True, editable=False, related_name="connections"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    paused_at = models.DateTimeField(null=True, editable=False)
    paused_by = models.ForeignKey(  # nobody when the package itself wants no more (Autopilot)
        User, models.PROTECT, null=True, editable=False, related_name="+"
    )
    revoked_at = models.DateTimeField(null=True, editable=False)
    revoked_by = models.ForeignKey(
        User, models.PROTECT, null=True, editable=False, related_name="+"
    )
    deleted_at = models.DateTimeField(null=True, editable=False)
    deleted_by = models.ForeignKey(
        User, models.PROTECT, null=True, editable=False, related_name="+"
    )

    objects = ConnectionQuerySet.as_manager()
    searched = ["name"]

    class Meta:
        indexes = [
            models.Index(fields=["organisation", "app"], name="connection_of_package"),
            models.Index(
                fields=["-created_at", "-id"],
                condition=Q(deleted_at__isnull=True),
                name="connections_newest",
            ),
            models.Index(
                fields=["organisation", "-created_at", "-id"],
                condition=Q(deleted_at__isnull=True),
                name="connection_newest",
            ),
            models.Index(
                fields=["owner", "-created_at", "-id"],
                condition=Q(deleted_at__isnull=True),
                name="connection_of_owner",
            ),
            models.Index(
                fields=["organisation", "-created_at", "-id"],
                condition=Q(paused_at__isnull=False),
                name="connection_paused",
            ),
            models.Index(
                fields=["organisation", "-created_at", "-id"],
                condition=Q(revoked_at__isnull=False, deleted_at__isnull=True),
                name="connection_revoked",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "number"], name="one_connection_per_number"
            ),
            models.UniqueConstraint(
                fields=["organisation", "app", "administration"],
                condition=Q(revoked_at__isnull=True),
                name="one_live_connection_per_package_and_administration",
            ),
            models.CheckConstraint(
                condition=Q(revoked_at__isnull=True, revoked_by__isnull=True)
                | Q(revoked_at__isnull=False, revoked_by__isnull=False),
                name="revoking_has_a_time_and_a_person",
            ),
            models.CheckConstraint(
                condition=Q(paused_at__isnull=False) | Q(paused_by__isnull=True),
                name="whoever_pauses_does_so_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(deleted_at__isnull=True, deleted_by__isnull=True)
                | Q(deleted_at__isnull=False, deleted_by__isnull=False, revoked_at__isnull=False),
                name="only_what_is_revoked_is_deleted_by_a_person",
            ),
        ]

    def __str__(self):
        return self.name

    @property
    def is_revoked(self):
        return self.revoked_at is not None

    @property
    def is_autopilot(self):
        return self.kind == Kind.AUTOPILOT

    @property
    def key(self):
        """What the key was given."""
        return self.given(self.access, self.functions)

    @staticmethod
    def given(access, functions):
        """The part that a key of this access has; None for all (R27)."""
        return None if access == Access.ALL else frozenset(functions)

    def is_managed_by(self, user):
        """Whether people of the user's environment may change it: a partner's only what is theirs (R34).

        What is used for organisations of others too is its makers' alone, who answer for all of them (R15).
        Needs `for_list`.
        """
        environment = user.environment_id
        return environment == self.made_by.pk or (
            environment == self.organisation.environment_id and not self.is_shared
        )

    @property
    def status(self):
        """One word for the overview; needs `for_list`."""
        if self.is_revoked:
            return self.Status.REVOKED
        if self.blocked:
            return self.Status.BLOCKED
        if self.is_suspended:
            return self.Status.SUSPENDED
        if self.paused_at:
            return self.Status.PAUSED
        if self.keys_ended:
            return self.Status.KEYS_ENDED
        if self.older_end_at:
            return self.Status.ROTATING
        return self.Status.ACTIVE if self.last_used_at else self.Status.NEVER_USED

    @property
    def keys_end_soon(self):
        """Whether people should rotate its keys now; needs `for_list`."""
        return bool(self.keys_end_at) and self.keys_end_at <= timezone.now() + SOON

    @property
    def opened(self):
        """The names of the functions that its keys open for its first organisation now, but for a pause.

        Needs `for_list`.
        """
        works = not self.is_revoked and not self.keys_ended and self.stands
        return self.rights.effective() if works else frozenset()

    @property
    def opens(self):
        """What the keys open now, in a few words for the overview; needs `for_list`."""
        allowed = self.opened
        uses = [str(word) for name, word in _MAIN_USES.items() if name in allowed]
        if uses or not allowed:
            return ", ".join(uses)
        return _("%(count)s of %(all)s API functions") % {
            "count": len(allowed),
            "all": len(self.app.functions),
        }

    def get_absolute_url(self):
        return self.url("connection")

    def url(self, name):
        """The address of the page `name` about this connection."""
        return reverse(
            f"connections:{name}",
            kwargs={"organisation": self.organisation.organisation_id, "number": self.number},
        )

    @property
    def event_subject(self):
        return "connection", self.uuid, f"{self.name} ({self.app.name})"
