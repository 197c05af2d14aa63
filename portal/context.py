"""What stands around every page of a signed-in person."""

from functools import partial
from types import SimpleNamespace

from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from accounts.mail.models import Notice
from accounts.models import GivenReader, Organisation, User
from accounts.roles import Permission
from partners.models import AuthorisationRequest
from portal.prepared import Given, Prepared
from portal.rows import Row

# More than these nobody looks through in a menu; the page of the environment has a search.
ORGANISATIONS_SHOWN = 100
NOTICES_COUNTED = 99


def _organisations(many):
    reader = GivenReader(is_member_of_many=many)
    found = Organisation.objects.reachable_by(reader).by_name()
    return found.values_list("name", "organisation_id", named=True)[: ORGANISATIONS_SHOWN + 1]


def _waiting():
    """When those pending for `received_by` expire; what is pending has no client yet, only an address.

    Not `open` ones, for SQLite would look at all that are open, by their expiry.
    """
    people = User.objects.filter(environment=Given("environment"), joined_at__isnull=False)
    found = AuthorisationRequest.objects.pending().filter(email__in=people.values("email"))
    return found.order_by().values_list("expires_at")


# Every page asks these.
_ORGANISATIONS = {many: Prepared(partial(_organisations, many)) for many in (False, True)}
_WAITING = Prepared(_waiting)
_UNREAD = Prepared(
    lambda: (
        Notice.objects.filter(user=Given("user")).unread().values_list("pk")[: NOTICES_COUNTED + 1]
    )
)


def frame(request):
    """Give the templates `frame`; pages that draw none cost no query for it."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.environment_id:
        return {}
    return {"frame": Frame(request)}


class Frame:
    """Environment, organisation and menu of one page."""

    def __init__(self, request):
        self.user = request.user
        self.organisation = getattr(request, "organisation", None)
        self.here = request.resolver_match

    @property
    def environment(self):
        return self.user.environment

    @property
    def organisations(self):
        """Name and ID of each that the person may enter, by name."""
        return self._organisations[:ORGANISATIONS_SHOWN]

    @property
    def has_more_organisations(self):
        return len(self._organisations) > ORGANISATIONS_SHOWN

    @cached_property
    def _organisations(self):
        found = _ORGANISATIONS[self.user.is_member_of_many]
        return found.rows(user=self.user.pk, environment=self.user.environment_id)

    @property
    def rows(self):
        """The organisations as rows of the switcher."""
        here = self.organisation.organisation_id if self.organisation else None
        of_invoices = self._menu_item_of_here == "invoices:received"
        return [
            Row(
                {"of_invoices": of_invoices, "is_here": organisation_id == here},
                {"name": name, "organisation_id": organisation_id},
            )
            for name, organisation_id in self.organisations
        ]

    @cached_property
    def menu(self):
        if self.environment.is_blocked:  # that page says why there is no other
            return [self._item("home", _("Overview"), "house")]
        items = [
            self._item("home", _("Overview"), "house"),
            self._item("connections:overview", _("Connections"), "plug"),
            self._item("invoices:received", _("Invoices"), "receipt-text"),
            self._item(
                "partners:authorisations", _("Authorisations"), "inbox", self.waiting_requests
            ),
        ]
        if self.user.may(Permission.MANAGE_KEYS):
            if self.environment.accountant_right:
                items.append(self._item("connections:clients", _("Clients"), "briefcase"))
            items.append(self._item("partners:partners", _("Partners"), "handshake"))
        if self.user.may(Permission.MANAGE_USERS):
            items.append(self._item("accounts:users", _("Users"), "users"))
        items.append(self._item("accounts:environment", _("Environment"), "building"))
        if self.user.may(Permission.VIEW_ACTIVITY):
            items.append(self._item("accounts:activity", _("Activity"), "activity"))
        return items

    @cached_property
    def waiting_requests(self):
        """How many authorisation requests wait for an answer of this environment."""
        now = timezone.now()
        pending = _WAITING.rows(environment=self.user.environment_id)
        return sum(expires_at > now for (expires_at,) in pending)

    @cached_property
    def unread_notices(self):
        """How many notices the person has not read, as the bell says it: "3", "99+", or nothing."""
        unread = len(_UNREAD.rows(user=self.user.pk))
        return f"{NOTICES_COUNTED}+" if unread > NOTICES_COUNTED else str(unread or "")

    def _item(self, name, label, icon, count=0):
        return SimpleNamespace(
            url=reverse(name),
            label=label,
            icon=icon,
            count=count,
            current=name == self._menu_item_of_here,
        )

    @cached_property
    def _menu_item_of_here(self):
        name = self.here.view_name if self.here else ""
        if name in MENU_ITEM_OF:
            return MENU_ITEM_OF[name]
        if name.startswith("connections:"):
            return "connections:overview"
        if name.startswith("invoices:"):
            return "invoices:received"
        if name.startswith("partners:"):
            return "partners:authorisations"
        return name


# Where in the menu the pages stand that are no item of it themselves.
MENU_ITEM_OF = {
    "connections:clients": "connections:clients",
    "connections:client": "connections:clients",
    "partners:colleagues": "connections:clients",
    "connections:end-partnership": "partners:partners",
    "partners:partners": "partners:partners",
    "partners:partnership": "partners:partners",
    "partners:partner-functions": "partners:partners",
    "partners:remove-person": "partners:partners",
    "partners:readmit-person": "partners:partners",
    "accounts:invite": "accounts:users",
    "accounts:user": "accounts:users",
    "accounts:user-remove": "accounts:users",
    "accounts:add-organisation": "accounts:environment",
    "accounts:organisation": "accounts:environment",
    "accounts:change-organisation": "accounts:environment",
    "accounts:close-environment": "accounts:environment",
    "accounts:integrations": "accounts:environment",
    "accounts:activate-integrations": "accounts:environment",
    "accounts:end-integrations": "accounts:environment",
    "connections:api-access": "accounts:users",
    "connections:person-accesses": "accounts:users",
    "connections:new-key": "accounts:users",
    "connections:create-key": "accounts:users",
}
