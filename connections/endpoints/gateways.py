"""Verify: what an API gateway asks before it lets a call through (R46)."""

from django.http import HttpResponse
from ninja import Query, Router, Schema

from connections import errors
from connections.api import documented, gate
from connections.errors import ApiError
from connections.models import function_named

router = Router()
# nginx, Traefik and Caddy ask with GET; Envoy with the method of the call that it holds back.
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Asked(Schema):
    function: str = ""
    organisation: str = ""


def verify(request, asked: Query[Asked]):
    """Whether the caller's keys or token may use `function` for `organisation`: 204, 401 or 403.

    The headers of the answer name the connection, for the API behind the gateway. Any method does.
    """
    call = request.auth
    if asked.organisation:
        call.check_organisation(asked.organisation)
    headers = {
        "X-Koppel-App-Key": call.key_set.app_key,
        "X-Koppel-Connection": str(call.connection.uuid),
        "X-Koppel-Organisation": call.organisation.organisation_id,
    }
    if asked.function:
        function = function_named(asked.function)
        if function is None:
            raise ApiError(errors.UNKNOWN_FUNCTION)
        request.counted = call.key_set.pk, function.name
        call.check_scope(function)
        headers |= {"X-Koppel-Function": function.name, "X-Koppel-Scope": function.scope}
    return HttpResponse(status=204, headers=headers)


router.api_operation(
    METHODS[:1],
    "/verify",
    auth=gate(None),
    response={204: None},
    operation_id="verify",
    openapi_extra=documented(None),
)(verify)
router.api_operation(METHODS[1:], "/verify", auth=gate(None), include_in_schema=False)(verify)
