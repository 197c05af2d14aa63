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
from functools import cached_property, lru_cache
from typing import Annotated, Literal
from urllib.parse import unquote_plus

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from ninja import Field, NinjaAPI, Router, Schema
from ninja.decorators import decorate_view
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser
from ninja.security.http import HttpAuthBase
from pydantic import AfterValidator, BeforeValidator, StringConstraints

from accounts.models import Organisation
from connections import errors, keys, limits
from connections.callers import Caller, by_app_key, by_token, further_places, locked_again
from connections.calls import CALLS
from connections.errors import ERRORS, ApiError, ErrorCode
from connections.functions import FUNCTIONS, ApiFunction
from connections.models import Connection, KeySet, functions_of
from connections.models.standing import Standing
from connections.rights import Rights
from connections.services import end_if_overdue
from connections.services import report_administration as reported
from portal.paging import BadCursor, page
from portal.prepared import Given, Prepared

JSON_MAX_BYTES = 64 * 1024
JSON_MAX_DEPTH = 20

# Compared with when no such App Key exists, so that an unknown key costs the same HMAC as a wrong Secret.
_NOBODY = {"stored": "0" * 64, "pepper": b"0" * 32, "app_key": "", "connection": "", "version": 0}


_CONNECTION = Prepared(lambda: Connection.objects.for_call().filter(pk=Given("pk")))


@dataclass(frozen=True)
class Call:
    """An admitted call: whose keys, for which organisation, with which rights."""

    caller: Caller
    place: Standing  # the connection in the organisation that the call is about
    scopes: frozenset[str] | None = None  # to which a SecurityToken narrows the call

    @cached_property
    def connection(self) -> Connection:
        """The connection with all around it, for what a call does once it is let in; a query."""
        (connection,) = _CONNECTION.rows(pk=self.caller.connection.pk)
        return connection

    @cached_property
    def organisation(self) -> Organisation:
        """The organisation that the call is about, with its environment; mostly that of `connection`."""
        if self.place is self.caller.connection:
            return self.connection.organisation
        found = Organisation.objects.select_related("environment")
        return found.get(pk=self.place.organisation.pk)

    @cached_property
    def rights(self) -> Rights:
        return self.place.rights

    @cached_property
    def places(self) -> list[Standing]:
        """The connection in each organisation that the keys may be used for now (R15)."""
        further = further_places(self.caller) if self.caller.is_shared else []
        return [place for place in [self.caller.connection, *further] if not _hindrance(place)]

    def missing(self, function: ApiFunction) -> str:
        """Where the function is missing first: as `Mark.missing`, or in the "token"; "" where it is not."""
        if not self.rights.allows(function.name):
            return self.rights.mark(function).missing
        narrowed = self.scopes is not None and function.scope not in self.scopes
        return "token" if narrowed else ""

    def functions(self) -> list[ApiFunction]:
        """What the call opens, in the order of the catalogue."""
        opened = functions_of(self.rights.effective())
        return [f for f in opened if self.scopes is None or f.scope in self.scopes]

    def for_organisation(self, organisation_id: str | None) -> "Call":
        """The same call about one organisation; only keys of a single one need not name it (R15).

        Raises ApiError when the keys are not for that organisation now.
        """
        if organisation_id is None and not self.caller.is_shared:
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

        Raises ApiError when the gate would not let the call in any more, because a slow upload was overtaken
        by the end of the keys for instance, by a pause or a block, or because the connection is not used for
        the organisation any more. What it may do there is as it was when it was let in.
        """
        again = locked_again(self.caller)
        if again.ended_because:  # written down by whoever is told next: here it would be undone
            raise _ended(again)
        admitted(again, self.place.organisation.organisation_id)


class _Gate(HttpAuthBase):
    """Lets a call in, or ends it with the first check of R43 that fails."""

    def __init__(self, function: ApiFunction | None, *, limited: bool = True):
        super().__init__()
        self.function = function
        self.limited = limited

    def __call__(self, request) -> Call | None:
        refuse_misplaced(request.META)
        caller = self._proved(request)
        if caller is None:
            return None
        request.counted = caller.pk, self.function.name if self.function else ""
        if self.limited:
            _spend(request, caller)
        call = admitted(caller, request.resolver_match.kwargs.get("organisation"))
        if self.function:
            call.check_scope(self.function)
        if request.META.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
            raise ApiError(errors.ENCODED)
        return call


class AppKeyAndSecret(_Gate):
    """The keys themselves, by HTTP Basic; a Bearer is left to the gate of tokens."""

    openapi_scheme = "basic"

    def _proved(self, request):
        if is_bearer(authorization(request.META)):
            return None
        return proved(keys.read_basic(authorization(request.META)))


class SecurityTokenOfKeys(_Gate):
    """A token that `POST /token` gave out for the keys (R42)."""

    openapi_scheme = "bearer"

    def _proved(self, request):
        return proved_by_token(keys.read_bearer(authorization(request.META)))


def gate(function: ApiFunction | None, **options) -> list[_Gate]:
    """What stands in front of a call: the keys, or a token of theirs."""
    return [AppKeyAndSecret(function, **options), SecurityTokenOfKeys(function, **options)]


def authorization(environ) -> str:
    """The header with the credentials, of what WSGI says of a request."""
    return environ.get("HTTP_AUTHORIZATION", "")


def is_bearer(header: str) -> bool:
    return header[:7].lower() == "bearer "


def admitted(caller: Caller, asked: str | None) -> Call:
    """The call of somebody who proved who they are, about the organisation `asked`, or about the first one
    where the keys may be used now; raises the ApiError of the first check of R43 that fails.

    Keys whose time is over stay over: once told so, no clock brings them back.
    """
    if caller.ended_because:
        if not caller.retired_at:
            end_if_overdue(KeySet.objects.select_related("connection").get(pk=caller.pk))
        raise _ended(caller)
    if caller.token_ends and caller.token_ends <= timezone.now():
        since = caller.token_ends.isoformat()
        raise ApiError(errors.INVALID_KEYS, reason="token_expired", since=since)
    if caller.connection.paused_at:
        raise ApiError(errors.CONNECTION_PAUSED)
    return _placed(Call(caller, caller.connection, caller.token_scopes), asked)


def _ended(key_set):
    since = key_set.ended_at.isoformat()
    return ApiError(errors.INVALID_KEYS, reason=key_set.ended_because, since=since)


def _placed(call, asked):
    """The call about the organisation in its path, or about the first one where the keys may be used now."""
    first, places = call.caller.connection, call.places
    if first not in places and (not places or asked == first.organisation.organisation_id):
        raise ApiError(_hindrance(first))
    if asked is None:
        return call if places[0] is first else replace(call, place=places[0])
    return call.for_organisation(asked)


def _hindrance(place: Standing) -> ErrorCode | None:
    """Why the keys may not be used for an organisation now, or None."""
    if place.blocked:
        return errors.ENVIRONMENT_BLOCKED
    if not place.owner_stands:
        return errors.CONNECTION_SUSPENDED
    return None if place.paid_by.has_integrations else errors.INTEGRATIONS_OFF


def _spend(request, caller):
    request.quotas = limits.spend(caller)
    waits = [quota.seconds for quota in request.quotas if quota.left < 0]
    if waits:
        raise ApiError(errors.TOO_MANY_CALLS, retry_after=max(waits))


def refuse_misplaced(environ) -> None:
    """Raise ApiError: two credentials leave open whose call it is, and addresses lie in logs."""
    if "," in authorization(environ) or keys.shows_credentials(
        unquote_plus(environ.get("QUERY_STRING", ""))
    ):
        raise ApiError(errors.MISPLACED_KEYS)


@sensitive_variables()
def proved(pair: keys.KeyPair | None) -> Caller:
    """Whose Secret the caller proved to have; raises one and the same ApiError for all else."""
    if pair is None:
        raise ApiError(errors.INVALID_KEYS)
    caller = by_app_key(pair.app_key)
    if caller is None:
        keys.matches(pair.secret.reveal(), **_NOBODY)
        raise ApiError(errors.INVALID_KEYS)
    if not caller.opens_with(pair.secret):
        raise ApiError(errors.INVALID_KEYS)
    CALLS.note_proof(caller, pair.secret)
    return caller


@sensitive_variables()
def proved_by_token(token: keys.Secret | None) -> Caller:
    """The same by a SecurityToken, which may be over."""
    caller = token and by_token(token)
    if not caller:
        raise ApiError(errors.INVALID_KEYS)
    return caller


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
        note(
            request.META,
            key_set_id,
            function,
            request.id,
            code=getattr(response, "error_code", ""),
            organisation=_organisation_named(request),
            extra=getattr(response, "error_extra", {}),
        )


def note(environ, key_set_id: int, function: str, request_id: str, *, code="", **more) -> None:
    """Count one call that came with this environ of WSGI, and from which network; more as `CALLS.note`."""
    CALLS.note(
        key_set_id,
        function=function,
        code=code,
        request_id=request_id,
        network=_network_of(environ),
        **more,
    )


def _organisation_named(request) -> str:
    """The organisation ID in the path, where there is one."""
    named = request.resolver_match.kwargs.get("organisation", "")
    return named if re.fullmatch(r"[A-Z0-9]{1,20}", named) else ""


def _network_of(environ) -> str:
    """The caller's network, not its address: /24 for IPv4, /48 for IPv6; "" where nobody can tell."""
    proxies = settings.ALLAUTH_TRUSTED_PROXY_COUNT
    passed = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
    known = proxies and passed[0]
    if known and len(passed) < proxies:
        return ""
    return _network(passed[-proxies].strip() if known else environ.get("REMOTE_ADDR", ""))


@lru_cache(4096)
def _network(address):
    try:
        address = ipaddress.ip_address(address)
    except ValueError:
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


class FunctionOut(Schema):
    function: str
    scope: str


def as_json(value) -> HttpResponse:
    """As JsonResponse, whose encoder is not the one in C."""
    text = json.dumps(value, default=DjangoJSONEncoder().default)
    return HttpResponse(text, content_type="application/json")


def organisation_out(organisation) -> dict:
    """What `OrganisationOut` describes, of a row that the gate read."""
    return {
        "id": organisation.organisation_id,
        "name": organisation.name,
        "registration_number": organisation.registration_number,
        "country": organisation.country,
        "addresses": organisation.addresses,
        "sending": organisation.sending,
        "receiving": organisation.receiving,
    }


class MeOut(Schema):
    app: str
    connection: str
    app_key: str
    ends_at: datetime | None = Field(None, description="When these keys end, if they do")
    organisations: list[OrganisationOut]
    functions: list[FunctionOut]


def straight(run):
    """Past django-ninja's own steps: for a call that takes no input and makes its whole answer itself."""
    operation = run.__self__

    def answered(request):
        try:
            request.auth = next(filter(None, (gate(request) for gate in operation.auth_callbacks)))
            return operation.view_func(request)
        except Exception as error:
            return operation.api.on_exception(request, error)

    return answered


@router.get(
    "/me",
    auth=gate(None),
    response=MeOut,
    operation_id="me",
    openapi_extra=documented(*OF_THE_GATE),
)
@decorate_view(straight)
def me(request):
    """Test the keys: who they are, what they open. Answers whatever the scopes are."""
    call, connection = request.auth, request.auth.caller.connection
    # Not through the schema, which takes as long to check this answer as the gate to let the call in.
    return as_json(
        {
            "app": connection.app.name,
            "connection": connection.name,
            "app_key": call.caller.app_key,
            "ends_at": call.caller.ends_at,
            "organisations": [organisation_out(place.organisation) for place in call.places],
            "functions": [{"function": it.name, "scope": it.scope} for it in call.functions()],
        }
    )


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
    place = reported(
        connection=call.connection,
        organisation=call.organisation,
        name=name,
        check=call.still_open,
    )
    return {
        "organisation": organisation,
        "administration": place.administration,
        "reported": place.reported,
    }


@function("GetAccountParties", router, response=list[OrganisationOut])
def account_parties(request):
    """The organisations that these keys may be used for."""
    return [organisation_out(place.organisation) for place in request.auth.places]
