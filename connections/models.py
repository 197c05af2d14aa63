"""Apps, connections, their keys, and what was called with them."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q, Subquery
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Environment, Membership, Organisation, User
from accounts.roles import Permission, roles_that_allow
from connections import keys, rights
from connections.errors import ERRORS, INVALID_KEYS
from connections.functions import FUNCTIONS, in_order


class AppQuerySet(models.QuerySet):
    def generic(self):
        return self.filter(environment__isnull=True, published=True)

    def usable_by(self, environment):
        """What this environment may connect: the published Generic Apps and its Own Apps."""
        return self.filter(Q(environment__isnull=True, published=True) | Q(environment=environment))

    def search(self, text):
        return self.filter(Q(name__icontains=text) | Q(description__icontains=text))

    def by_name(self):
        return self.order_by(Lower("name"), "pk")


class App(models.Model):
    """A software package: a Generic App, published by support (R10), or an environment's Own App (R11)."""

    environment = models.ForeignKey(
        Environment,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="own_apps",
        verbose_name=_("environment"),
        help_text=_("Empty for a Generic App."),
    )
    name = models.CharField(_("name"), max_length=60)
    description = models.CharField(_("what it is"), max_length=150, blank=True)
    functions = models.JSONField(_("API functions"), default=list)
    published = models.BooleanField(_("published"), default=True)
    quick_connect = models.BooleanField(_("supports Quick Connect"), default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = AppQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                Lower("name"),
                condition=Q(environment__isnull=True),
                name="one_generic_app_per_name",
            ),
            models.UniqueConstraint(
                Lower("name"), "environment", name="one_own_app_per_name_and_environment"
            ),
        ]

    def __str__(self):
        return self.name

    @property
    def is_generic(self):
        return self.environment_id is None

    @property
    def kind(self):
        return _("Generic App") if self.is_generic else _("Own App")

    @property
    def asked(self):
        """The API functions that the app asks for, in the order of the catalogue."""
        return in_order(self.functions)

    @property
    def logo_url(self):
        logo = getattr(self, "logo", None)
        return reverse("connections:logo", kwargs={"digest": logo.digest}) if logo else None

    def get_absolute_url(self):
        return reverse("connections:app", kwargs={"pk": self.pk})

    @property
    def event_subject(self):
        return "app", self.pk, self.name


class AppLogo(models.Model):
    """The picture of an app, re-encoded by us; in the database, where every server and backup finds it."""

    app = models.OneToOneField(App, models.CASCADE, related_name="logo", primary_key=True)
    digest = models.CharField(max_length=32, db_index=True)
    png = models.BinaryField()

    def __str__(self):
        return self.digest


# The two things that most software is for, as the overview says them in short.
_MAIN_USES = {"SendDocument": _("send"), "GetInboxDocument": _("receive")}


class Access(models.TextChoices):
    """What a key is given (R27)."""

    ALL = "all", _("All accesses")
    OWNERS = "owners", _("This user's accesses")
    CHOSEN = "chosen", _("Decide for yourself")


def _membership_of_owner():
    return Membership.objects.filter(user=OuterRef("owner"), organisation=OuterRef("organisation"))


def _live_keys():
    return KeySet.objects.live().filter(connection=OuterRef("pk"))


class ConnectionQuerySet(models.QuerySet):
    def listed(self):
        return self.filter(deleted_at__isnull=True)

    def live(self):
        return self.filter(revoked_at__isnull=True)

    def revoked(self):
        return self.listed().filter(revoked_at__isnull=False)

    def within_reach_of(self, user):
        return self.filter(organisation__in=Organisation.objects.reachable_by(user))

    def with_owner_standing(self):
        """Add `owner_is_member` and `owner_accesses`, which `Connection.rights` reads."""
        return self.annotate(
            owner_is_member=Exists(_membership_of_owner()),
            owner_accesses=Subquery(_membership_of_owner().values("accesses")[:1]),
        )

    def owner_stands(self):
        return self.with_owner_standing().filter(
            owner_is_member=True,
            owner__is_active=True,
            owner__role__in=roles_that_allow(Permission.MANAGE_KEYS),
        )

    def suspended(self):
        return self.live().exclude(pk__in=self.model.objects.owner_stands().values("pk"))

    def working(self):
        return (
            self.live()
            .owner_stands()
            .filter(Exists(_live_keys().filter(first_used_at__isnull=False)))
        )

    def never_used(self):
        return (
            self.live()
            .owner_stands()
            .filter(Exists(_live_keys().filter(first_used_at__isnull=True)))
        )

    def search(self, text):
        """By the name of key, package or organisation, or by a whole App Key, old or new."""
        return self.filter(
            Q(name__icontains=text)
            | Q(app__name__icontains=text)
            | Q(organisation__name__icontains=text)
            | Q(Exists(KeySet.objects.filter(connection=OuterRef("pk"), app_key=text)))
        )

    def for_list(self):
        """With all that a row or a page about a connection says, in one query."""
        newest = KeySet.objects.filter(connection=OuterRef("pk")).order_by("-version")
        return (
            self.select_related("app__logo", "organisation__environment", "owner")
            .with_owner_standing()
            .annotate(
                app_key=Subquery(newest.values("app_key")[:1]),
                last_used_at=Subquery(newest.values("last_used_at")[:1]),
            )
        )


class Connection(models.Model):
    """An organisation joined to an app. Revoked is for ever; deleted hides it (R18, R19)."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        NEVER_USED = "never_used", _("Never used")
        SUSPENDED = "suspended", _("Suspended")
        REVOKED = "revoked", _("Revoked")

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="connections")
    number = models.PositiveIntegerField(editable=False)
    app = models.ForeignKey(App, models.PROTECT, related_name="connections")
    name = models.CharField(_("name of the key"), max_length=60)
    administration = models.CharField(_("administration"), max_length=60, blank=True)
    access = models.CharField(_("access"), max_length=10, choices=Access, default=Access.ALL)
    functions = models.JSONField(default=list, editable=False)
    owner = models.ForeignKey(User, models.PROTECT, related_name="owned_connections")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    revoked_at = models.DateTimeField(null=True, editable=False)
    revoked_by = models.ForeignKey(
        User, models.PROTECT, null=True, editable=False, related_name="+"
    )
    deleted_at = models.DateTimeField(null=True, editable=False)
    deleted_by = models.ForeignKey(
        User, models.PROTECT, null=True, editable=False, related_name="+"
    )

    objects = ConnectionQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["organisation", "-created_at", "-id"], name="connection_newest")
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
    def owner_stands(self):
        """Whether the owner may own it now; needs `with_owner_standing` (R7)."""
        return self.owner_is_member and self.owner.may(Permission.MANAGE_KEYS)

    @property
    def status(self):
        """One word for the overview; needs `for_list`."""
        if self.is_revoked:
            return self.Status.REVOKED
        if not self.owner_stands:
            return self.Status.SUSPENDED
        return self.Status.ACTIVE if self.last_used_at else self.Status.NEVER_USED

    @property
    def rights(self) -> rights.Rights:
        """The parts of R5 as they are now; needs `with_owner_standing`."""
        return rights.Rights(
            app=frozenset(self.app.functions),
            key=None if self.access == Access.ALL else frozenset(self.functions),
            owner=rights.accesses_of_owner(stands=self.owner_stands, accesses=self.owner_accesses),
        )

    @property
    def opens(self):
        """What the keys open now, in a few words for the overview; needs `for_list`."""
        allowed = self.rights.effective() if not self.is_revoked else ()
        uses = [str(word) for name, word in _MAIN_USES.items() if name in allowed]
        if uses or not allowed:
            return ", ".join(uses)
        return _("%(count)s of %(all)s API functions") % {
            "count": len(allowed),
            "all": len(FUNCTIONS),
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


class KeySetQuerySet(models.QuerySet):
    def live(self):
        return self.filter(retired_at__isnull=True)

    def retire(self, reason, by):
        return self.live().update(retired_at=timezone.now(), retired_by=by, retired_because=reason)

    def for_call(self, app_key):
        """The key set of `app_key` with all that a call's checks read, in one query; or None."""
        members = Membership.objects.filter(
            user=OuterRef("connection__owner"), organisation=OuterRef("connection__organisation")
        )
        return (
            self.select_related(
                "connection__app", "connection__owner", "connection__organisation__environment"
            )
            .annotate(
                owner_is_member=Exists(members),
                owner_accesses=Subquery(members.values("accesses")[:1]),
            )
            .filter(app_key=app_key)
            .first()
        )


class KeySet(models.Model):
    """One App Key with the digest of its Secret; kept after its retirement for the record (R16)."""

    class Retired(models.TextChoices):
        SUPERSEDED = "superseded", _("Replaced by new keys")
        REVOKED = "revoked", _("Revoked")

    connection = models.ForeignKey(Connection, models.PROTECT, related_name="key_sets")
    version = models.PositiveIntegerField()
    app_key = models.CharField(max_length=keys.APP_KEY_LENGTH, unique=True)
    pepper = models.PositiveSmallIntegerField()
    secret_digest = models.CharField(max_length=64)
    op_id = models.UUIDField(unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    first_used_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    retired_at = models.DateTimeField(null=True, editable=False)
    retired_by = models.ForeignKey(
        User, models.PROTECT, null=True, editable=False, related_name="+"
    )
    retired_because = models.CharField(max_length=12, choices=Retired, blank=True, editable=False)

    objects = KeySetQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection"],
                condition=Q(retired_at__isnull=True),
                name="one_live_key_set_per_connection",
            ),
            models.UniqueConstraint(
                fields=["connection", "version"], name="one_key_set_per_version"
            ),
            models.CheckConstraint(
                condition=Q(retired_at__isnull=True, retired_because="")
                | Q(retired_at__isnull=False) & ~Q(retired_because=""),
                name="retirement_has_a_time_and_a_reason",
            ),
        ]

    def __str__(self):
        return self.app_key

    def opens_with(self, secret: keys.Secret) -> bool:
        """Say whether `secret` belongs to this set; a missing pepper raises KeyError: no answer."""
        return keys.matches(
            secret.reveal(),
            self.secret_digest,
            pepper=settings.PEPPERS.get(self.pepper),
            app_key=self.app_key,
            connection=self.connection.uuid.hex,
            version=self.version,
        )


class CallCountQuerySet(models.QuerySet):
    def refused(self):
        return self.exclude(code="")

    def with_old_keys(self):
        """Calls of software that was not given the new keys, or not told of the end (R20)."""
        return self.filter(code=INVALID_KEYS.code)

    def of(self, connection):
        return self.filter(key_set__connection=connection)

    def of_last_days(self, days):
        return self.filter(day__gt=timezone.localdate() - timedelta(days=days))


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

    def __str__(self):
        return f"{self.function or 'me'} {self.code or 'ok'}: {self.calls}"

    @property
    def error(self):
        """Why the call was refused, or None."""
        return ERRORS.get(self.code)
