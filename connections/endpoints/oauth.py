"""SecurityTokens over OAuth 2.0: client credentials (RFC 6749), revocation (7009), introspection (7662).

Errors have the form of RFC 6749 with ours beside it, so that any OAuth library understands them.
"""

from contextlib import contextmanager
from urllib.parse import parse_qsl

from django.http import HttpResponse
from django.views.decorators.debug import sensitive_variables
from ninja import Field, Router, Schema

from connections import errors, keys, tokens
from connections.api import (
    AppKeyAndSecret,
    Call,
    Problem,
    admitted,
    api,
    authorization,
    proved,
    proved_by_token,
    refuse_misplaced,
    wrong_input,
)
from connections.calls import CALLS
from connections.errors import ApiError
from connections.models import Gateway, catalogue

router = Router()

FORM = "application/x-www-form-urlencoded"
FORM_MAX_BYTES = 8 * 1024
FORM_MAX_FIELDS = 20
_NAMES = {  # what RFC 6749, 5.2 calls these; the others go by their status
    errors.SCOPE_MISSING.code: "invalid_scope",
    errors.WRONG_GRANT.code: "unsupported_grant_type",
    401: "invalid_client",
    403: "unauthorized_client",
    429: "temporarily_unavailable",
}
_KEPT_STATUSES = {401, 413, 415, 429}  # of all others RFC 6749 makes 400


class OAuthError(ApiError):
    """An ApiError at a call whose errors a standard describes."""

    @classmethod
    def of(cls, refusal: ApiError):
        return cls(refusal.error, **refusal.extra)


@api.exception_handler(OAuthError)
def _refused(request, refusal):
    error = refusal.error
    return errors.answer(
        request,
        error,
        http_status=error.status if error.status in _KEPT_STATUSES else 400,
        error=_NAMES.get(error.code) or _NAMES.get(error.status, "invalid_request"),
        error_description=error.message,
        **refusal.extra,
    )


class ClientCredentials(AppKeyAndSecret):
    """App Key and Secret as an OAuth client sends them: by HTTP Basic, or as fields of the form."""

    def __init__(self):
        super().__init__(None)

    def __call__(self, request) -> Call:
        try:
            return super().__call__(request)
        except ApiError as refusal:
            raise OAuthError.of(refusal) from None

    @sensitive_variables()
    def _proved(self, request):
        form, header = form_of(request), authorization(request.META)
        if "client_secret" not in form:
            return proved(keys.read_basic(header))
        if header:
            raise ApiError(errors.MISPLACED_KEYS)
        return proved(keys.pair_of(form.get("client_id", ""), form["client_secret"]))


class GatewayCredential(AppKeyAndSecret):
    """The credential that support made for a gateway: it opens introspection and nothing else."""

    def __init__(self):
        super().__init__(None)

    @sensitive_variables()
    def __call__(self, request) -> Gateway:
        with _in_rfc_form():
            refuse_misplaced(request.META)
        pair = keys.read_basic(authorization(request.META), prefix=keys.GATEWAY_PREFIX)
        gateway = pair and Gateway.objects.of_pair(pair)
        if not gateway:
            raise OAuthError(errors.INVALID_GATEWAY)
        CALLS.note_proof(gateway, pair.secret)
        return gateway


class TokenOut(Schema):
    access_token: str = Field(description="The SecurityToken; send it as a Bearer")
    token_type: str = Field(json_schema_extra={"const": "Bearer"})
    expires_in: int = Field(description="Seconds")
    scope: str = Field(description="What it opens now, separated by spaces")


class OAuthProblem(Problem):
    error: str = Field(description="What RFC 6749, 5.2 calls it")
    error_description: str


REFUSED = dict.fromkeys((400, 401, 413, 415, 429), OAuthProblem)


class IntrospectionOut(Schema):
    active: bool
    scope: str | None = None
    client_id: str | None = Field(None, description="The App Key")
    token_type: str | None = None
    exp: int | None = None
    iat: int | None = None
    sub: str | None = Field(None, description="The connection")
    organisation: str | None = Field(None, description="The organisation ID")
    functions: list[str] | None = Field(None, description="The API functions that it opens now")


def _form(required, **fields):
    return {
        "requestBody": {
            "required": True,
            "content": {
                FORM: {
                    "schema": {
                        "type": "object",
                        "required": required,
                        "properties": {
                            name: {"type": "string", **of} for name, of in fields.items()
                        },
                    }
                }
            },
        }
    }


_TOKEN = _form(
    ["grant_type"],
    grant_type={"const": "client_credentials"},
    scope={"description": "Scopes separated by spaces; without it, all that the keys open"},
    client_id={"description": "The App Key, where it does not come by HTTP Basic"},
    client_secret={"description": "The Secret, where it does not come by HTTP Basic"},
)
_TOKEN_FIELD = {"token": {}, "token_type_hint": {}}


@router.post(
    "/token",
    auth=ClientCredentials(),
    response={200: TokenOut, **REFUSED},
    operation_id="token",
    openapi_extra=_TOKEN,
)
@sensitive_variables()
def token(request):
    """Exchange the keys for a SecurityToken of 4 hours (OAuth 2.0 client credentials).

    At most 20 are alive at a time, of more the oldest ends. A token ends with its keys, and opens what the
    keys open at the moment of the call; `scope` narrows it.
    """
    call, form = request.auth, form_of(request)
    with _in_rfc_form():
        scopes = _scopes_asked(request, call, form.get("scope", "").split())
        if form.get("grant_type") != "client_credentials":
            raise ApiError(errors.WRONG_GRANT)
        issued = tokens.issue(caller=call.caller, scopes=scopes, check=call.still_open)
    opened = scopes or {function.scope for function in call.functions()}
    return {
        "access_token": issued.reveal(),
        "token_type": "Bearer",
        "expires_in": round(tokens.life(call.caller).total_seconds()),
        "scope": " ".join(sorted(opened)),
    }


@router.post(
    "/token/revoke",
    auth=ClientCredentials(),
    response={200: None, **REFUSED},
    operation_id="revokeToken",
    openapi_extra=_form(["token"], **_TOKEN_FIELD),
)
@sensitive_variables()
def revoke(request):
    """End a SecurityToken of these keys at once (RFC 7009); 200 for a token that is dead or unknown too."""
    given = _token_field(request)
    if given:
        tokens.revoke(token=given, caller=request.auth.caller)
    return HttpResponse(status=200)


@router.post(
    "/introspect",
    auth=GatewayCredential(),
    response={200: IntrospectionOut, **REFUSED},
    exclude_none=True,
    operation_id="introspect",
    openapi_extra=_form(["token"], **_TOKEN_FIELD),
)
@sensitive_variables()
def introspect(request):
    """Tell a gateway what a SecurityToken opens at this moment (RFC 7662)."""
    given = _token_field(request)
    try:
        call = given and admitted(proved_by_token(given), None)
    except ApiError:
        call = None
    if not call:
        return {"active": False}
    functions = call.functions()
    return {
        "active": True,
        "scope": " ".join(sorted({function.scope for function in functions})),
        "client_id": call.caller.app_key,
        "token_type": "Bearer",
        "exp": int(call.caller.token_ends.timestamp()),
        "iat": int(call.caller.token_since.timestamp()),
        "sub": str(call.caller.connection.uuid),
        "organisation": call.place.organisation.organisation_id,
        "functions": [function.name for function in functions],
    }


@sensitive_variables()
def form_of(request) -> dict[str, str]:
    """The fields of the form in the body, each once; raises ApiError for everything else."""
    if hasattr(request, "form_fields"):
        return request.form_fields
    body = request.read(FORM_MAX_BYTES + 1)
    if len(body) > FORM_MAX_BYTES:
        raise ApiError(errors.BODY_TOO_LARGE)
    if body and request.content_type != FORM:
        raise wrong_input("body", f"Send it as {FORM}.")
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=FORM_MAX_FIELDS, errors="strict"
        )
    except ValueError:
        raise wrong_input("body", "It cannot be read as a form.") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise wrong_input("body", "A field stands in it twice.")
    request.form_fields = fields
    return fields


@sensitive_variables()
def _token_field(request) -> keys.Secret | None:
    """The token that the form names; None where it cannot be one of ours."""
    with _in_rfc_form():
        text = form_of(request).get("token")
        if not text:
            raise wrong_input("token", "It is missing.")
    return keys.read_bearer(f"Bearer {text}")


def _scopes_asked(request, call, asked) -> frozenset[str] | None:
    """The scopes that the token is narrowed to; None when none are named."""
    opened = {function.scope for function in call.functions()}
    for scope in asked:
        if scope in opened:
            continue
        function = next((f for f in catalogue().values() if f.scope == scope), None)
        if function is None:
            raise ApiError(errors.SCOPE_MISSING, scope=scope)
        request.counted = call.caller.pk, function.name
        call.check_scope(function)
    return frozenset(asked) or None


@contextmanager
def _in_rfc_form():
    try:
        yield
    except ApiError as refusal:
        raise OAuthError.of(refusal) from None
