"""What support does for the operator's own API: functions of the catalogue, and gateways (R46).

Every service is one transaction with its event; `by` is the acting member of support.
"""

from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts.events.models import Action
from accounts.events.services import record
from connections import keys
from connections.models import AddedFunction, Gateway


@transaction.atomic
def add_function(function: AddedFunction, *, by) -> None:
    """Add a function to the catalogue, checked by its form; apps can ask for it at once."""
    function.save()
    record(Action.FUNCTION_ADDED, by=by, subject=function, environment=None, scope=function.scope)


@sensitive_variables("pair")
@transaction.atomic
def create_gateway(gateway: Gateway, *, by) -> keys.KeyPair:
    """Make a gateway, which has only its name yet, with its credential; of the Secret a digest is kept."""
    pair = keys.make_pair(keys.GATEWAY_PREFIX)
    gateway.client_id, gateway.created_by = pair.app_key, by
    for name, value in gateway.hashed(pair.secret).items():
        setattr(gateway, name, value)
    gateway.save()
    record(
        Action.GATEWAY_CREATED,
        by=by,
        subject=gateway,
        environment=None,
        client_id=gateway.client_id,
    )
    return pair


@transaction.atomic
def end_gateway(gateway: Gateway, *, by) -> None:
    """End the credential of a gateway at once and for ever; twice is once."""
    live = Gateway.objects.filter(pk=gateway.pk, ended_at__isnull=True)
    if live.update(ended_at=timezone.now(), ended_by=by):
        record(Action.GATEWAY_ENDED, by=by, subject=gateway, environment=None)
