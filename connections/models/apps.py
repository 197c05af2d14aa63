"""Software packages and their logos."""

from django.core.validators import URLValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts.models import Environment, Organisation, Plan
from connections.models.functions import functions_of
from portal.outgoing import validate_address
from portal.search import searched


class AppQuerySet(models.QuerySet):
    def published(self):
        return self.filter(environment__isnull=True, published=True)

    def usable_by(self, environment):
        """What this environment may connect: the published Generic Apps and its Own Apps."""
        return self.published() | self.filter(environment=environment)

    def seen_by(self, user):
        """What this person may look at: the own ones, and Own Apps of organisations within reach."""
        own = Q(environment=user.environment_id, environment__isnull=False)
        reachable = Organisation.objects.reachable_by(user).values("environment")
        return self.filter(
            Q(environment__isnull=True, published=True) | own | Q(environment__in=reachable)
        )

    def search(self, text):
        return searched(self, text, "name", "description")

    def called(self, name):
        """The one of this name, whatever its capitals; an exact spelling wins. None where there is none."""
        same = [app for app in self.by_name() if app.name.casefold() == name.casefold()]
        return next((app for app in same if app.name == name), same[0] if same else None)

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
    connect_url = models.CharField(
        _("connection window"),
        max_length=200,
        blank=True,
        validators=[URLValidator(["http", "https"])],
        help_text=_("Where Quick Connect opens the package; empty when it has no address."),
    )
    autopilot_url = models.CharField(
        _("Autopilot address"),
        max_length=200,
        blank=True,
        validators=[validate_address],
        help_text=_("Where received invoices are pushed to; empty when it offers no Autopilot."),
    )
    guide = models.TextField(
        _("guide in English"),
        blank=True,
        help_text=_(
            "How to enter the keys in this package. Markdown; without one, the general steps."
        ),
    )
    guide_nl = models.TextField(_("guide in Dutch"), blank=True)
    minimum_plan = models.CharField(
        _("minimum plan"), max_length=20, choices=Plan, default=Plan.BASIC
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = AppQuerySet.as_manager()
    searched = ["name", "description"]

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
    def direction(self):
        """Whether the software sends, receives, or both, as far as it asks."""
        sends, receives = "SendDocument" in self.functions, "GetInboxDocument" in self.functions
        if sends and receives:
            return _("Sends and receives")
        return _("Sends") if sends else _("Receives") if receives else _("Neither")

    @property
    def guide_here(self):
        """The guide in the language of the reader, or in the other one; empty when there is none."""
        guides = [self.guide, self.guide_nl]
        if get_language() == "nl":
            guides.reverse()
        return guides[0] or guides[1]

    @property
    def asked(self):
        """The API functions that the app asks for, in the order of the catalogue."""
        return functions_of(self.functions)

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
