"""Organisations for which a connection of another one is used too (R15)."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Environment, Organisation, User
from connections.models.standing import Standing, StandingQuerySet


class FurtherOrganisationQuerySet(StandingQuerySet):
    owner = "connection__owner"

    def live(self):
        return self.filter(connection__revoked_at__isnull=True)

    def of(self, connection):
        return self.filter(connection=connection)

    def concerning(self, about):
        """As `Connection.objects.concerning`: of a user, an environment on either side, or a mandate."""
        if isinstance(about, User):
            return self.filter(connection__owner=about)
        if isinstance(about, Environment):
            return self.filter(Q(organisation__environment=about) | Q(mandate__accountant=about))
        return self.filter(mandate=about)

    def for_list(self):
        """With all that a row about one says, in one query, the oldest first."""
        return (
            self.select_related(
                "organisation__environment",
                "mandate__accountant",
                "connection__app__logo",
                "connection__owner__environment",
                "connection__organisation__environment",
                "connection__mandate__accountant",
            )
            .with_owner_standing()
            .order_by("pk")
        )


class FurtherOrganisation(Standing, models.Model):
    """One more organisation for which the owner of a connection uses its keys; removing it stops that one."""

    connection = models.ForeignKey("connections.Connection", models.PROTECT, related_name="further")
    organisation = models.ForeignKey(
        Organisation, models.PROTECT, related_name="further_connections"
    )
    mandate = models.ForeignKey(
        "partners.Mandate",
        models.PROTECT,
        null=True,
        editable=False,
        related_name="further_connections",
    )
    administration = models.CharField(_("administration"), max_length=60, blank=True)
    reported = models.CharField(max_length=60, blank=True, editable=False)
    added_at = models.DateTimeField(default=timezone.now, editable=False)
    added_by = models.ForeignKey(User, models.PROTECT, related_name="+")

    objects = FurtherOrganisationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "organisation"], name="an_organisation_is_added_once"
            ),
            models.UniqueConstraint(
                fields=["connection", "administration"],
                condition=~Q(administration=""),
                name="a_connection_books_once_in_an_administration",
            ),
        ]

    def __str__(self):
        return str(self.connection)

    @property
    def owner(self):
        return self.connection.owner

    @property
    def app(self):
        return self.connection.app

    @property
    def key(self):
        return self.connection.key

    @property
    def is_autopilot(self):
        return self.connection.is_autopilot

    @property
    def name(self):
        return self.connection.name

    @property
    def event_subject(self):
        return self.connection.event_subject

    @property
    def opened(self):
        """The names of the functions that the keys open for this organisation, as for `Connection.opened`."""
        return self.rights.effective() if self.stands else frozenset()
