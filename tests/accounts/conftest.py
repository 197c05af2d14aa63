import pytest
from django.test import Client

from tests.factories import EnvironmentFactory, OrganisationFactory, UserFactory


@pytest.fixture(autouse=True)
def _database(db, settings):
    """Every test here looks at rows; mails are rows too, though Django's tests would keep them in memory."""
    settings.EMAIL_BACKEND = "accounts.mail.backend.OutboxBackend"


@pytest.fixture
def environment():
    return EnvironmentFactory(name="Bakery Jansen")


@pytest.fixture
def organisation(environment):
    return OrganisationFactory(environment=environment)


@pytest.fixture
def administrator(environment):
    return UserFactory(administrator=True, environment=environment)


@pytest.fixture
def colleague(environment):
    return UserFactory(environment=environment, first_name="Piet", last_name="Jansen")


@pytest.fixture
def browser_of():
    """A browser in which this person is signed in."""

    def signed_in(user):
        client = Client()
        client.force_login(user)
        return client

    return signed_in


@pytest.fixture
def office(browser_of, administrator):
    """The browser of the administrator."""
    return browser_of(administrator)
