"""The least that is valid; variations are traits."""

import uuid

import factory
from allauth.account.models import EmailAddress
from django.utils import timezone

from accounts.integrations import TERMS
from accounts.models import ElectronicAddress, Environment, Membership, Organisation, User
from accounts.roles import Role
from connections.functions import FUNCTIONS
from connections.models import Access, App
from connections.services import create_connection
from partners import services as partners

PASSWORD = "a long sentence to remember"


def _who_activated():
    """Somebody of long ago, so that an environment with the Integrations service needs no people."""
    email = "activated@example.com"
    return User.objects.filter(email=email).first() or UserFactory(email=email, environment=None)


class EnvironmentFactory(factory.django.DjangoModelFactory):
    """An environment with the Integrations service, unless `without_integrations`."""

    class Meta:
        model = Environment

    class Params:
        accountant = factory.Trait(accountant_right=True)
        without_integrations = factory.Trait(
            integrations_terms="", integrations_at=None, integrations_by=None
        )

    integrations_terms = TERMS
    integrations_at = factory.LazyFunction(timezone.now)
    integrations_by = factory.LazyFunction(_who_activated)

    name = factory.Sequence(lambda n: f"Company {n}")


class EmailAddressFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = EmailAddress

    email = factory.SelfAttribute("user.email")
    verified = primary = True


class UserFactory(factory.django.DjangoModelFactory):
    """A person who has joined; `with_login` can sign in on the sign-in page with PASSWORD."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    class Params:
        advanced = factory.Trait(role=Role.ADVANCED)
        administrator = factory.Trait(role=Role.ADMINISTRATOR)
        invited = factory.Trait(joined_at=None, first_name="", last_name="")
        blocked = factory.Trait(is_active=False, blocked_at=factory.LazyFunction(timezone.now))
        staff = factory.Trait(is_staff=True, is_superuser=True, environment=None)
        with_login = factory.Trait(
            password=factory.django.Password(PASSWORD),
            address=factory.RelatedFactory(EmailAddressFactory, "user"),
        )

    email = factory.Sequence(lambda n: f"person{n}@example.com")
    first_name = "Sanne"
    last_name = factory.Sequence(lambda n: f"de Wit {'ABCDEFGHIJ'[n % 10]}")
    environment = factory.SubFactory(EnvironmentFactory)
    joined_at = factory.LazyFunction(timezone.now)


class OrganisationFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Organisation

    environment = factory.SubFactory(EnvironmentFactory)
    name = factory.Sequence(lambda n: f"Organisation {n}")
    registration_number = factory.Sequence(lambda n: f"{n:08}")


def organisation_at(address, **values):
    """An organisation that invoices reach at this electronic address."""
    organisation = OrganisationFactory(**values)
    ElectronicAddress.objects.create(organisation=organisation, value=address)
    return organisation


class MembershipFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Membership

    organisation = factory.SubFactory(OrganisationFactory)
    user = factory.SubFactory(
        UserFactory, environment=factory.SelfAttribute("..organisation.environment")
    )


class AppFactory(factory.django.DjangoModelFactory):
    """A Generic App that asks for everything; with an `environment`, an Own App."""

    class Meta:
        model = App

    name = factory.Sequence(lambda n: f"Package {n}")
    functions = factory.LazyFunction(lambda: list(FUNCTIONS))


def connect(owner=None, organisation=None, app=None, **values):
    """A connection with its first keys, made the only way there is: `(connection, pair)`."""
    if owner is None:
        organisation = organisation or OrganisationFactory()
        owner = MembershipFactory(organisation=organisation, user__advanced=True).user
    return create_connection(
        organisation=organisation or owner.memberships.first().organisation,
        app=app or AppFactory(),
        by=owner,
        op_id=uuid.uuid4(),
        **{"name": "Bookkeeping", "access": Access.ALL, "confirmed": True, **values},
    )


def ask(asker=None, client=None, app=None, **values):
    """An authorisation request to `client`, the member of an organisation, asked for all of `app`."""
    asker = asker or UserFactory(advanced=True, environment__accountant=True)
    client = client or MembershipFactory(user__administrator=True)
    app = app or AppFactory()
    return partners.ask(
        by=asker,
        **{
            "client_name": client.organisation.name,
            "email": client.user.email,
            "country": client.organisation.country,
            "registration_number": client.organisation.registration_number,
            "app": app,
            "accountant_pays": True,
            "functions": app.functions,
            "language": "en",
            "op_id": uuid.uuid4(),
            **values,
        },
    )


def let_in(asker=None, client=None, functions=None, **values):
    """The mandate that comes of an accepted request; with `functions`, of fewer than were asked."""
    client = client or MembershipFactory(user__administrator=True)
    request = ask(asker, client, **values)
    partners.accept(request=request, functions=functions or request.functions, by=client.user)
    request.mandate.refresh_from_db()
    return request.mandate
