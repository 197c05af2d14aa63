"""Verify: what an API gateway asks before it lets a call through (R46)."""

from functools import lru_cache
from urllib.parse import parse_qsl

from django.http import HttpResponse
from django.views.decorators.debug import sensitive_variables
from ninja import Query, Router, Schema

from connections import errors, keys
from connections.api import (
    OF_THE_GATE,
    Call,
    admitted,
    authorization,
    documented,
    gate,
    is_bearer,
    note,
    proved,
    proved_by_token,
    refuse_misplaced,
)
from connections.errors import ApiError
from connections.functions import ApiFunction
from connections.models import function_named

router = Router()
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Asked(Schema):
    function: str = ""
    organisation: str | None = None


@router.get(
    "/verify",
    auth=gate(None, limited=False),
    response={204: None},
    operation_id="verify",
    openapi_extra=documented(*OF_THE_GATE[:-1], errors.UNKNOWN_FUNCTION),
)
def verify(request, asked: Query[Asked]):
    """Whether the caller's keys or token may use `function` for `organisation`: 204, 401 or 403.

    The headers of the answer name the connection, for the API behind the gateway. Without `organisation`
    that API has to compare the header itself; keys that are for several organisations must name one.
    """
    if any(len(values) > 1 for _name, values in request.GET.lists()):
        raise ApiError(errors.UNKNOWN_FUNCTION)  # the caller added one to the gateway's
    return _verified(request, asked.function, asked.organisation)


@router.api_operation(
    METHODS,
    "/verify/{function}/{path:rest}",
    auth=gate(None, limited=False),
    include_in_schema=False,
)
def verify_path(request, function: str, rest: str):
    """The same for gateways that ask with method and path of the call they hold back: Envoy, for which only
    200 lets it through."""
    return _verified(request, function, None, status=200)


def _verified(request, name, organisation, status=204):
    call, function = request.auth.for_organisation(organisation), function_named(name)
    if function is None:
        raise ApiError(errors.UNKNOWN_FUNCTION)
    request.counted = call.caller.pk, function.name
    call.check_scope(function)
    return HttpResponse(status=status, headers=_told(call, function))


def _told(call: Call, function: ApiFunction) -> dict[str, str]:
    return {
        "X-Koppel-App-Key": call.caller.app_key,
        "X-Koppel-Connection": str(call.caller.connection.uuid),
        "X-Koppel-Organisation": call.place.organisation.organisation_id,
        "X-Koppel-Function": function.name,
        "X-Koppel-Scope": function.scope,
    }


# The same before Django, which would take most of the time (decision 38)

ADDRESS = "/api/v1/verify"


@sensitive_variables()
def let_through(environ: dict, request_id: str) -> tuple[str, dict[str, str]] | None:
    """Status and headers of a plain yes, which is counted; None where Django has to answer.

    That is every refusal and whatever is out of the ordinary: here is nothing that says no, so nothing that
    could say it in another way.
    """
    if "HTTP_CONTENT_ENCODING" in environ:
        return None
    header = authorization(environ)
    try:
        refuse_misplaced(environ)
        status, name, organisation = _asked(
            environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", "")
        )
        if is_bearer(header):
            caller = proved_by_token(keys.read_bearer(header))
        else:
            caller = proved(keys.read_basic(header))
        call, function = admitted(caller, None).for_organisation(organisation), _named(name)
        call.check_scope(function)
    except Exception:  # ours and the database's: Django meets it again, and tells about it
        return None
    note(environ, caller.pk, function.name, request_id)
    return status, _told(call, function)


@lru_cache(1024)
def _asked(method, path, query):
    """Status of a yes, function and organisation. Raises ValueError for what gateways do not ask."""
    if path.startswith(f"{ADDRESS}/"):
        name, slash, _rest = path.removeprefix(f"{ADDRESS}/").partition("/")
        if slash and method in METHODS:
            return "200 OK", name, None
    elif path == ADDRESS and method == "GET":
        pairs = parse_qsl(query, keep_blank_values=True)
        asked = dict(pairs)
        if len(asked) == len(pairs) and asked.keys() <= {"function", "organisation"}:
            return "204 No Content", asked.get("function", ""), asked.get("organisation")
    raise ValueError(path)


@lru_cache(1024)
def _named(name):
    """Kept for good, as neither name nor scope of a function ever change; one that is not there raises."""
    function = function_named(name)
    if function is None:
        raise LookupError(name)
    return function
