"""The gate of the HTTP API: header → keys → state → organisation → scope → input (R43).

    @function("SendDocument", router)
    def send_document(request, organisation: str): ...

Method, path and scope come from the table of API functions. A view finds who calls in `request.auth`.
"""

import ipaddress
from dataclasses import dataclass
from urllib.parse import unquote_plus

from allauth.account.adapter import get_adapter
from django.core.exceptions import PermissionDenied
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from ninja import NinjaAPI, Router, Schema
from ninja.errors import ValidationError
from ninja.security.http import HttpAuthBase

from accounts.models import Organisation
from connections import errors, keys
from connections.calls import CALLS
from connections.errors import ApiError
from connections.functions import FUNCTIONS, ApiFunction
from connections.models import Connection, KeySet, functions_of
from connections.rights import Rights

# Compared with when no such App Key exists, so that an unknown key costs the same HMAC as a wrong Secret.
_NOBODY = {"stored": "0" * 64, "pepper": b"0" * 32, "app_key": "", "connection": "", "version": 0}


@dataclass(frozen=True)
class Call:
    """An admitted call: whose keys, for which connection, with which rights."""

    key_set: KeySet
    connection: Connection
    rights: Rights
    scopes: frozenset[str] | None = None  # to which a SecurityToken narrows the call

    @property
    def organisation(self) -> Organisation:
        return self.connection.organisation

    def missing(self, function: ApiFunction) -> str:
        """Where the function is missing first: as `Mark.missing`, or in the "token"; "" where it is not."""
        missing = self.rights.mark(function).missing
        narrowed = self.scopes is not None and function.scope not in self.scopes
        return missing or ("token" if narrowed else "")

    def functions(self) -> list[ApiFunction]:
        """What the call opens, in the order of the catalogue."""
        return [f for f in functions_of(self.rights.effective()) if not self.missing(f)]

    def check_organisation(self, organisation_id: str) -> None:
        """Raise ApiError when the keys are for another organisation."""
        if organisation_id != self.organisation.organisation_id:
            raise ApiError(errors.ORGANISATION_NOT_COVERED)

    def check_scope(self, function: ApiFunction) -> None:
        """Raise ApiError with what is missing, and where, when the call may not use `function` (R44)."""
        reason = self.missing(function)
        if reason:
            raise ApiError(
                errors.SCOPE_MISSING, scope=function.scope, function=function.name, reason=reason
            )

    def still_open(self) -> None:
        """Lock the key set inside the transaction of a write: nothing commits after its revocation did.

        Raises ApiError when it was retired since the call was admitted, by a slow upload for instance.
        """
        live = KeySet.objects.select_for_update(no_key=True).live().filter(pk=self.key_set.pk)
        if not live.exists():
            raise ApiError(errors.INVALID_KEYS, reason="superseded")


class _Gate(HttpAuthBase):
    """Lets a call in, or ends it with the first check of R43 that fails."""

    def __init__(self, function: ApiFunction | None):
        super().__init__()
        self.function = function

    def __call__(self, request) -> Call | None:
        _refuse_misplaced(request)
        key_set = self._proved(request)
        if key_set is None:
            return None
        request.counted = key_set.pk, self.function.name if self.function else ""
        return self._admit(request, key_set)

    def _admit(self, request, key_set):
        if key_set.retired_at:
            raise ApiError(
                errors.INVALID_KEYS,
                reason=key_set.retired_because,
                since=key_set.retired_at.isoformat(),
            )
        if key_set.token_ends and key_set.token_ends <= timezone.now():
            raise ApiError(
                errors.INVALID_KEYS, reason="expired", since=key_set.token_ends.isoformat()
            )
        connection = key_set.connection
        if connection.is_blocked:
            raise ApiError(errors.ENVIRONMENT_BLOCKED)
        if not connection.owner_stands:
            raise ApiError(errors.CONNECTION_SUSPENDED)
        if not connection.paid_by.has_integrations:
            raise ApiError(errors.INTEGRATIONS_OFF)
        scopes = key_set.token_scopes
        call = Call(
            key_set,
            connection,
            connection.rights,
            scopes if scopes is None else frozenset(scopes),
        )
        asked = request.resolver_match.kwargs.get("organisation")
        if asked is not None:
            call.check_organisation(asked)
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


def gate(function: ApiFunction | None) -> list[_Gate]:
    """What stands in front of a call: the keys, or a token of theirs."""
    return [AppKeyAndSecret(function), SecurityTokenOfKeys(function)]


def _refuse_misplaced(request):
    """Two credentials leave open whose call it is, and what stands in an address lies in logs."""
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
    """Count a call whose Secret was proved, by how it ended in `response` (R20).

    What is refused after the gate, such as an invoice without a reachable receiver, is no success either.
    """
    if hasattr(request, "counted"):
        key_set_id, function = request.counted
        CALLS.note(
            key_set_id,
            function=function,
            code=getattr(response, "error_code", ""),
            request_id=request.id,
            network=_network_of(request),
            extra=getattr(response, "error_extra", {}),
        )


def _network_of(request) -> str:
    """The caller's network, not its address: /24 for IPv4, /48 for IPv6."""
    try:
        address = ipaddress.ip_address(get_adapter().get_client_ip(request))
    except (PermissionDenied, ValueError):
        return ""
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))


# The API itself

api = NinjaAPI(
    title="Koppel API",
    version="1",
    description="Send and fetch e-invoices with the App Key and Secret of a connection.",
    urls_namespace="api",
    docs_url=None,
)
router = Router()


def function(
    name: str, router: Router, *, path: str = "", method: str = "", document=None, **options
):
    """Register a view as the call of the API function `name`, behind the gate of that function.

    `path` is appended to the path of the table, `method` replaces its method: for a second call of the same
    function. `document` is what the OpenAPI operation says beside what is known from the view; `options` go
    to django-ninja.
    """
    entry = FUNCTIONS[name]

    def decorator(view):
        register = router.api_operation(
            [method or entry.method],
            entry.path + path,
            auth=gate(entry),
            operation_id=name + "".join(part.title() for part in path.split("/")),
            tags=[entry.scope],
            openapi_extra=documented(entry) | (document or {}),
            **options,
        )
        return register(view)

    return decorator


class Problem(Schema):
    """Every error has this form; some have further fields."""

    code: str
    message: str
    request_id: str
    help: str


def documented(entry: ApiFunction | None) -> dict:
    """The refusals that the gate itself can give, for the OpenAPI document."""
    statuses = {401: "Wrong, unknown, malformed or retired keys"}
    if entry:
        statuses[403] = (
            f"Scope {entry.scope} is missing, or the state or organisation does not allow the call"
        )
    form = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        "responses": {
            status: {"description": text, "content": form} for status, text in statuses.items()
        }
    }


@api.exception_handler(ApiError)
def _refused(request, refusal):
    return errors.answer(request, refusal.error, **refusal.extra)


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
    organisations: list[OrganisationOut]
    functions: list[FunctionOut]


@router.get(
    "/me",
    auth=gate(None),
    response=MeOut,
    operation_id="me",
    openapi_extra=documented(None),
)
def me(request):
    """Test the keys: who they are, what they open. Answers whatever the scopes are (R24)."""
    call = request.auth
    return {
        "app": call.connection.app.name,
        "connection": call.connection.name,
        "app_key": call.key_set.app_key,
        "organisations": [call.organisation],
        "functions": [{"function": entry.name, "scope": entry.scope} for entry in call.functions()],
    }


@function("GetAccountParties", router, response=list[OrganisationOut])
def account_parties(request):
    """The organisations that these keys may be used for."""
    return [request.auth.organisation]
