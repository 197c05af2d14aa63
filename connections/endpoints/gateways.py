"""Verify: what an API gateway asks before it lets a call through (R46)."""

from django.http import HttpResponse
from ninja import Query, Router, Schema

from connections import errors
from connections.api import OF_THE_GATE, documented, gate
from connections.errors import ApiError
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
    request.counted = call.key_set.pk, function.name
    call.check_scope(function)
    return HttpResponse(
        status=status,
        headers={
            "X-Koppel-App-Key": call.key_set.app_key,
            "X-Koppel-Connection": str(call.connection.uuid),
            "X-Koppel-Organisation": call.organisation.organisation_id,
            "X-Koppel-Function": function.name,
            "X-Koppel-Scope": function.scope,
        },
    )
