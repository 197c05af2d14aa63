"""Organisations joined to apps."""

import uuid

from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Environment, Membership, Organisation, User, with_integrations
from accounts.roles import Permission, roles_that_allow
from connections import rights
from connections.models.apps import App
from connections.models.key_sets import KeySet

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


def payer(organisation, mandate):
    """The environment that pays for connections of `organisation` under `mandate`, which may be None (R9)."""
    pays = mandate is not None and mandate.accountant_pays
    return mandate.accountant if pays else organisation.environment


class ConnectionQuerySet(models.QuerySet):
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
        return self.filter(organisation__in=Organisation.objects.reachable_by(user))

    def with_owner_standing(self):
        """Add `owner_is_member` and `owner_accesses`, which `Connection.rights` reads."""
        return self.annotate(
            owner_is_member=Exists(_membership_of_owner()),
            owner_accesses=Subquery(_membership_of_owner().values("accesses")[:1]),
        )

    def owner_stands(self):
        own = Q(mandate__isnull=True, owner__environment=F("organisation__environment"))
        through_partnership = Q(
            mandate__given_at__isnull=False,
            mandate__ended_at__isnull=True,
            owner__environment=F("mandate__accountant"),
        )
        return self.with_owner_standing().filter(
            own | through_partnership,
            owner_is_member=True,
            owner__is_active=True,
            owner__role__in=roles_that_allow(Permission.MANAGE_KEYS),
        )

    def standing(self):
        """Those that are not suspended: the owner may own them, the Integrations service is on (R7, R8)."""
        accountant_pays = Q(mandate__isnull=False, mandate__accountant_pays=True)
        return self.owner_stands().filter(
            accountant_pays & with_integrations("mandate__accountant")
            | ~accountant_pays & with_integrations("organisation__environment")
        )

    def suspended(self):
        return self.live().exclude(pk__in=self.model.objects.standing().values("pk"))

    def working(self):
        return (
            self.live().standing().filter(Exists(_live_keys().filter(first_used_at__isnull=False)))
        )

    def never_used(self):
        return (
            self.live().standing().filter(Exists(_live_keys().filter(first_used_at__isnull=True)))
        )

    def unused_for(self, duration):
        """Made, or given new keys, that long ago, and never used since (R21)."""
        return self.never_used().filter(
            Exists(_live_keys().filter(created_at__lte=timezone.now() - duration))
        )

    def without_keys(self):
        """Those whose keys ended without new ones, because somebody found them for instance."""
        return self.live().standing().filter(~Exists(_live_keys()))

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
            self.select_related(
                "app__logo", "organisation__environment", "owner", "mandate__accountant"
            )
            .with_owner_standing()
            .annotate(
                app_key=Subquery(newest.values("app_key")[:1]),
                last_used_at=Subquery(newest.values("last_used_at")[:1]),
                keys_ended=Subquery(newest.values("retired_because")[:1]),
            )
        )


class Connection(models.Model):
    """An organisation joined to an app. Revoked is for ever; deleted hides it (R18, R19)."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        NEVER_USED = "never_used", _("Never used")
        SUSPENDED = "suspended", _("Suspended")
        KEYS_ENDED = "keys_ended", _("Keys ended")
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
    mandate = models.ForeignKey(  # under which the owner works here; none for the organisation's own people
        "partners.Mandate", models.PROTECT, null=True, editable=False, related_name="connections"
    )
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
    def made_by(self):
        """The environment whose people made it: the accountant's, or the organisation's own."""
        return self.mandate.accountant if self.mandate else self.organisation.environment

    @property
    def is_blocked(self):
        """Whether support has blocked the organisation's environment, or that of the accountant."""
        return bool(self.organisation.environment.blocked_at or self.made_by.blocked_at)

    @property
    def owner_stands(self):
        """Whether the owner may own it now; needs `with_owner_standing` (R7)."""
        return (
            self.owner_is_member
            and self._owner_comes_from_here
            and self.owner.may(Permission.MANAGE_KEYS)
        )

    @property
    def paid_by(self):
        """Whose plan and Integrations service the keys need: the accountant's where it pays (R8, R9)."""
        return payer(self.organisation, self.mandate)

    @property
    def stands(self):
        """Whether it is not suspended; needs `with_owner_standing` (R7, R8)."""
        return self.owner_stands and self.paid_by.has_integrations

    @property
    def _owner_comes_from_here(self):
        """From the organisation's environment, or from an accountant whose partnership is Active (R4)."""
        if self.mandate is None:
            return self.owner.environment_id == self.organisation.environment_id
        return self.mandate.is_active and self.owner.environment_id == self.mandate.accountant_id

    def is_managed_by(self, user):
        """Whether people of the user's environment may change it: a partner's only what is theirs (R34)."""
        environment = user.environment_id
        return environment == self.organisation.environment_id or (
            self.mandate is not None and environment == self.mandate.accountant_id
        )

    @property
    def status(self):
        """One word for the overview; needs `for_list`."""
        if self.is_revoked:
            return self.Status.REVOKED
        if not self.stands:
            return self.Status.SUSPENDED
        if self.keys_ended:
            return self.Status.KEYS_ENDED
        return self.Status.ACTIVE if self.last_used_at else self.Status.NEVER_USED

    @property
    def rights(self) -> rights.Rights:
        """The parts of R5 as they are now; needs `with_owner_standing`."""
        return rights.Rights(
            app=frozenset(self.app.functions),
            key=None if self.access == Access.ALL else frozenset(self.functions),
            owner=rights.accesses_of_owner(stands=self.owner_stands, accesses=self.owner_accesses),
            partnership=frozenset(self.mandate.functions) if self.mandate else None,
        )

    @property
    def opened(self):
        """The names of the functions that a call with its keys may use now; needs `for_list`."""
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
