import uuid

import pytest

from connections.autopilot import pushing, services
from connections.functions import FUNCTIONS
from connections.invoices import services as invoices
from tests.autopilot.package import Package
from tests.factories import AppFactory, MembershipFactory, connect, organisation_at
from tests.invoices.documents import invoice


@pytest.fixture
def allow(settings):
    """Let Autopilot call a host of this machine."""
    settings.AUTOPILOT_PRIVATE = []
    return settings.AUTOPILOT_PRIVATE.append


@pytest.fixture
def package(allow):
    with Package() as package:
        allow(package.host)
        yield package


@pytest.fixture(autouse=True)
def _nothing_under_way():
    assert not pushing._in_flight
    yield
    while pushing._in_flight:
        pushing._in_flight.popitem()[0].result()


@pytest.fixture
def member(db):
    organisation = organisation_at("0192:987654325")
    return MembershipFactory(
        organisation=organisation, user__administrator=True, user__with_login=True
    )


@pytest.fixture
def autopilot(member, package):
    """A connection of `member` that pushes to `package`."""
    return switched_on(member, package.url)[0]


@pytest.fixture
def sender(db):
    return connect(organisation=organisation_at("0088:7300010000001"))[0]


@pytest.fixture
def arrive(sender):
    """Have invoices of these numbers arrive at the organisation of `member`."""

    def send(*numbers, customer="0192:987654325"):
        return [
            invoices.send(
                xml=invoice(number=number, customer=customer, company=""), through=sender
            )[0]
            for number in numbers
        ]

    return send


def switched_on(member, url, **values):
    app = AppFactory(autopilot_url=url, functions=list(FUNCTIONS))
    return services.switch_on(
        **{
            "organisation": member.organisation,
            "app": app,
            "name": "Autopilot",
            "by": member.user,
            "op_id": uuid.uuid4(),
            **values,
        }
    )
