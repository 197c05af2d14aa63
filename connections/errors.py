"""The error codes of the API and how an error looks (R44, R47). The API docs are made from this table.

A code is ERR, three letters of the module, a series (100 notice, 200 functional, 300 permission, 400 data,
600 authentication, 800 system) and four digits. Messages are English: software and its makers read them.
"""

from dataclasses import dataclass

from django.conf import settings
from django.http import JsonResponse
from django.urls import reverse


@dataclass(frozen=True)
class ErrorCode:
    code: str
    status: int
    message: str
    mend: str  # what the maker of the software does about it


ERRORS: dict[str, ErrorCode] = {}


def _error(code, status, message, mend):
    error = ERRORS[code] = ErrorCode(code, status, message, mend)
    return error


INVALID_KEYS = _error(
    "ERRIAU6000007",
    401,
    "Invalid consumer key or no such app available in registry",
    "Send App Key and Secret by HTTP Basic, both as the portal showed them. An answer with a reason tells "
    "that these keys were right once: `superseded` and `found` ask for a new set, `revoked` for a new "
    "connection, `token_expired` for a new token; of `rotated` and `expired` the time is over.",
)
MISPLACED_KEYS = _error(
    "ERRIAU4000001",
    400,
    "Credentials belong into the Authorization header, once, and never into the address",
    "Send one Authorization header. What stood in an address is in the logs of every proxy on the way: "
    "create new keys.",
)
ENVIRONMENT_BLOCKED = _error(
    "ERRPRO1000004",
    403,
    "The environment is blocked at the moment because of improper use of the service",
    "Ask the organisation to contact support.",
)
CONNECTION_PAUSED = _error(
    "ERRIAU3000002",
    403,
    "The connection is paused",
    "Somebody of the organisation paused it, and can resume it on the page of the connection; the keys stay "
    "the same.",
)
CONNECTION_SUSPENDED = _error(
    "ERRIAU3000001",
    403,
    "The connection is suspended: its owner may not manage connections of this organisation at the moment",
    "Ask an administrator of the organisation; the connection page tells whose rights are missing.",
)
INTEGRATIONS_OFF = _error(
    "ERRPRO3000001",
    403,
    "The connection is suspended: the Integrations service of the environment is not active",
    "Ask an administrator of the organisation, or its accountant, to activate the service again.",
)
ORGANISATION_NOT_COVERED = _error(
    "ERRGRP3000006",
    403,
    "You do not have permission to send document via the specified group",
    "Name an organisation that GET /api/v1/me lists.",
)
SCOPE_MISSING = _error(
    "ERRCDO4000011",
    403,
    "SecurityToken scope in request is not available for this key",
    "`scope` and `function` name what is missing, `reason` where: in app, key, or its owner's accesses, or "
    "in the scopes that the `token` was asked with. "
    "It is added on the page of the app or of the connection; the keys stay the same.",
)
NOT_FOUND = _error(
    "ERRAPI4000404", 404, "There is nothing at this address", "Compare the address with the docs."
)
NO_SUCH_INVOICE = _error(
    "ERRDMN4000404",
    404,
    "This organisation has no such invoice",
    "Use an id that a list gave for this organisation.",
)
NO_SUCH_PARTY = _error(
    "ERRPAR4000404",
    404,
    "No organisation that can be reached here has this organisation ID",
    "Search it with GET /api/v1/parties by name, registration number or electronic address.",
)
NO_SUCH_REQUEST = _error(
    "ERRAIR4000404",
    404,
    "The owner of these keys sees no such authorisation request",
    "Use an id that the list of integration requests gave.",
)
MAY_NOT_ASK = _error(
    "ERRAIR3000001",
    403,
    "Authorisation requests cannot be sent with these keys",
    "They are sent with keys of an organisation of the accountancy itself, whose environment has the "
    "accountant right and a paid plan and whose owner may send requests.",
)
REQUEST_NOT_SENT = _error(
    "ERRAIR2000001",
    409,
    "The authorisation request was not sent",
    "`details` says why; `id` is the request that is pending already: resend it in the portal, or send this "
    "one with `replace`.",
)
NO_KEYS_NOW = _error(
    "ERRAIR2000002",
    409,
    "No keys were made",
    "`details` says why. With an `app_key` they were made before: the Secret was in that answer, and for a "
    "lost one the portal creates new keys.",
)
METHOD_NOT_ALLOWED = _error(
    "ERRAPI4000405", 405, "This address has no such method", "Compare the method with the docs."
)
TOO_LARGE = _error(
    "ERRAPI4000413",
    413,
    "The document is larger than 10 MB",
    "Leave large attachments out of the invoice.",
)
ENCODED = _error(
    "ERRAPI4000415",
    415,
    "Bodies are read as they are, without Content-Encoding",
    "Send the body uncompressed.",
)
TOO_MANY_CALLS = _error(
    "ERRAPI2000429",
    429,
    "Too many calls for the moment",
    "Wait `retry_after` seconds, which the header Retry-After says too; RateLimit tells how many are left.",
)
BODY_TOO_LARGE = _error(
    "ERRAPI4000414",
    413,
    "The body is larger than this call reads",
    "64 KB are enough for JSON, 8 KB for the form of a token.",
)
WRONG_INPUT = _error(
    "ERRAPI4000422",
    422,
    "The input cannot be used",
    "`details` says what is wrong, field by field.",
)
WRONG_GRANT = _error(
    "ERRIAU4000002",
    400,
    "Tokens are given for client credentials only",
    "Send `grant_type=client_credentials` with App Key and Secret as client_id and client_secret.",
)
UNKNOWN_FUNCTION = _error(
    "ERRAPI3000001",
    403,
    "The gateway asked about no API function, or about one that is not in the catalogue",
    "Correct its configuration: one `function`, of this name, and at most one `organisation`. Support adds "
    "the functions of your own API.",
)
INVALID_GATEWAY = _error(
    "ERRIAU6000009",
    401,
    "Unknown gateway, or wrong Secret",
    "Introspection takes the credential that support made for the gateway, by HTTP Basic.",
)
NOT_XML = _error(
    "ERRXSL4000001",
    422,
    "The document is not well-formed XML",
    "`details` says where reading stopped.",
)
DOCTYPE_REFUSED = _error(
    "ERRXSL4000002",
    422,
    "The document has a DOCTYPE, which invoices may not have",
    "Leave the DOCTYPE out.",
)
NOT_UBL = _error(
    "ERRXSL4000003",
    422,
    "The document is not a UBL 2.1 Invoice or CreditNote",
    "Use the root element and namespace of UBL 2.1 (Peppol BIS Billing 3).",
)
ELEMENT_MISSING = _error(
    "ERRXSL4000004",
    422,
    "An element that every invoice has is missing or cannot be read",
    "`details` names it.",
)
RULE_BROKEN = _error(
    "ERRXSL4000005",
    422,
    "The invoice breaks a rule of EN 16931",
    "`rules` lists the numbers of the rules, such as BR-CO-16, `details` what they say.",
)
WRONG_SENDER = _error(
    "ERRSND4000002",
    422,
    "The supplier in the document is not the organisation in the address",
    "The supplier's electronic address or registration number must be one of the organisation's own.",
)
NUMBER_USED = _error(
    "ERRSND4000003",
    409,
    "The organisation has used this invoice number already, for an invoice of another date",
    "`used_on` is the date of the earlier one. Give the two programs number series that do not meet.",
)
SENDING_OFF = _error(
    "ERRSND3000001",
    403,
    "Sending is switched off for this organisation",
    "An administrator switches it on, on the page of the organisation.",
)
RECEIVER_UNKNOWN = _error(
    "ERRSND4000001",
    422,
    "The receiver cannot be reached: no organisation has this electronic address or registration number",
    "Check the customer's address with the customer. The invoice is kept in the outbox as Delivery failed.",
)
IDEMPOTENCY_KEY_REUSED = _error(
    "ERRSND2000001",
    422,
    "This Idempotency-Key was used for another document",
    "Use a new key for every new document, and the same key only to repeat the same one.",
)
STATUS_NOT_POSSIBLE = _error(
    "ERRDMN2000001",
    409,
    "The status of this invoice cannot be set now",
    "It is a duplicate. A person marks it as original on its page in the portal, if it is one.",
)
BROKEN = _error(
    "ERRAPI8000500",
    500,
    "Something broke on our side",
    "Try again; then tell support the request_id.",
)

_BY_STATUS = {404: NOT_FOUND, 405: METHOD_NOT_ALLOWED, 413: BODY_TOO_LARGE, 500: BROKEN}


class ApiError(Exception):
    """Ends a call with `error`; `extra` goes into the body beside code, message and request_id."""

    def __init__(self, error: ErrorCode, **extra):
        super().__init__(error.code)
        self.error = error
        self.extra = extra


def answer(request, error: ErrorCode, /, *, http_status: int = 0, **extra) -> JsonResponse:
    """The one form of every error of the API; `http_status` where a standard asks for another one."""
    body = {
        "code": error.code,
        "message": error.message,
        **extra,
        "request_id": request.id,
        "help": settings.PORTAL_BASE_URL + _help(request, error),
    }
    headers = {"X-Koppel-Code": error.code}  # what a gateway can pass on without reading the body
    if "reason" in extra:
        headers["X-Koppel-Reason"] = extra["reason"]
    if "retry_after" in extra:
        headers["Retry-After"] = str(extra["retry_after"])
    if error.status == 401:
        headers["WWW-Authenticate"] = _challenge(request)
    response = JsonResponse(body, status=http_status or error.status, headers=headers)
    response.error_code = error.code  # what the call is counted under
    response.error_extra = extra
    return response


def _help(request, error):
    """The page that helps: where people of the portal can mend it, what the request ID stands for (R44)."""
    if error.status in (401, 403) and hasattr(request, "counted"):
        return f"{reverse('connections:request')}?id={request.id}"
    return f"{reverse('connections:api-docs')}#{error.code}"


def _challenge(request):
    if request.headers.get("Authorization", "")[:7].lower() == "bearer ":
        return 'Bearer realm="Koppel", error="invalid_token"'
    return 'Basic realm="Koppel", charset="UTF-8"'


def in_our_form(request, response):
    """Give the errors that Django and django-ninja make by themselves (404, 405, 500) the form of ours."""
    if response.status_code < 400 or response.headers.get("Content-Type", "").startswith(
        "application/json"
    ):
        return response
    ours = answer(request, _BY_STATUS.get(response.status_code, WRONG_INPUT))
    ours.status_code = response.status_code
    ours._has_been_logged = True  # where the exception was, with its trace
    if "Allow" in response.headers:
        ours.headers["Allow"] = response.headers["Allow"]
    return ours
