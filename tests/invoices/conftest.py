"""A seller and a buyer: `seller` and `buyer` are connections, `selling` and `buying` have the keys too."""

import pytest

from tests.factories import connect, organisation_at
from tests.software import Software

SUPPLIER, CUSTOMER = "0088:7300010000001", "0192:987654325"


@pytest.fixture
def selling():
    return connect(organisation=organisation_at(SUPPLIER, registration_number="71234561"))


@pytest.fixture
def buying():
    return connect(organisation=organisation_at(CUSTOMER))


@pytest.fixture
def seller(selling):
    return selling[0]


@pytest.fixture
def buyer(buying):
    return buying[0]


@pytest.fixture
def sellers_software(selling):
    return Software(selling[1], selling[0].organisation)


@pytest.fixture
def buyers_software(buying):
    return Software(buying[1], buying[0].organisation)
