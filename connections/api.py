"""The gate of the HTTP API: header → keys → state → organisation → scope → input (R43).

    @function("SendDocument", router)
    def send_document(request, organisation: str): ...

Method, path and scope come from the table of API functions. A view finds who calls in `request.auth`.
"""

import ipaddress
import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Annotated, Literal
from urllib.parse import unquote_plus

from allauth.account.adapter import get_adapter
from django.core.exceptions import PermissionDenied
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from ninja import Field, NinjaAPI, Router, Schema
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser
from ninja.security.http import HttpAuthBase
from pydantic import AfterValidator, BeforeValidator, StringConstraints

from accounts.models import Environment, Organisation
from connections import errors, keys, limits
from connections.calls import CALLS
from connections.errors import ERRORS, ApiError, ErrorCode
from connections.functions import FUNCTIONS, ApiFunction
from connections.models import Connection, FurtherOrganisation, KeySet, functions_of
from connections.models.standing import Standing
from connections.rights import Rights
from connections.services import end_if_overdue
from connections.services import report_administration as reported
from portal.paging import BadCursor, page

JSON_MAX_BYTES = 64 * 1024
JSON_MAX_DEPTH = 20

# Compared with when no such App Key exists, so that an unknown key costs the same HMAC as a wrong Secret.
_NOBODY = {"stored": "0" * 64, "pepper": b"0" * 32, "app_key": "", "connection": "", "version": 0}


@dataclass(frozen=True)
class Call:
    """An admitted call: whose keys, for which organisation, with which rights."""

    key_set: KeySet
    place: Standing  # the connection in the organisation that the call is about
    scopes: frozenset[str] | None = None  # to which a SecurityToken narrows the call

    @property
    def connection(self) -> Connection:
        return self.key_set.connection

    @cached_property
    def rights(self) -> Rights:
        return self.place.rights

    @property
    def organisation(self) -> Organisation:
        return self.place.organisation

    @property
    def places(self) -> list[Standing]:
        """The connection in each organisation that the keys may be used for now (R15)."""
        further = FurtherOrganisation.objects.of(self.connection).for_list()
        shared = further if self.key_set.is_shared else []
        return [place for place in [self.connection, *shared] if not _hindrance(place)]

    def missing(self, function: ApiFunction) -> str:
        """Where the function is missing first: as `Mark.missing`, or in the "token"; "" where it is not."""
        missing = self.rights.mark(function).missing
        narrowed = self.scopes is not None and function.scope not in self.scopes
        return missing or ("token" if narrowed else "")

    def functions(self) -> list[ApiFunction]:
        """What the call opens, in the order of the catalogue."""
        return [f for f in functions_of(self.rights.effective()) if not self.missing(f)]

    def for_organisation(self, organisation_id: str | None) -> "Call":
        """The same call about one organisation; only keys of a single one need not name it (R15).

        Raises ApiError when the keys are not for that organisation now.
        """
        if organisation_id is None and not self.key_set.is_shared:
            return self
        for place in self.places:
            if place.organisation.organisation_id == organisation_id:
                return replace(self, place=place)
        raise ApiError(errors.ORGANISATION_NOT_COVERED)

    def check_scope(self, function: ApiFunction) -> None:
        """Raise ApiError with what is missing, and where, when the call may not use `function` (R44)."""
        reason = self.missing(function)
        if reason:
            raise ApiError(
                errors.SCOPE_MISSING, scope=function.scope, function=function.name, reason=reason
            )

    def still_open(self) -> None:
        """Lock the keys inside the transaction of a write: nothing commits after their revocation did.

        Raises ApiError when they ended since the call was admitted, by a slow upload for instance, when the
        connection was paused or support blocked a side of it, or when it is not used for the organisation any
        more.
        """
        connection = Connection.objects.select_for_update(no_key=True).get(pk=self.connection.pk)
        key_set = KeySet.objects.select_for_update(no_key=True).get(pk=self.key_set.pk)
        if key_set.ended_because:
            raise _ended(key_set)
        if connection.paused_at:
            raise ApiError(errors.CONNECTION_PAUSED)
        sides = {self.organisation.environment_id, self.place.made_by.pk}
        if Environment.objects.filter(pk__in=sides, blocked_at__isnull=False).exists():
            raise ApiError(errors.ENVIRONMENT_BLOCKED)
        used = Connection.objects.used_for(self.organisation)
        if connection.organisation_id != self.organisation.pk and connection not in used:
            raise ApiError(errors.ORGANISATION_NOT_COVERED)


class _Gate(HttpAuthBase):
    """Lets a call in, or ends it with the first check of R43 that fails."""

    def __init__(self, function: ApiFunction | None, *, limited: bool = True):
        super().__init__()
        self.function = function
        self.limited = limited

    def __call__(self, request) -> Call | None:
        refuse_misplaced(request)
        key_set = self._proved(request)
        if key_set is None:
            return None
        request.counted = key_set.pk, self.function.name if self.function else ""
        if self.limited:
            _spend(request, key_set)
        call = self._admit(request, key_set)
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise ApiError(errors.ENCODED)
        return call

    def _admit(self, request, key_set):
        _refuse_ended(key_set)
        connection = key_set.connection
        if connection.paused_at:
            raise ApiError(errors.CONNECTION_PAUSED)
        scopes = key_set.token_scopes
        call = Call(key_set, connection, scopes if scopes is None else frozenset(scopes))
        call = _placed(call, request.resolver_match.kwargs.get("organisation"))
        if self.function:
            call.check_scope(self.function)
        return call


class AppKeyAndSecret(_Gate):
    """The keys themselves, by HTTP Basic; a Bearer is left to the gate of tokens."""

    openapi_scheme = "basic"

    @sensitive_variables()
    def _proved(self, request):
        header = request.headers.get("Authorization", "")
        if header[:7].lower() == "bearer ":
            return None
        return proved(keys.read_basic(header))


class SecurityTokenOfKeys(_Gate):
    """A token that `POST /token` gave out for the keys (R42)."""

    openapi_scheme = "bearer"

    @sensitive_variables()
    def _proved(self, request):
        token = keys.read_bearer(request.headers.get("Authorization", ""))
        if token is None:
            raise ApiError(errors.INVALID_KEYS)
        return _key_set_of(token)

    def call_of(self, request, token: keys.Secret) -> Call:
        """The call that would be let in with this token now; raises ApiError as the gate does."""
        return self._admit(request, _key_set_of(token))


def gate(function: ApiFunction | None, **options) -> list[_Gate]:
    """What stands in front of a call: the keys, or a token of theirs."""
    return [AppKeyAndSecret(function, **options), SecurityTokenOfKeys(function, **options)]


def _refuse_ended(key_set):
    """Raise ApiError for keys, or a token, whose time is over. Once told so, no clock brings them back."""
    if key_set.ended_because:
        if not key_set.retired_at:
            end_if_overdue(key_set)
        raise _ended(key_set)
    if key_set.token_ends and key_set.token_ends <= timezone.now():
        since = key_set.token_ends.isoformat()
        raise ApiError(errors.INVALID_KEYS, reason="token_expired", since=since)


def _ended(key_set):
    since = key_set.ended_at.isoformat()
    return ApiError(errors.INVALID_KEYS, reason=key_set.ended_because, since=since)


def _placed(call, asked):
    """The call about the organisation in its path, or about the first one where the keys may be used now."""
    hindrance, places = _hindrance(call.connection), call.places
    if hindrance and (not places or asked == call.organisation.organisation_id):
        raise ApiError(hindrance)
    return replace(call, place=places[0]) if asked is None else call.for_organisation(asked)


def _hindrance(place: Standing) -> ErrorCode | None:
    """Why the keys may not be used for an organisation now, or None."""
    if place.blocked:
        return errors.ENVIRONMENT_BLOCKED
    if not place.owner_stands:
        return errors.CONNECTION_SUSPENDED
    return None if place.paid_by.has_integrations else errors.INTEGRATIONS_OFF


def _spend(request, key_set):
    request.quotas = limits.spend(key_set)
    waits = [quota.seconds for quota in request.quotas if quota.left < 0]
    if waits:
        raise ApiError(errors.TOO_MANY_CALLS, retry_after=max(waits))


def refuse_misplaced(request) -> None:
    """Raise ApiError: two credentials leave open whose call it is, and addresses lie in logs."""
    if "," in request.headers.get("Authorization", "") or keys.shows_credentials(
        unquote_plus(request.META.get("QUERY_STRING", ""))
    ):
        raise ApiError(errors.MISPLACED_KEYS)


@sensitive_variables()
def proved(pair: keys.KeyPair | None) -> KeySet:
    """The key set whose Secret the caller proved to have; raises one and the same ApiError for all else."""
    if pair is None:
        raise ApiError(errors.INVALID_KEYS)
    key_set = KeySet.objects.for_call().filter(app_key=pair.app_key).first()
    if key_set is None:
        keys.matches(pair.secret.reveal(), **_NOBODY)
        raise ApiError(errors.INVALID_KEYS)
    if not key_set.opens_with(pair.secret):
        raise ApiError(errors.INVALID_KEYS)
    CALLS.note_proof(key_set, pair.secret)
    return _with_standing(key_set)


def _key_set_of(token):
    key_set = KeySet.objects.of_token(token).for_call().first()
    if key_set is None:
        raise ApiError(errors.INVALID_KEYS)
    return _with_standing(key_set)


def _with_standing(key_set):
    """Hand on to the connection what `for_call` found out about its owner."""
    key_set.connection.owner_is_member = key_set.owner_is_member
    key_set.connection.owner_accesses = key_set.owner_accesses
    return key_set


def count(request, response) -> None:
    """Count a call whose Secret was proved, by how it ended in `response` (R20), and tell what is left of its
    limits.

    What is refused after the gate, such as an invoice without a reachable receiver, is no success either.
    """
    quotas = getattr(request, "quotas", [])
    if quotas:
        response.headers["RateLimit-Policy"] = ", ".join(quota.policy for quota in quotas)
        response.headers["RateLimit"] = ", ".join(quota.state for quota in quotas)
    if hasattr(request, "counted"):
        key_set_id, function = request.counted
        CALLS.note(
            key_set_id,
            function=function,
            code=getattr(response, "error_code", ""),
            request_id=request.id,
            network=_network_of(request),
            organisation=_organisation_named(request),
            extra=getattr(response, "error_extra", {}),
        )


def _organisation_named(request) -> str:
    """The organisation ID in the path, where there is one."""
    named = request.resolver_match.kwargs.get("organisation", "")
    return named if re.fullmatch(r"[A-Z0-9]{1,20}", named) else ""


def _network_of(request) -> str:
    """The caller's network, not its address: /24 for IPv4, /48 for IPv6."""
    try:
        address = ipaddress.ip_address(get_adapter().get_client_ip(request))
    except (PermissionDenied, ValueError):
        return ""
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))


# The API itself


class JsonBody(Parser):
    """JSON of sane size and depth."""

    def parse_body(self, request):
        body = request.read(JSON_MAX_BYTES + 1)
        if len(body) > JSON_MAX_BYTES:
            raise ApiError(errors.BODY_TOO_LARGE)
        try:
            value = json.loads(body, parse_constant=_no_number)
            if _depth(value) <= JSON_MAX_DEPTH:
                return value
        except (ValueError, RecursionError):
            pass
        raise wrong_input("body", f"It is not JSON of at most {JSON_MAX_DEPTH} levels.")


def _no_number(name):
    raise ValueError(name)


def _depth(value):
    parts = value.values() if isinstance(value, dict) else value
    return 1 + max(map(_depth, parts), default=0) if isinstance(value, dict | list) else 0


def idempotency_key(request) -> str:
    """The name that the software gave to this very call, or ""; raises ApiError for what cannot be one."""
    key = request.headers.get("Idempotency-Key", "")
    if key and not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        raise wrong_input(
            "Idempotency-Key", "At most 255 visible ASCII characters, without spaces."
        )
    return key


def _written(value):
    if not isinstance(value, str) or not re.match(r"\d{4}-", value):
        raise ValueError("It looks like 2026-11-20T14:03:00Z.")
    return value


def _near(value: datetime) -> datetime:
    if not 1970 <= value.year <= 9000:
        raise ValueError("It lies too far away.")
    return value.astimezone(UTC) if value.tzinfo else timezone.make_aware(value)


# Not the numbers that pydantic takes for a time too, none that a time zone moves out of the calendar, and
# in a time zone that PostgreSQL knows
Moment = Annotated[datetime, BeforeValidator(_written), AfterValidator(_near)]


Plain = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]  # no database keeps a NUL


class Listing(Schema):
    """Which page of a list."""

    limit: int = Field(50, ge=1, le=100)
    next: str = Field("", max_length=300, description="The cursor that the page before gave")


def listed(rows, listing: Listing, *, by: str):
    """The page of `rows` that was asked for, the newest last, and its next cursor. Raises ApiError."""
    try:
        found = page(rows, by=by, after=listing.next, size=listing.limit)
    except BadCursor:
        message = "This cursor is not one that a page of this list gave."
        raise wrong_input("next", message) from None
    return found.rows, found.next


def wrong_input(field: str, message: str) -> ApiError:
    """The error that says what is wrong with one field."""
    return ApiError(errors.WRONG_INPUT, details=[{"field": field, "message": message}])


api = NinjaAPI(
    title="Koppel API",
    version="1",
    description="Send and fetch e-invoices with the App Key and Secret of a connection.",
    urls_namespace="api",
    docs_url=None,
    parser=JsonBody(),
)
router = Router()


def function(
    name: str,
    router: Router,
    *,
    path: str = "",
    method: str = "",
    document=None,
    refusals=(),
    **options,
):
    """Register a view as the call of the API function `name`, behind the gate of that function.

    `path` is appended to the path of the table, `method` replaces its method: for a second call of the same
    function. `document` is what the OpenAPI operation says beside what is known from the view, `refusals` are
    the errors that the view gives; `options` go to django-ninja.
    """
    entry = FUNCTIONS[name]

    def decorator(view):
        register = router.api_operation(
            [method or entry.method],
            entry.path + path,
            auth=gate(entry),
            operation_id=name + "".join(part.title() for part in path.split("/")),
            tags=[entry.scope],
            openapi_extra=documented(*OF_THE_GATE, *refusals) | (document or {}),
            **options,
        )
        return register(view)

    return decorator


class Detail(Schema):
    field: str
    message: str


class Problem(Schema):
    """Every error has this form. Of the further fields it has those that say more about this one."""

    model_config = {"extra": "forbid"}

    code: Literal[tuple(ERRORS)]
    message: str
    request_id: str
    help: str = Field(description="A page that says what to do")
    reason: str = Field(
        None,
        description="Where the function is missing (`app`, `key`, `owner`, `partnership`, `token`), or why "
        "the keys ended (`superseded`, `rotated`, `revoked`, `found`, `expired`, `token_expired`)",
    )
    since: datetime = Field(None, description="When the keys ended")
    scope: str = Field(None, description="The scope that is missing")
    function: str = Field(None, description="The API function that is missing")
    details: str | list[Detail] = Field(None, description="What is wrong with the input")
    rules: list[str] = Field(None, description="The numbers of the rules that the invoice breaks")
    used_on: date = Field(None, description="The date of the invoice that has this number already")
    id: str = Field(None, description="What was kept, or what there is already")
    receiver: str = Field(None, description="The address that reaches nobody")
    app_key: str = Field(None, description="The keys that exist already")
    status: str = Field(None, description="The status that the invoice has")
    possible: list[str] = Field(None, description="What its status can be set to")
    retry_after: int = Field(None, description="Seconds to wait")


OF_THE_GATE = (
    *(errors.MISPLACED_KEYS, errors.INVALID_KEYS, errors.ENVIRONMENT_BLOCKED),
    *(errors.CONNECTION_PAUSED, errors.CONNECTION_SUSPENDED, errors.INTEGRATIONS_OFF),
    errors.ORGANISATION_NOT_COVERED,
    *(errors.SCOPE_MISSING, errors.ENCODED, errors.TOO_MANY_CALLS),
)


def documented(*refusals: ErrorCode) -> dict:
    """The refusals that a call can give beside those of its view, for the OpenAPI document."""
    by_status = {}
    for refusal in refusals:
        by_status.setdefault(refusal.status, []).append(f"`{refusal.code}` {refusal.message}.")
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        "responses": {
            status: {"description": "\n\n".join(texts), "content": content}
            for status, texts in by_status.items()
        }
    }


@api.exception_handler(ApiError)
def _refused(request, refusal):
    return errors.answer(request, refusal.error, **refusal.extra)


@api.exception_handler(HttpError)
def _unread(request, unread):
    cause = unread.__context__  # what the parser raised; django-ninja hides it behind its own
    known = isinstance(cause, ApiError)
    return _refused(request, cause if known else wrong_input("body", "It cannot be read."))


@api.exception_handler(ValidationError)
def _wrong_input(request, wrong):
    details = [
        {"field": ".".join(map(str, e["loc"][1:])), "message": e["msg"]} for e in wrong.errors
    ]
    return errors.answer(request, errors.WRONG_INPUT, details=details)


class OrganisationOut(Schema):
    id: str
    name: str
    registration_number: str
    country: str
    addresses: list[str]
    sending: bool
    receiving: bool

    @staticmethod
    def resolve_id(organisation):
        return organisation.organisation_id

    @staticmethod
    def resolve_addresses(organisation):
        return [address.value for address in organisation.addresses.all()]


class FunctionOut(Schema):
    function: str
    scope: str


class MeOut(Schema):
    app: str
    connection: str
    app_key: str
    ends_at: datetime | None = Field(None, description="When these keys end, if they do")
    organisations: list[OrganisationOut]
    functions: list[FunctionOut]


@router.get(
    "/me",
    auth=gate(None),
    response=MeOut,
    operation_id="me",
    openapi_extra=documented(*OF_THE_GATE),
)
def me(request):
    """Test the keys: who they are, what they open. Answers whatever the scopes are."""
    call = request.auth
    return {
        "app": call.connection.app.name,
        "connection": call.connection.name,
        "app_key": call.key_set.app_key,
        "ends_at": call.key_set.ends_at,
        "organisations": [place.organisation for place in call.places],
        "functions": [{"function": entry.name, "scope": entry.scope} for entry in call.functions()],
    }


class AdministrationIn(Schema):
    model_config = {"extra": "forbid"}

    name: Plain = Field(max_length=60)


class AdministrationOut(Schema):
    organisation: str
    administration: str = Field(
        description="As somebody typed it in the portal; empty when nobody did"
    )
    reported: str = Field(description="As the software reported it")


@router.put(
    "/{organisation}/administration",
    auth=gate(None),
    response={200: AdministrationOut, 413: Problem, 422: Problem},
    operation_id="ReportAdministration",
    openapi_extra=documented(*OF_THE_GATE),
)
def report_administration(request, organisation: str, body: AdministrationIn):
    """Report in which administration of the package the software books for this organisation.

    The portal shows it to the people of the organisation, and warns them of a second connection to it.
    """
    call = request.auth
    name = " ".join(body.name.split())
    place = reported(place=call.place, name=name, check=call.still_open)
    return {
        "organisation": organisation,
        "administration": place.administration,
        "reported": place.reported,
    }


@function("GetAccountParties", router, response=list[OrganisationOut])
def account_parties(request):
    """The organisations that these keys may be used for."""
    return [place.organisation for place in request.auth.places]
