"""An administrator closes the environment: all that ends is shown first, ends at once, and stays ended."""

import re
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import closing, services
from accounts.closing import purge_closed
from accounts.events.models import Action, Event
from accounts.events.services import chain_waiting
from accounts.events.verifying import verdicts
from accounts.mail.models import Mail
from accounts.models import Environment, Organisation, User
from accounts.refusals import ChangedMeanwhile, ClosedMeanwhile, NothingToOpen
from connections.invoices import services as invoices
from connections.models import Connection
from partners import services as partners
from partners.models import AuthorisationRequest, Batch, Mandate, Partnership
from portal.management.commands import work
from tests.accounts.test_admin import desk as desk
from tests.factories import (
    PASSWORD,
    MembershipFactory,
    UserFactory,
    ask,
    connect,
    let_in,
    organisation_at,
)
from tests.invoices.conftest import CUSTOMER
from tests.invoices.documents import invoice
from tests.partners.test_races import ROUNDS, race
from tests.software import Software

CLOSE = reverse("accounts:close-environment")
Status = AuthorisationRequest.Status


@pytest.fixture
def environment(member):
    return member.user.environment


@pytest.fixture
def visitor(browser_of, member):
    return browser_of(member.user)


def close(environment):
    """As the administrator who has seen what ends."""
    by = User.objects.administrators_of(environment).earliest("pk")
    closing.close(environment=environment, seen=closing.fingerprint(environment), by=by)
    environment.refresh_from_db()


def code_of(pair, organisation):
    return Software(pair, organisation).me().status_code


def test_what_ends_is_shown_first_and_the_name_has_to_be_typed(visitor, member, asker):
    connection, pair = connect(member.user, name="Bookkeeping")
    mandate = let_in(asker, member)
    page = visitor.get(CLOSE)
    shown, text = page.context["shown"], re.sub(r"\s+", " ", page.content.decode())

    wrong = visitor.post(CLOSE, {"name": "another", "shown": shown})

    for said in ("1 connection is revoked", "1 partnership ends", "1 person can no longer sign in"):
        assert said in text
    assert mandate.accountant.name in text
    assert (wrong.status_code, wrong.context["form"]["name"].value()) == (422, "another")
    assert code_of(pair, connection.organisation) == 200
    name = {"name": f" {member.user.environment} ", "shown": shown}
    assert visitor.post(CLOSE, name).url == reverse("account_login")
    assert code_of(pair, connection.organisation) == 401


def test_what_changed_since_it_was_shown_is_shown_again(visitor, member, environment):
    shown = visitor.get(CLOSE).context["shown"]
    connect(member.user)

    answer = visitor.post(CLOSE, {"name": environment.name, "shown": shown})

    assert (answer.status_code, "1 connection is revoked" in answer.content.decode()) == (409, True)
    environment.refresh_from_db()
    assert environment.closed_at is None


def test_nobody_signs_in_any_more_and_every_session_ends(browser_of, environment, member):
    person = UserFactory(advanced=True, with_login=True, environment=environment)
    invited = UserFactory(invited=True, environment=environment)
    link = reverse("accounts:invitation", args=[services.invitation_token(invited)])
    inside = browser_of(person)

    close(environment)

    assert inside.get(reverse("accounts:profile")).status_code == 302
    answer = Client().post(
        reverse("account_login"), {"login": person.email, "password": PASSWORD}, follow=True
    )
    assert answer.redirect_chain[-1][0] == reverse("account_inactive")
    assert Client().get(link).status_code == 410


def test_a_client_that_closes_ends_the_partnership_and_the_keys_made_through_it(
    environment, member, asker, boss
):
    let_in(asker, member)
    connection, pair = connect(asker, member.organisation)
    Mail.objects.all().delete()

    close(environment)

    assert code_of(pair, connection.organisation) == 401
    assert not Partnership.objects.active().exists()
    told = set(Mail.objects.filter(subject__contains="partnership").values_list("to", flat=True))
    assert told == {asker.email, boss.email}
    assert Mail.objects.get(to=member.user.email).subject == f"{environment} is closed"


def test_an_accountancy_that_closes_leaves_the_keys_of_its_clients_alone(boss, asker, member):
    waiting = ask(asker)
    let_in(asker, member)
    theirs, own = connect(asker, member.organisation), connect(member.user)

    close(boss.environment)

    assert code_of(theirs[1], member.organisation) == 401
    assert code_of(own[1], member.organisation) == 200
    waiting.refresh_from_db()
    assert waiting.status == Status.WITHDRAWN
    assert not member.organisation.memberships.filter(user=asker).exists()


def test_no_further_request_goes_out(boss, asker, environment, member):
    close(boss.environment)

    with pytest.raises(partners.Refused):
        ask(User.objects.get(pk=asker.pk), member)


def test_invoices_no_longer_reach_it_and_those_that_are_there_stay(browser_of):
    receiver = organisation_at(CUSTOMER)
    boss = UserFactory(administrator=True, environment=receiver.environment)
    seller, pair = connect(organisation=organisation_at("0088:7300010000001"))
    software = Software(pair, seller.organisation)

    def parties():
        query, headers = {"q": receiver.name}, {"Authorization": software.authorization}
        return software.client.get("/api/v1/parties", query, headers=headers).json()["items"]

    assert parties()
    invoices.send(xml=invoice(number="1", company=""), through=seller)

    close(boss.environment)
    invoices.send(xml=invoice(number="2", company=""), through=seller)

    outbox = dict(seller.organisation.outbox.values_list("number", "receiver"))
    assert outbox == {"1": receiver.pk, "2": None}
    assert not parties()


def test_strangers_and_lower_roles_cannot_close_anything(browser_of, environment, member):
    colleague = UserFactory(advanced=True, environment=environment)
    stranger = UserFactory(administrator=True)
    typed = {"name": environment.name, "shown": closing.fingerprint(environment)}

    assert browser_of(colleague).post(CLOSE, typed).status_code == 403
    assert browser_of(stranger).post(CLOSE, typed).status_code == 422
    assert not Environment.objects.filter(closed_at__isnull=False).exists()


def test_a_sign_in_of_yesterday_does_not_do(member, environment):
    visitor = Client()
    visitor.force_login(member.user)
    typed = {"name": environment.name, "shown": closing.fingerprint(environment)}

    assert visitor.post(CLOSE, typed).url.startswith(reverse("account_reauthenticate"))
    environment.refresh_from_db()
    assert environment.closed_at is None


def test_the_second_of_two_clicks_changes_nothing(environment, member):
    seen = closing.fingerprint(environment)
    close(environment)

    with pytest.raises(ClosedMeanwhile):
        closing.close(environment=environment, seen=seen, by=member.user)
    assert Event.objects.filter(action=Action.ENVIRONMENT_CLOSED).count() == 1


def test_support_lets_the_people_in_again_but_no_key_comes_back(desk, environment, member):
    blocked = UserFactory(blocked=True, environment=environment)
    connection, pair = connect(member.user)
    close(environment)

    desk.post(
        reverse("admin:accounts_environment_changelist"),
        {"action": "open_again", "_selected_action": [environment.pk]},
    )

    environment.refresh_from_db()
    assert environment.closed_at is None
    standing = dict(environment.users.values_list("pk", "is_active"))
    assert standing == {member.user.pk: True, blocked.pk: False}
    assert code_of(pair, connection.organisation) == 401
    assert Mail.objects.latest("pk").to == member.user.email


def test_after_30_days_its_people_are_forgotten_and_its_numbers_are_free(
    environment, member, settings, tmp_path
):
    settings.PORTAL_DATA = tmp_path
    organisation, number = member.organisation, member.organisation.registration_number
    close(environment)
    assert purge_closed() == 0
    Environment.objects.update(closed_at=timezone.now() - timedelta(days=30))

    assert purge_closed in work.NOW_AND_THEN
    assert purge_closed() == 2  # a person and the environment

    person = User.objects.get(pk=member.user.pk)
    assert (str(person), person.environment) == ("Former user", None)
    assert not Organisation.objects.filter(registration_number=number).exists()
    assert not organisation.addresses.exists()
    chain_waiting()
    assert {verdict.fault for verdict in verdicts()} == {""}
    assert purge_closed() == 0
    with pytest.raises(NothingToOpen):
        closing.reopen(environment=environment, by=UserFactory(staff=True))


def test_an_accountancy_that_is_purged_leaves_no_addresses_of_clients(boss, asker, member):
    let_in(asker, member)
    batch = Batch.objects.create(environment=boss.environment, by=asker, file_name="clients.csv")
    batch.lines.create(number=1, values={"email": member.user.email}, state="ready")
    close(boss.environment)
    Environment.objects.update(closed_at=timezone.now() - timedelta(days=30))

    purge_closed()

    assert not Batch.objects.exists()
    assert set(Mandate.objects.values_list("email", flat=True)) == {""}
    assert set(AuthorisationRequest.objects.values_list("email", flat=True)) == {""}


def test_what_is_open_or_empty_cannot_be_opened(environment, desk):
    answer = desk.post(
        reverse("admin:accounts_environment_changelist"),
        {"action": "open_again", "_selected_action": [environment.pk]},
        follow=True,
    )

    assert "cannot be opened again" in answer.content.decode()


def test_the_page_costs_the_same_for_one_key_and_for_three(visitor, member):
    def cost():
        with CaptureQueriesContext(database) as queries:
            visitor.get(CLOSE)
        return len(queries)

    connect(member.user)
    cost()  # the session is new
    one = cost()
    connect(member.user)
    connect(member.user)
    UserFactory(environment=member.user.environment)

    assert cost() == one


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_request_accepted_at_the_instant_of_closing_leaves_no_partnership():
    for _round in range(ROUNDS):
        boss = UserFactory(administrator=True, environment__accountant=True)
        client = MembershipFactory(user__administrator=True)
        asked = ask(boss, client)

        def answer(asked=asked, client=client):
            partners.accept(request=asked, functions=asked.functions, by=client.user)

        def end(boss=boss):
            environment = boss.environment
            seen = closing.fingerprint(environment)
            closing.close(environment=environment, seen=seen, by=boss)

        _answered, closed = race(answer, end)

        assert closed is None or isinstance(closed, ChangedMeanwhile)
        active = Partnership.objects.active().of(boss.environment)
        assert active.exists() == (closed is not None)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_partners_that_close_at_the_same_instant_both_close():
    for _round in range(ROUNDS):
        one = MembershipFactory(
            user__administrator=True, organisation__environment__accountant=True
        )
        other = MembershipFactory(
            user__administrator=True, organisation__environment__accountant=True
        )
        for accountant, client in ((one, other), (other, one)):
            let_in(accountant.user, client)
            connect(accountant.user, client.organisation)

        def end(place):
            environment = place.user.environment
            with suppress(ChangedMeanwhile, ClosedMeanwhile):
                seen = closing.fingerprint(environment)
                closing.close(environment=environment, seen=seen, by=place.user)

        race(lambda one=one: end(one), lambda other=other: end(other))
        end(one)
        end(other)

        assert not Environment.objects.filter(
            pk__in=[one.user.environment_id, other.user.environment_id], closed_at=None
        ).exists()
        assert not Connection.objects.live().exists()
        assert not Partnership.objects.active().exists()
