"""Whether a connection may be used for an organisation now: the place of its owner, who pays, no block."""

from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Subquery

from accounts.models import Environment, Membership, Organisation, with_integrations
from accounts.roles import Permission, roles_that_allow
from connections import rights
from partners.models import Mandate
from portal.paging import each_has


def payer(organisation, mandate):
    """The environment that pays for connections of `organisation` under `mandate`, which may be None (R9)."""
    pays = mandate is not None and mandate.accountant_pays
    return mandate.accountant if pays else organisation.environment


def _membership_of(owner):
    return Membership.objects.filter(user=OuterRef(owner), organisation=OuterRef("organisation"))


class StandingQuerySet(models.QuerySet):
    """Organisations for which a connection is used: may its owner own it there now? (R5, R7, R8)"""

    owner = "owner"  # the way to the owner

    def with_owner_standing(self):
        """Add `owner_is_member` and `owner_accesses`, which `Standing.rights` reads."""
        return self.annotate(
            owner_is_member=Exists(_membership_of(self.owner)),
            owner_accesses=Subquery(_membership_of(self.owner).values("accesses")[:1]),
        )

    def owner_stands(self):
        environment = f"{self.owner}__environment"
        own = Q(mandate__isnull=True, **{environment: F("organisation__environment")})
        through_partnership = Q(
            mandate__given_at__isnull=False,
            mandate__ended_at__isnull=True,
            **{environment: F("mandate__accountant")},
        )
        return self.filter(
            own | through_partnership,
            each_has(_membership_of(self.owner)),
            **{
                f"{self.owner}__is_active": True,
                f"{self.owner}__role__in": roles_that_allow(Permission.MANAGE_KEYS),
            },
        )

    def standing(self):
        """Those that are neither blocked nor suspended: calls with their keys are let in (R7, R8)."""
        accountant_pays = Q(mandate__isnull=False, mandate__accountant_pays=True)
        return self.owner_stands().filter(
            accountant_pays & with_integrations("mandate__accountant")
            | ~accountant_pays & with_integrations("organisation__environment"),
            organisation__environment__blocked_at__isnull=True,
            mandate__accountant__blocked_at__isnull=True,
        )

    def of_blocked_sides(self):
        """Those of an environment, or made by an accountancy, that support has blocked."""
        return self.filter(self._has_blocked_side())

    @staticmethod
    def _has_blocked_side():
        """From the few that are blocked: no row is asked for its environments."""
        blocked = Environment.objects.filter(blocked_at__isnull=False)
        clients = Organisation.objects.of_blocked_environments()
        return Q(organisation__in=clients) | Q(
            mandate__in=Mandate.objects.filter(accountant__in=blocked)
        )


class Standing:
    """What the keys of a connection may do in one organisation: its first, or a further one (R15).

    A model with `organisation`, `mandate`, `administration`, `reported`, `owner`, `app` and `key`; needs
    `with_owner_standing`.
    """

    @property
    def made_by(self):
        """The environment whose people made it: the accountant's, or the organisation's own."""
        return self.mandate.accountant if self.mandate else self.organisation.environment

    @property
    def blocked(self):
        """The environment that support has blocked: the organisation's, or the accountant's; None mostly."""
        sides = (self.organisation.environment, self.made_by)
        return next((side for side in sides if side.is_blocked), None)

    @property
    def owner_stands(self):
        """Whether the owner may own it now (R7)."""
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
    def is_suspended(self):
        """Whether the owner may not own it now, or nobody pays (R7, R8)."""
        return not (self.owner_stands and self.paid_by.has_integrations)

    @property
    def stands(self):
        """Whether it is neither blocked nor suspended: calls with its keys are let in (R7, R8)."""
        return self.blocked is None and not self.is_suspended

    @property
    def needs_another_owner(self):
        """Whether taking it over mends it: the owner may not own it, or is of a blocked accountancy (R7)."""
        made_by_blocked = self.blocked is not None and self.blocked != self.organisation.environment
        return made_by_blocked or not self.owner_stands

    @property
    def _owner_comes_from_here(self):
        """From the organisation's environment, or from an accountant whose partnership is Active (R4)."""
        if self.mandate is None:
            return self.owner.environment_id == self.organisation.environment_id
        return self.mandate.is_active and self.owner.environment_id == self.mandate.accountant_id

    @property
    def rights(self) -> rights.Rights:
        """The parts of R5 as they are now."""
        return rights.Rights(
            app=frozenset(self.app.functions),
            key=self.key,
            owner=rights.accesses_of_owner(stands=self.owner_stands, accesses=self.owner_accesses),
            partnership=frozenset(self.mandate.functions) if self.mandate else None,
        )

    @property
    def known_administration(self):
        """In which administration of the package it books: as somebody typed it, or as the software says."""
        return self.administration or self.reported

    @property
    def reports_another(self):
        """Whether the software says that it books elsewhere than somebody typed."""
        return bool(
            self.administration
            and self.reported
            and self.administration.casefold() != self.reported.casefold()
        )
