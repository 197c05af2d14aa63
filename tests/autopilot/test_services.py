"""Switching Autopilot on (R22), and its signing secret."""

import uuid
from datetime import timedelta
from functools import partial

import pytest
import time_machine
from django.utils import timezone

from accounts.events.models import Event
from accounts.mail.models import Mail
from accounts.models import Environment, Plan
from connections import portfolio
from connections import services as connections
from connections.autopilot import pushing, refusals, services
from connections.autopilot.models import Autopilot, SigningSecret
from connections.autopilot.signing import sign
from connections.models import Connection, FurtherOrganisation
from partners.models import MandateApp
from tests.autopilot.conftest import switched_on
from tests.factories import AppFactory, MembershipFactory, connect, let_in

pytestmark = pytest.mark.django_db
URL = "https://books.example.com/invoices"


def new_secret(connection, member, **values):
    return services.new_signing_secret(
        connection=connection, by=member.user, **{"op_id": uuid.uuid4(), **values}
    )


def test_it_gets_nothing_but_fetching_received_invoices(member):
    connection, secret = switched_on(member, URL)

    assert connection.is_autopilot
    found = Connection.objects.for_list().get(pk=connection.pk)
    assert found.opened == {"GetInboxDocument"}
    assert not connection.key_sets.exists()
    assert secret.reveal().startswith("whsec_")


def test_switching_on_leaves_an_event_and_a_mail_and_the_secret_nowhere(member, settings):
    settings.EMAIL_BACKEND = "accounts.mail.backend.OutboxBackend"
    _connection, secret = switched_on(member, URL)

    event, mail = Event.objects.latest("pk"), Mail.objects.get(to=member.user.email)
    assert event.action == "connection.autopilot_on"
    assert "You switched on Autopilot" in mail.body
    core = secret.reveal().removeprefix("whsec_")
    assert core not in f"{mail.body} {event.details} {SigningSecret.objects.values()}"


def test_keys_to_the_same_administration_come_first(member):
    keys = connect(member.user, administration="Main")[0]
    shared = connect(member.user, app=AppFactory(), administration="MAIN")[0]

    with pytest.raises(refusals.KeysFirst) as refused:
        switched_on(member, URL, administration="main")

    assert [place.pk for place in refused.value.places] == [keys.pk, shared.pk]
    assert not Autopilot.objects.exists()


def test_what_the_software_says_of_its_administration_counts_too(member):
    keys = connect(member.user)[0]
    Connection.objects.filter(pk=keys.pk).update(reported="Main")

    switched_on(member, URL)
    with pytest.raises(refusals.KeysFirst):
        switched_on(member, URL, administration="Main")


def test_a_connection_of_another_organisation_that_is_used_here_counts_too(member):
    other = MembershipFactory(
        user=member.user, organisation__environment=member.organisation.environment
    )
    keys = connect(member.user, other.organisation)[0]
    place = FurtherOrganisation.objects.create(
        connection=keys, organisation=member.organisation, added_by=member.user
    )

    with pytest.raises(refusals.KeysFirst) as refused:
        switched_on(member, URL)

    assert refused.value.places == [place]


def test_once_they_are_revoked_it_can_be_switched_on(member):
    keys = connect(member.user)[0]
    connections.revoke(connection=keys, by=member.user)

    assert switched_on(member, URL)


def test_keys_to_another_administration_are_no_hindrance(member):
    connect(member.user, administration="Shop")

    assert switched_on(member, URL, administration="Main")


def test_a_second_autopilot_of_a_package_is_refused_and_one_of_another_asks_first(member):
    connection, _secret = switched_on(member, URL)

    with pytest.raises(connections.AlreadyConnected):
        switched_on(member, URL, app=connection.app)
    with pytest.raises(connections.ConfirmFirst):
        switched_on(member, URL)
    assert switched_on(member, URL, confirmed=True)


def test_keys_beside_autopilot_ask_first(member):
    connection, _secret = switched_on(member, URL)

    with pytest.raises(connections.ConfirmFirst):
        connect(member.user, confirmed=False)
    with pytest.raises(connections.AlreadyConnected):
        connect(member.user, app=connection.app)


@pytest.mark.parametrize("app", [{"autopilot_url": ""}, {"functions": ["SendDocument"]}])
def test_a_package_that_offers_none_is_refused(member, app):
    with pytest.raises(refusals.NoAutopilot):
        switched_on(member, URL, app=AppFactory(**{"autopilot_url": URL, **app}))


def test_without_the_integrations_service_it_is_refused(member):
    Environment.objects.update(plan=Plan.INVOICE_PORTAL)

    with pytest.raises(connections.IntegrationsOff):
        switched_on(member, URL)


def test_whoever_may_not_fetch_invoices_cannot_have_them_pushed(member):
    type(member).objects.update(accesses=["SendDocument"])

    with pytest.raises(refusals.MayNotReceive):
        switched_on(member, URL)


def test_a_stranger_cannot(member):
    stranger = MembershipFactory(user__administrator=True).user

    with pytest.raises(connections.OutOfReach):
        switched_on(member, URL, by=stranger)


def test_a_member_without_the_role_cannot(member):
    basic = MembershipFactory(organisation=member.organisation).user

    with pytest.raises((connections.CannotOwn, refusals.MayNotReceive)):
        switched_on(member, URL, by=basic)


def test_an_accountant_switches_it_on_under_the_mandate(member):
    mandate = let_in(client=member)
    accountant = MembershipFactory(
        organisation=member.organisation,
        user__environment=mandate.accountant,
        user__advanced=True,
    ).user

    connection, _secret = switched_on(member, URL, by=accountant)

    assert connection.mandate == mandate
    assert MandateApp.objects.filter(mandate=mandate, app=connection.app).exists()


def test_the_same_form_switches_on_once(member):
    op_id = uuid.uuid4()
    connection, _secret = switched_on(member, URL, op_id=op_id)

    with pytest.raises(refusals.SecretShown) as refused:
        switched_on(member, URL, op_id=op_id, app=connection.app)

    assert refused.value.made.connection == connection


def test_for_a_day_both_secrets_sign(member, package, arrive):
    connection, old = switched_on(member, package.url)
    new = new_secret(connection, member)
    arrive("1")
    pushing.push_next()
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        arrive("2")
        pushing.push_next()

    def signatures(secrets, headers, body):
        at = int(headers["webhook-timestamp"])
        return " ".join(
            sign(secret, id=headers["webhook-id"], timestamp=at, body=body) for secret in secrets
        )

    first, second = package.got
    assert first[0]["webhook-signature"] == signatures([new, old], *first)
    assert second[0]["webhook-signature"] == signatures([new], *second)


def test_the_secret_survives_a_new_server_key(member, settings):
    from portal.server_keys import Peppers

    connection, secret = switched_on(member, URL)
    keys = settings.SIGNING_KEYS
    settings.SIGNING_KEYS = Peppers(2, {**keys.keys, 2: b"n" * 32})

    assert connection.signing_secrets.get().reveal().reveal() == secret.reveal()
    assert new_secret(connection, member).reveal() != secret.reveal()
    assert sorted(connection.signing_secrets.values_list("key", flat=True)) == [1, 2]


def test_a_new_secret_is_made_once_by_a_form_and_not_for_keys_or_what_has_ended(member):
    connection, _secret = switched_on(member, URL)
    op_id = uuid.uuid4()
    new_secret(connection, member, op_id=op_id)
    with pytest.raises(refusals.SecretShown):
        new_secret(connection, member, op_id=op_id)
    with pytest.raises(refusals.WithKeys):
        new_secret(connect(member.user, administration="B")[0], member)
    connections.revoke(connection=connection, by=member.user)
    with pytest.raises(connections.Ended):
        new_secret(connection, member)


def test_taken_over_it_goes_on_with_the_same_secret(member, package, arrive):
    connection, _secret = switched_on(member, package.url)
    other = MembershipFactory(organisation=member.organisation, user__administrator=True).user

    assert connections.take_over(connection=connection, by=other, op_id=uuid.uuid4()) is None
    arrive("1")
    pushing.push_next()

    assert package.numbers == ["1"]


def test_the_portfolio_of_the_accountant_knows_it(member, package, arrive):
    mandate = let_in(client=member)
    accountant = MembershipFactory(
        organisation=member.organisation, user__environment=mandate.accountant, user__advanced=True
    ).user
    connection, _secret = switched_on(member, package.url, by=accountant)

    def word():
        return portfolio.cells(mandate=mandate, app=connection.app).get()

    assert word().word == portfolio.Word.NEVER_USED
    arrive("1")
    pushing.push_next()
    assert word().word == portfolio.Word.HEALTHY
    assert word().last_used_at
    Autopilot.objects.update(failing_since=timezone.now() - timedelta(days=15))
    assert word().word == portfolio.Word.SILENT


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (connections.pause, "Nothing is pushed until somebody resumes it."),
        (connections.revoke, "Nothing is pushed any more."),
        (partial(connections.take_over, op_id=uuid.uuid4()), "Its signing secret stays the same"),
    ],
)
def test_mails_about_it_speak_of_no_keys(member, settings, change, words):
    settings.EMAIL_BACKEND = "accounts.mail.backend.OutboxBackend"
    connection, _secret = switched_on(member, URL)
    other = MembershipFactory(organisation=member.organisation, user__administrator=True).user

    change(connection=connection, by=other)

    body = Mail.objects.filter(to=member.user.email).latest("pk").body
    assert words in body
    assert "keys" not in body
