"""The API functions: what software may ask of the API, the scope that opens each, and its call.

The table is the only one: rights, pages, the API's addresses and its documentation are made from it.
"""

from dataclasses import dataclass
from functools import lru_cache

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class ApiFunction:
    name: str
    scope: str
    method: str
    path: str  # below /api/v1
    label: Promise  # completes the sentence "The software may …"


FUNCTIONS: dict[str, ApiFunction] = {
    function.name: function
    for function in (
        ApiFunction(
            "GetAccountParties",
            "GET_PROFILE",
            "GET",
            "/organisations",
            _("see which organisations the keys are for"),
        ),
        ApiFunction(
            "GetParties",
            "SEARCH_COMPANY",
            "GET",
            "/parties",
            _("search organisations"),
        ),
        ApiFunction(
            "GetParty",
            "ENQUIRE_COMPANY",
            "GET",
            "/parties/{party}",
            _("look up one organisation"),
        ),
        ApiFunction(
            "SendDocument", "SEND_DOC", "POST", "/{organisation}/outbox", _("send invoices")
        ),
        ApiFunction(
            "GetOutboxDocuments",
            "RETRIEVE_OUTBOX_DOCS",
            "GET",
            "/{organisation}/outbox",
            _("list sent invoices"),
        ),
        ApiFunction(
            "GetOutboxDocument",
            "RETRIEVE_OUTBOX_DOC",
            "GET",
            "/{organisation}/outbox/{id}",
            _("fetch a sent invoice"),
        ),
        ApiFunction(
            "GetOutboxDocumentStatus",
            "GET_OUTBOX_DOC_STATUS",
            "GET",
            "/{organisation}/outbox/{id}/status",
            _("see the status of a sent invoice"),
        ),
        ApiFunction(
            "GetInboxDocuments",
            "RETRIEVE_INBOX_DOCS",
            "GET",
            "/{organisation}/inbox",
            _("list received invoices"),
        ),
        ApiFunction(
            "GetInboxDocument",
            "RETRIEVE_INBOX_DOC",
            "GET",
            "/{organisation}/inbox/{id}",
            _("fetch a received invoice and confirm that it has it"),
        ),
        ApiFunction(
            "GetInboxDocumentStatus",
            "GET_INBOX_DOC_STATUS",
            "GET",
            "/{organisation}/inbox/{id}/status",
            _("see the status of a received invoice"),
        ),
        ApiFunction(
            "SetInboxDocumentStatus",
            "SET_INBOX_DOC_STATUS",
            "PUT",
            "/{organisation}/inbox/{id}/status",
            _("set the status of a received invoice"),
        ),
        ApiFunction(
            "GetIntegrationRequests",
            "GET_PROFILE",
            "GET",
            "/{organisation}/integration-requests",
            _("list authorisation requests"),
        ),
        ApiFunction(
            "RequestAppIntegration",
            "APP_INTEGRATION",
            "POST",
            "/{organisation}/integration-requests",
            _("ask clients for access"),
        ),
        ApiFunction(
            "RequestAppIntegrationCredentials",
            "APP_INTEGRATION",
            "POST",
            "/{organisation}/integration-requests/{id}/credentials",
            _("collect the keys of a client who accepted"),
        ),
    )
}


def in_order(names) -> list[ApiFunction]:
    """The functions of these names in the order of the catalogue; unknown names are left out."""
    return [*_in_order(frozenset(names))]


@lru_cache(1024)
def _in_order(names):
    return tuple(function for name, function in FUNCTIONS.items() if name in names)
