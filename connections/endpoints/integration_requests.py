"""Authorisation requests over the API: an accountancy's software asks clients, and collects their keys.

The acting person is the owner of the connection, with what that person may do in the portal.
"""

import uuid
from datetime import datetime
from typing import Literal

from django.db import transaction
from django.views.decorators.debug import sensitive_variables
from ninja import Field, Query, Router, Schema, Status

from accounts.models import User
from accounts.refusals import Refused
from accounts.roles import Permission
from connections import errors, services
from connections.api import Listing, Moment, Problem, function, idempotency_key, listed, wrong_input
from connections.errors import ApiError
from connections.models import Access
from connections.refusals import AlreadyConnected, AlreadyCreated
from partners import services as partners
from partners.forms import RequestForm
from partners.models import AuthorisationRequest, packages
from partners.refusals import AlreadyAsked, AlreadySent

router = Router()


class RequestIn(Schema):
    model_config = {"extra": "forbid"}

    client_name: str = Field(max_length=150)
    email: str = Field(max_length=254)
    country: str = Field("NL", max_length=2)
    registration_number: str = Field(max_length=20)
    app: str = Field(max_length=60, description="The name of a Generic App")
    accountant_pays: bool = True
    functions: list[str] | None = Field(
        None, max_length=100, description="API functions; without it, all that the app asks for"
    )
    note: str = Field("", max_length=1000)
    language: Literal["en", "nl"] = Field("nl", description="Of the mail")
    replace: bool = Field(False, description="Replace the same request where it is pending")


class RequestOut(Schema):
    id: uuid.UUID
    client_name: str
    email: str
    country: str
    registration_number: str
    organisation: str | None = Field(description="The client's organisation ID, once it let you in")
    app: str
    functions: list[str]
    accountant_pays: bool
    status: Literal[tuple(AuthorisationRequest.Status.values)]
    created_at: datetime
    expires_at: datetime
    closed_at: datetime | None


class RequestPage(Schema):
    items: list[RequestOut]
    next: str | None = Field(description="The cursor of the next page; null on the last one")


class RequestListing(Listing):
    status: Literal[tuple(AuthorisationRequest.Status.values)] | None = None
    created_from: Moment | None = None
    created_to: Moment | None = None
    counterparty: str | None = Field(
        None,
        max_length=254,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="The address or the registration number of the client",
    )


class CredentialsOut(Schema):
    app: str
    organisation: str = Field(description="The organisation ID to call for")
    app_key: str
    secret: str = Field(description="Stands in this answer and nowhere else")


@function("GetIntegrationRequests", router, response={200: RequestPage, 422: Problem})
def integration_requests(request, organisation: str, listing: Query[RequestListing]):
    """Authorisation requests that the owner of the keys sees among those sent, the newest last."""
    found = AuthorisationRequest.objects.seen_by(_owner(request.auth))
    if listing.status:
        found = found.in_status(listing.status)
    if listing.counterparty:
        found = found.of_client(listing.counterparty)
    if listing.created_from:
        found = found.filter(created_at__gte=listing.created_from)
    if listing.created_to:
        found = found.filter(created_at__lte=listing.created_to)
    found = found.select_related("app", "mandate__organisation")
    rows, cursor = listed(found, listing, by="created_at")
    return {"items": [_out(row) for row in rows], "next": cursor}


@function(
    "RequestAppIntegration",
    router,
    response={201: RequestOut, 200: RequestOut, 409: Problem, 413: Problem, 422: Problem},
    refusals=[errors.MAY_NOT_ASK],
)
def request_app_integration(request, organisation: str, body: RequestIn):
    """Send an authorisation request to a client; the mail is on its way when the answer comes.

    201: sent. 200: the same Idempotency-Key sent the same request before; this is that request.
    """
    call, key = request.auth, idempotency_key(request)
    owner = _may_ask(call)
    op_id = uuid.uuid5(call.connection.uuid, f"request {key}") if key else uuid.uuid4()
    values = _cleaned(body, op_id)
    try:
        with transaction.atomic():
            sent = partners.ask(by=owner, **values)
            call.still_open()
    except AlreadySent as already:
        return Status(200, _out(_same(already.request, values)))
    except AlreadyAsked as already:
        details = {"details": str(already), "id": str(already.request.uuid)}
        raise ApiError(errors.REQUEST_NOT_SENT, **details) from None
    except Refused as refused:
        raise ApiError(errors.REQUEST_NOT_SENT, details=str(refused)) from None
    return Status(201, _out(sent))


@function(
    "RequestAppIntegrationCredentials",
    router,
    response={201: CredentialsOut, 404: Problem, 409: Problem},
    refusals=[errors.MAY_NOT_ASK],
)
@sensitive_variables()
def request_app_integration_credentials(request, organisation: str, id: str):
    """Make the keys of a client who accepted, once for each request: the Secret is in this answer only.

    They live on the owner of the calling keys. A repeated call makes nothing, and says which keys there are.
    """
    call = request.auth
    owner = _may_ask(call)
    found = _request(owner, id)
    if found.state != AuthorisationRequest.Status.ACTIVE:
        raise ApiError(errors.NO_KEYS_NOW, details=f"The request is {found.state.label}.")
    client = found.mandate.organisation
    try:
        with transaction.atomic():
            _connection, pair = services.create_connection(
                organisation=client,
                app=found.app,
                name=found.client_name[:60],
                access=Access.ALL,
                confirmed=True,
                by=owner,
                op_id=uuid.uuid5(found.uuid, "credentials"),
            )
            call.still_open()
    except AlreadyCreated as already:
        raise _no_keys(already, already.key_set) from None
    except AlreadyConnected as already:
        raise _no_keys(already, already.connection.key_sets.live().first()) from None
    except Refused as refused:
        raise _no_keys(refused, None) from None
    return Status(
        201,
        {
            "app": found.app.name,
            "organisation": client.organisation_id,
            "app_key": pair.app_key,
            "secret": pair.secret.reveal(),
        },
    )


def _owner(call) -> User:
    """The acting person; keys of a client's organisation ask nobody."""
    if call.connection.mandate:
        raise ApiError(errors.MAY_NOT_ASK)
    return call.connection.owner


def _may_ask(call) -> User:
    owner = _owner(call)
    if (
        not owner.may(Permission.SEND_REQUESTS)
        or not call.organisation.environment.may_send_requests
    ):
        raise ApiError(errors.MAY_NOT_ASK)
    return owner


def _request(owner, id):
    try:
        wanted = uuid.UUID(id)
    except ValueError:
        raise ApiError(errors.NO_SUCH_REQUEST) from None
    found = (
        AuthorisationRequest.objects.seen_by(owner)
        .select_related("app", "mandate__organisation")
        .filter(uuid=wanted)
        .first()
    )
    if found is None:
        raise ApiError(errors.NO_SUCH_REQUEST)
    return found


def _cleaned(body, op_id):
    """The request as the form of the portal reads it. Raises ApiError with every field that is wrong."""
    app = packages().filter(name__iexact=body.app).first() if "\0" not in body.app else None
    if app is None:
        raise wrong_input("app", "No Generic App has this name.")
    values = body.dict() | {
        "op_id": op_id,
        "app": app.pk,
        "pays": "accountant" if body.accountant_pays else "client",
        "functions": app.functions if body.functions is None else body.functions,
    }
    form = RequestForm(values, apps=packages())
    if not form.is_valid():
        details = [
            {"field": field, "message": str(message)}
            for field, messages in form.errors.items()
            for message in messages
        ]
        raise ApiError(errors.WRONG_INPUT, details=details)
    return form.cleaned_data


def _same(earlier, values):
    """The request that this Idempotency-Key sent; raises ApiError when it was another one."""
    asked = {
        "email": values["email"].lower(),
        "client_name": values["client_name"],
        "app_id": values["app"].pk,
        "accountant_pays": values["accountant_pays"],
        "note": values["note"],
    }
    number = earlier.mandate.registration_number
    if number != values["registration_number"] or any(
        getattr(earlier, name) != value for name, value in asked.items()
    ):
        raise ApiError(errors.IDEMPOTENCY_KEY_REUSED)
    return earlier


def _no_keys(refused, key_set):
    made = {"app_key": key_set.app_key} if key_set else {}
    return ApiError(errors.NO_KEYS_NOW, details=str(refused), **made)


def _out(sent):
    mandate = sent.mandate
    return {
        "id": sent.uuid,
        "client_name": sent.client_name,
        "email": sent.email,
        "country": mandate.country,
        "registration_number": mandate.registration_number,
        "organisation": mandate.organisation.organisation_id if mandate.is_active else None,
        "app": sent.app.name,
        "functions": [function.name for function in sent.asked],
        "accountant_pays": sent.accountant_pays,
        "status": sent.state,
        "created_at": sent.created_at,
        "expires_at": sent.expires_at,
        "closed_at": sent.closed_at,
    }
