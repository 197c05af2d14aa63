"""Many clients for trials at size: whole rows at once, under every constraint, without events and mails."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from accounts.models import Environment, Membership, Organisation, Plan, User
from accounts.roles import Role
from connections import keys
from connections.models import App, Connection, KeySet
from partners.models import AuthorisationRequest, Mandate, MandateApp, Partnership
from partners.services.requests import LIFE

PACKAGES = ["Yuki", "Twinfield", "Basecone"]
AT_ONCE = 1000
Status = AuthorisationRequest.Status
# How the three packages of a client are, one client after the other.
STATES = [Status.ACTIVE, Status.PENDING, Status.ACTIVE, Status.DECLINED]
# How long ago the software called last; None is never.
CALLED = [timedelta(hours=3), timedelta(days=30), None]


@transaction.atomic
def grow(accountant: User, size: int) -> None:
    """Give `accountant` that many more client organisations, each with three packages in some state."""
    apps = [App.objects.get(name=name, environment=None) for name in PACKAGES]
    last = Organisation.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    for start in range(last + 1, last + 1 + size, AT_ONCE):
        _add(accountant, apps, range(start, min(start + AT_ONCE, last + 1 + size)))


def _add(accountant, apps, numbers):
    now = timezone.now()
    names = [f"Client {number:06}" for number in numbers]
    addresses = [f"client{number}@clients.example" for number in numbers]
    environments = Environment.objects.bulk_create(
        Environment(name=name, plan=Plan.INVOICE_PORTAL) for name in names
    )
    organisations = Organisation.objects.bulk_create(
        Organisation(
            environment=environment,
            name=environment.name,
            registration_number=f"{10_000_000 + number}",
        )
        for number, environment in zip(numbers, environments, strict=True)
    )
    for organisation in organisations:
        organisation.organisation_id = f"KPNL{10_000 + organisation.pk}"
    Organisation.objects.bulk_update(organisations, ["organisation_id"])
    clients = User.objects.bulk_create(
        User(
            email=email,
            first_name="Client",
            last_name="Client",
            environment=environment,
            role=Role.ADMINISTRATOR,
            joined_at=now,
            password=make_password(None),
        )
        for email, environment in zip(addresses, environments, strict=True)
    )
    partnerships = Partnership.objects.bulk_create(
        Partnership(accountant=accountant.environment, client=environment)
        for environment in environments
    )
    mandates = Mandate.objects.bulk_create(
        Mandate(
            accountant=accountant.environment,
            name=organisation.name,
            email=client.email,
            registration_number=organisation.registration_number,
            partnership=partnership,
            organisation=organisation,
            functions=apps[0].functions,
            accountant_pays=True,
            given_at=now,
        )
        for organisation, client, partnership in zip(
            organisations, clients, partnerships, strict=True
        )
    )
    Membership.objects.bulk_create(
        Membership(user=user, organisation=organisation)
        for organisation, client in zip(organisations, clients, strict=True)
        for user in (client, accountant)
    )
    requests = AuthorisationRequest.objects.bulk_create(
        _request(accountant, mandate, client, app, STATES[(mandate.pk + place) % len(STATES)], now)
        for mandate, client in zip(mandates, clients, strict=True)
        for place, app in enumerate(apps)
    )
    MandateApp.objects.bulk_create(
        MandateApp(mandate=request.mandate, app=request.app, request=request)
        for request in requests
    )
    _connect(accountant, mandates, apps[0], now)


def _request(accountant, mandate, client, app, status, now):
    answered = {}
    if status != Status.PENDING:
        answered = {"closed_at": now, "client": client.environment, "answered_by": client}
    return AuthorisationRequest(
        op_id=uuid.uuid4(),
        accountant=accountant.environment,
        mandate=mandate,
        app=app,
        asked_by=accountant,
        client_name=mandate.name,
        email=client.email,
        language="en",
        accountant_pays=True,
        functions=app.functions,
        status=status,
        expires_at=now + LIFE,
        **answered,
    )


def _connect(accountant, mandates, app, now):
    """A connection with keys, whose Secret nobody gets, for three clients of four."""
    connections = Connection.objects.bulk_create(
        Connection(
            organisation=mandate.organisation,
            number=1,
            app=app,
            name="Bookkeeping",
            owner=accountant,
            mandate=mandate,
            created_by=accountant,
        )
        for mandate in mandates
        if mandate.pk % 4
    )
    key_sets, pepper = [], settings.PEPPERS.get(settings.PEPPERS.current)
    for connection in connections:
        pair, called = keys.make_pair(), CALLED[connection.pk % len(CALLED)]
        used = now - called if called else None
        key_sets.append(
            KeySet(
                connection=connection,
                version=1,
                app_key=pair.app_key,
                pepper=settings.PEPPERS.current,
                secret_digest=keys.digest(
                    pair.secret.reveal(),
                    pepper=pepper,
                    app_key=pair.app_key,
                    connection=connection.uuid.hex,
                    version=1,
                ),
                leak_tag=keys.leak_tag(pair.secret.reveal(), pepper=pepper),
                op_id=uuid.uuid4(),
                created_by=accountant,
                first_used_at=used,
                last_used_at=used,
            )
        )
    KeySet.objects.bulk_create(key_sets)
