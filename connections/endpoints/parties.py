"""Parties: the organisations that invoices reach on this portal, with no more than a sender needs."""

from django.db.models import Q
from ninja import Field, Query, Router, Schema

from accounts.models import Organisation
from connections import errors
from connections.api import Listing, Problem, function, listed
from connections.errors import ApiError
from portal.search import searched

router = Router()

TEXT = r"^[^\x00-\x1f\x7f]+$"


class ReachableParty(Schema):
    id: str
    name: str
    country: str
    addresses: list[str] = Field(description="Where invoices reach it")

    @staticmethod
    def resolve_id(organisation):
        return organisation.organisation_id

    @staticmethod
    def resolve_addresses(organisation):
        return [address.value for address in organisation.addresses.all()]


class ReachablePartyPage(Schema):
    items: list[ReachableParty]
    next: str | None = Field(description="The cursor of the next page; null on the last one")


class PartyListing(Listing):
    q: str = Field(
        min_length=3,
        max_length=100,
        pattern=TEXT,
        description="A part of the name, or a whole registration number, organisation ID or address",
    )


@function("GetParties", router, response={200: ReachablePartyPage, 422: Problem})
def parties(request, listing: Query[PartyListing]):
    """Search the organisations that invoices reach here, in the order in which they joined."""
    text = listing.q
    known = Q(registration_number=text) | Q(organisation_id=text.upper())
    known |= Q(pk__in=_at_address(text))
    found = searched(_reachable(), text, "name", exactly=known)
    rows, cursor = listed(found, listing, by="created_at")
    return {"items": rows, "next": cursor}


@function("GetParty", router, response={200: ReachableParty, 404: Problem})
def party(request, party: str):
    """Look up one organisation by its organisation ID."""
    found = None if "\0" in party else _reachable().filter(organisation_id=party).first()
    if found is None:
        raise ApiError(errors.NO_SUCH_PARTY)
    return found


def _reachable():
    found = Organisation.objects.of_open_environments().filter(receiving=True)
    return found.prefetch_related("addresses")


def _at_address(value):
    found = Organisation.objects.filter(addresses__value=value)
    return list(found.values_list("pk", flat=True))
