"""Who people are and which organisations they may enter."""

import hashlib
import hmac
from functools import cache

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Cast, Coalesce, Lower
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.names import validate_first_name, validate_last_name
from accounts.registration import REGISTRATION, Country
from accounts.roles import Permission, Role, allows, roles_that_allow
from portal.paging import each_has
from portal.prepared import Among, Given, Prepared
from portal.search import searched


class Plan(models.TextChoices):
    INVOICE_PORTAL = "invoice_portal", _("Invoice Portal (free)")
    BASIC = "basic", _("Basic")
    PROFESSIONAL = "professional", _("Professional")
    ENTERPRISE = "enterprise", _("Enterprise")


MANY = 1000  # organisations of one person


class Environment(models.Model):
    """A tenant: one company's workspace. Support gives the plan and the accountant right, and blocks."""

    name = models.CharField(_("name"), max_length=100)
    plan = models.CharField(
        _("plan"),
        max_length=20,
        choices=Plan,
        default=Plan.BASIC,
        help_text=_("In the Invoice Portal every key that this environment pays for is suspended."),
    )
    accountant_right = models.BooleanField(_("may send authorisation requests"), default=False)
    blocked_at = models.DateTimeField(_("blocked"), null=True, editable=False)
    blocked_because = models.CharField(
        _("why it is blocked"), max_length=300, blank=True, editable=False
    )
    closed_at = models.DateTimeField(_("closed"), null=True, editable=False)
    purged_at = models.DateTimeField(_("purged"), null=True, editable=False)
    integrations_terms = models.CharField(max_length=20, blank=True, editable=False)
    integrations_at = models.DateTimeField(null=True, editable=False)
    integrations_by = models.ForeignKey(
        "accounts.User", models.PROTECT, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    searched = ["name"]

    class Meta:
        indexes = [
            models.Index(
                fields=["blocked_at"],
                condition=models.Q(blocked_at__isnull=False),
                name="environment_blocked",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(integrations_at__isnull=True, integrations_terms="")
                | models.Q(integrations_at__isnull=False, integrations_by__isnull=False)
                & ~models.Q(integrations_terms=""),
                name="integrations_have_terms_a_time_and_a_person",
            ),
            models.CheckConstraint(
                condition=models.Q(blocked_at__isnull=False) | models.Q(blocked_because=""),
                name="only_what_is_blocked_has_a_reason_for_it",
            ),
        ]

    def __str__(self):
        return self.name

    @property
    def plan_includes_integrations(self):
        """Whether the Integrations service can be ordered in this plan: in all but the free one (R8)."""
        return self.plan != Plan.INVOICE_PORTAL

    @property
    def has_integrations(self):
        """Whether keys that this environment pays for open anything: service activated, plan includes it."""
        return self.integrations_at is not None and self.plan_includes_integrations

    @property
    def may_send_requests(self):
        """Whether its people may ask clients for access: the right from support, and a paid plan (R29)."""
        return self.accountant_stands and self.plan != Plan.INVOICE_PORTAL

    @property
    def accountant_stands(self):
        """Whether it has the accountant right, and is neither blocked by support nor closed."""
        return self.accountant_right and not self.is_blocked and self.closed_at is None

    @property
    def is_blocked(self):
        """Whether support has blocked it (decision 33)."""
        return self.blocked_at is not None

    @property
    def event_subject(self):
        return "environment", self.pk, self.name


def with_integrations(environment):
    """`Environment.has_integrations` as a condition on the environment at the end of this look-up path."""
    activated = models.Q(**{f"{environment}__integrations_at__isnull": False})
    return activated & ~models.Q(**{f"{environment}__plan": Plan.INVOICE_PORTAL})


class UserQuerySet(models.QuerySet):
    def seen_by_administrators_of(self, environment):
        """The environment's own people, and those of partners who are members here (R25)."""
        guests = Membership.objects.filter(
            organisation__environment=environment,
            organisation__mandates__accountant=models.F("user__environment"),
            organisation__mandates__given_at__isnull=False,
            organisation__mandates__ended_at__isnull=True,
        )
        # Asked first: no index finds rows by "or" and a subquery.
        known = set(guests.values_list("user", flat=True))
        return self.filter(models.Q(environment=environment) | models.Q(pk__in=known))

    def administrators_of(self, environment):
        return self.filter(environment=environment, role=Role.ADMINISTRATOR, is_active=True)

    def who_may(self, permission, environment, organisation=None):
        """Those who have joined and whose role allows it; of an organisation, its members only."""
        found = self.filter(
            environment=environment,
            role__in=roles_that_allow(permission),
            is_active=True,
            joined_at__isnull=False,
        )
        return found.filter(memberships__organisation=organisation) if organisation else found

    def search(self, text):
        """Those in whose name or address every word of `text` occurs."""
        found = self
        for word in text.split():
            found = found.filter(
                models.Q(first_name__icontains=word)
                | models.Q(last_name__icontains=word)
                | models.Q(email__icontains=word)
            )
        return found

    def in_status(self, status):
        """Those whose `status`, other than removed, is this."""
        return self.filter(removed_at__isnull=True, **STATUS_FILTERS[status])

    def with_number_of_organisations(self):
        """Add `number_of_organisations`: those of the own environment that the user may enter."""
        own = Membership.objects.filter(user=models.OuterRef("pk")).filter(
            organisation__environment=models.OuterRef("environment")
        )
        count = own.order_by().values("user").annotate(number=models.Count("pk")).values("number")
        return self.annotate(number_of_organisations=Coalesce(models.Subquery(count), 0))


class UserManager(BaseUserManager.from_queryset(UserQuerySet)):
    def create_user(self, email, password=None, **values):
        user = self.model(email=self.normalize_email(email).lower(), **values)
        user.set_password(password)
        user.full_clean(exclude=["password"], validate_unique=False)
        user.save(using=self._db)
        return user

    def create_superuser(self, email, password=None, **values):
        values = {"first_name": "Support", "last_name": "Staff", **values}
        return self.create_user(email, password, is_staff=True, is_superuser=True, **values)

    def get_by_natural_key(self, email):
        return self.get(email__iexact=email)


class User(AbstractBaseUser, PermissionsMixin):
    """A person with an email login; belongs to one environment, with one role there.

    Support staff belong to none. Someone who was removed keeps the row, for the activity log's sake, but
    neither environment nor address.
    """

    class Status(models.TextChoices):
        INVITED = "invited", _("Invited")
        ACTIVE = "active", _("Active")
        BLOCKED = "blocked", _("Blocked")
        REMOVED = "removed", _("Removed")

    email = models.EmailField(_("email"), max_length=254, unique=True)
    first_name = models.CharField(
        _("first name"), max_length=100, blank=True, validators=[validate_first_name]
    )
    last_name = models.CharField(
        _("last name"), max_length=100, blank=True, validators=[validate_last_name]
    )
    environment = models.ForeignKey(
        Environment,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="users",
        verbose_name=_("environment"),
    )
    role = models.CharField(_("role"), max_length=20, choices=Role, default=Role.BASIC)
    language = models.CharField(_("language"), max_length=5, default="en")
    mails_off = models.JSONField(
        default=list, editable=False
    )  # groups of mails, accounts.mail.groups
    is_staff = models.BooleanField(_("support staff"), default=False)
    is_active = models.BooleanField(_("active"), default=True)
    joined_at = models.DateTimeField(null=True, blank=True, editable=False)
    blocked_at = models.DateTimeField(null=True, blank=True, editable=False)
    removed_at = models.DateTimeField(null=True, blank=True, editable=False)
    session_epoch = models.PositiveIntegerField(default=0, editable=False)
    date_joined = models.DateTimeField(default=timezone.now, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = []

    class Meta:
        indexes = [models.Index(fields=["environment", "last_name", "id"], name="user_by_name")]
        constraints = [
            models.UniqueConstraint(Lower("email"), name="one_login_per_address"),
            models.CheckConstraint(
                condition=models.Q(blocked_at__isnull=True, removed_at__isnull=True)
                | models.Q(is_active=False),
                name="who_is_blocked_or_removed_is_not_active",
            ),
        ]

    def __str__(self):
        return self.get_full_name()

    def get_full_name(self):
        nameless = gettext("Former user") if self.removed_at else self.email
        return f"{self.first_name} {self.last_name}".strip() or nameless

    @property
    def initials(self):
        return (self.first_name or self.email)[:1] + self.last_name[:1]

    def get_session_auth_hash(self):
        """Raising `session_epoch` ends every session of this person, wherever sessions are stored (R2)."""
        return self._bound_to_epoch(super().get_session_auth_hash())

    def get_session_auth_fallback_hash(self):
        return map(self._bound_to_epoch, super().get_session_auth_fallback_hash())

    def _bound_to_epoch(self, session_hash):
        return hmac.new(
            session_hash.encode(), str(self.session_epoch).encode(), hashlib.sha256
        ).hexdigest()

    @property
    def status(self):
        if self.removed_at:
            return self.Status.REMOVED
        if self.blocked_at:
            return self.Status.BLOCKED
        return self.Status.ACTIVE if self.joined_at else self.Status.INVITED

    @cached_property
    def is_member_of_many(self):
        """Whether a list finds one of this person's organisations soon by asking of each row that comes.

        The others are faster looked up all at once, before the list.
        """
        return bool(_BEYOND_MANY.rows(user=self.pk))

    def reached(self, function=None):
        """The primary keys of the organisations that may be entered (R4), by who is no member of many."""
        found = _reached(function).rows(user=self.pk, environment=self.environment_id)
        return [pk for (pk,) in found]

    @property
    def proved_addresses(self):
        """The addresses of which the person has shown that they are theirs; anybody can enter another."""
        return set(self.emailaddress_set.filter(verified=True).values_list("email", flat=True))

    def get_absolute_url(self):
        return reverse("accounts:user", kwargs={"pk": self.pk})

    @property
    def is_administrator(self):
        return self.role == Role.ADMINISTRATOR

    def may(self, permission: Permission) -> bool:
        return self.is_active and self.environment_id is not None and allows(self.role, permission)

    @property
    def event_subject(self):
        return "user", self.pk, self.get_full_name()


class GivenReader(Given):
    """Stands for a user in querysets that are put together once: given as `user` and `environment`.

    What the user has `reached` is given as `organisations`.
    """

    environment_id = Given("environment")

    def __init__(self, *, is_member_of_many=False, sees_all_clients=False):
        super().__init__("user")
        self.is_member_of_many = is_member_of_many
        self._may = {Permission.MANAGE_PARTNERS: sees_all_clients}

    def may(self, permission):
        return self._may[permission]

    def reached(self, _function=None):
        return "organisations"


STATUS_FILTERS = {
    User.Status.INVITED: {"blocked_at__isnull": True, "joined_at__isnull": True},
    User.Status.ACTIVE: {"blocked_at__isnull": True, "joined_at__isnull": False},
    User.Status.BLOCKED: {"blocked_at__isnull": False},
}


class OrganisationQuerySet(models.QuerySet):
    def in_sight_of(self, user):
        """Those of the user's environment, and those that let it in by an Active partnership (R4).

        None while support blocks the user's environment.

        `let_in` is the client's mandate to the environment of `user`, where the partnership is the way.
        """
        active = models.Q(
            mandates__accountant=user.environment_id,
            mandates__given_at__isnull=False,
            mandates__ended_at__isnull=True,
        )
        not_blocked = Environment.objects.filter(pk=user.environment_id, blocked_at__isnull=True)
        return self.annotate(let_in=models.FilteredRelation("mandates", condition=active)).filter(
            models.Q(environment=user.environment_id) | models.Q(let_in__isnull=False),
            models.Exists(not_blocked),
        )

    def reachable_by(self, user, function=None):
        """The organisations that `user` may enter: in sight, and a member (R4).

        With the name of an API function, of a partner's only those that allow it (R5).
        """
        found = self.in_sight_of(user)
        if user.is_member_of_many:
            member = Membership.objects.filter(user=user, organisation=models.OuterRef("pk"))
            found = found.filter(each_has(member))
        else:
            found = found.filter(memberships__user=user)
        if function is None:
            return found
        allowed = Cast("let_in__functions", models.TextField())
        return found.annotate(let_do=allowed).filter(
            models.Q(let_in__isnull=True) | models.Q(let_do__contains=f'"{function}"')
        )

    def reached_at(self, way, user, function=None):
        """The condition that an organisation `reachable_by` the user stands at the end of `way`.

        One query more, unless they are many: then each row is asked for its own.
        """
        if user.is_member_of_many:
            reachable = self.reachable_by(user, function)
            return each_has(reachable.filter(pk=models.OuterRef(way)))
        return Among(way, user.reached(function))

    def by_name(self):
        return self.order_by("name", "pk")

    def of_open_environments(self):
        """Without those of closed and blocked environments, which invoices do not reach."""
        return self.filter(
            environment__closed_at__isnull=True, environment__blocked_at__isnull=True
        )

    def of_blocked_environments(self):
        """Found from the few that are blocked."""
        return self.filter(environment__in=Environment.objects.filter(blocked_at__isnull=False))

    def in_words(self, most=10):
        """The first names, as in "A, B, …"; empty when there is none."""
        names = list(self.by_name().values_list("name", flat=True)[: most + 1])
        return ", ".join(names[:most] + ["…"] * (len(names) > most))

    def search(self, text):
        """By a part of the name, or by the whole organisation ID or registration number."""
        known = models.Q(organisation_id=text.upper()) | models.Q(registration_number=text)
        return searched(self, text, "name", exactly=known)


class Organisation(models.Model):
    """A legal entity whose books are kept. Its organisation ID (KPNL10017) is what software calls it by."""

    environment = models.ForeignKey(Environment, models.PROTECT, related_name="organisations")
    organisation_id = models.CharField(  # noqa: DJ001 (none until the row has its number)
        _("organisation ID"), max_length=20, unique=True, null=True, editable=False
    )
    name = models.CharField(_("name"), max_length=150)
    country = models.CharField(
        _("country"), max_length=2, choices=Country, default=Country.NETHERLANDS
    )
    registration_number = models.CharField(_("registration number"), max_length=20)
    sending = models.BooleanField(_("sends invoices"), default=True)
    receiving = models.BooleanField(_("receives invoices"), default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = OrganisationQuerySet.as_manager()
    searched = ["name"]

    class Meta:
        indexes = [
            models.Index(fields=["name", "id"], name="organisations_by_name"),
            models.Index(fields=["registration_number"], name="organisation_by_number"),
            models.Index(fields=["environment", "name", "id"], name="organisation_by_name"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["country", "registration_number"],
                name="one_organisation_per_registration_number",
                violation_error_message=_("This registration number is in use already."),
            )
        ]

    def __str__(self):
        return self.name

    def clean(self):
        pattern, _scheme, message = REGISTRATION[Country(self.country)]
        if self.registration_number and not pattern.fullmatch(self.registration_number):
            raise ValidationError({"registration_number": message})

    def save(self, **kwargs):
        super().save(**kwargs)
        if not self.organisation_id:
            self.organisation_id = f"KP{self.country}{10_000 + self.pk}"
            super().save(update_fields=["organisation_id"])

    def get_absolute_url(self):
        return reverse("accounts:organisation", kwargs={"organisation": self.organisation_id})

    @property
    def event_subject(self):
        return "organisation", self.organisation_id, self.name


class ElectronicAddress(models.Model):
    """Where invoices reach an organisation, as scheme and identifier: `0088:7300010000001`."""

    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="addresses")
    value = models.CharField(
        _("electronic address"),
        max_length=60,
        unique=True,
        validators=[
            RegexValidator(
                r"\A[0-9]{4}:[0-9A-Za-z.\-]{1,50}\Z", _("It looks like 0088:7300010000001.")
            )
        ],
        error_messages={"unique": _("This electronic address belongs to an organisation already.")},
    )

    class Meta:
        verbose_name_plural = _("electronic addresses")

    def __str__(self):
        return self.value


class Membership(models.Model):
    """A user's place in an organisation, and the accesses (API functions) that the user has there.

    `accesses` is a list of API functions; None means all that the role brings.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="memberships")
    accesses = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, editable=False, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "organisation"], name="a_person_is_a_member_once"
            )
        ]

    def __str__(self):
        return f"{self.user} – {self.organisation}"


_BEYOND_MANY = Prepared(
    lambda: (
        Membership.objects.filter(user=Given("user")).values_list("pk").order_by()[MANY : MANY + 1]
    )
)


@cache
def _reached(function):
    reachable = Organisation.objects.reachable_by(GivenReader(), function)
    return Prepared(lambda: reachable.values_list("pk"))
