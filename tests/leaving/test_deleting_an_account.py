"""Somebody deletes the own account: what happens to keys is shown first, and nobody is left behind."""

import uuid

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import services
from accounts.events.models import Action, Event
from accounts.events.services import chain_waiting
from accounts.events.verifying import verdicts
from accounts.mail.models import Mail
from accounts.models import Environment, User
from accounts.refusals import LastAdministratorLeaves, RemovedMeanwhile
from connections.models import Connection
from connections.services import take_over
from partners import services as partners
from partners.models import AuthorisationRequest
from tests.factories import PASSWORD, MembershipFactory, UserFactory, ask, connect, let_in
from tests.partners.test_races import ROUNDS, race
from tests.software import Software

DELETE = reverse("accounts:delete-account")


@pytest.fixture
def leaver(member):
    """An advanced user beside the administrator, in the same organisation."""
    return MembershipFactory(
        organisation=member.organisation,
        user__advanced=True,
        user__with_login=True,
        user__first_name="Piet",
        user__last_name="Jansen",
    ).user


@pytest.fixture
def visitor(browser_of, leaver):
    return browser_of(leaver)


def delete(visitor):
    """What the person does: look, then delete what was shown."""
    return visitor.post(DELETE, {"shown": visitor.get(DELETE).context["shown"]})


def test_the_person_is_gone_and_signed_out_everywhere(visitor, browser_of, leaver):
    elsewhere = browser_of(leaver)

    assert delete(visitor).url == reverse("account_login")
    assert "Your account is deleted." in visitor.get(reverse("account_login")).content.decode()

    leaver.refresh_from_db()
    assert (leaver.status, str(leaver)) == (User.Status.REMOVED, "Former user")
    assert (leaver.first_name, leaver.last_name, leaver.last_login) == ("", "", None)
    assert not leaver.has_usable_password()
    assert not leaver.memberships.exists()
    assert not EmailAddress.objects.filter(user=leaver).exists()
    for browser in (visitor, elsewhere):
        assert browser.get(reverse("accounts:profile")).status_code == 302


def test_the_keys_that_stop_are_shown_first_with_who_can_take_them_over(visitor, leaver, member):
    connection, pair = connect(leaver, name="Bookkeeping")

    page = visitor.get(DELETE).content.decode()
    unseen = visitor.post(DELETE, {"shown": "something else"})

    assert "1 key is affected:" in page
    assert member.user.email in page
    assert "Nothing is changed yet." in unseen.content.decode()
    assert Software(pair, connection.organisation).me().status_code == 200
    delete(visitor)
    assert Software(pair, connection.organisation).me().status_code == 403
    connection = Connection.objects.for_list().get()
    assert connection.status == Connection.Status.SUSPENDED
    pair = take_over(connection=connection, by=member.user, op_id=uuid.uuid4())
    assert Software(pair, connection.organisation).me().status_code == 200


def test_nobody_who_could_take_over_is_said_too(visitor, leaver, member):
    connect(leaver)
    member.delete()

    assert "Nobody else can take them over" in visitor.get(DELETE).content.decode()


def test_the_person_and_the_administrators_get_a_mail(visitor, leaver, member):
    delete(visitor)

    subjects = dict(Mail.objects.values_list("to", "subject"))
    assert subjects[leaver.email] == "Your account is deleted"
    assert subjects[member.user.email].startswith("Piet Jansen has left")


def test_the_log_forgets_the_name_and_still_holds(visitor, leaver, settings, tmp_path):
    settings.PORTAL_DATA = tmp_path
    services.change_profile(user=leaver, last_name="Janssen")
    chain_waiting()

    delete(visitor)
    chain_waiting()

    lines = Event.objects.filter(actor=leaver)
    assert {event.who for event in lines} == {"Former user"}
    assert set(lines.values_list("action", flat=True)) == {"user.profile_changed", "user.deleted"}
    assert {verdict.fault for verdict in verdicts()} == {""}


def test_the_address_is_free_for_somebody_new(visitor, leaver):
    delete(visitor)

    Client().post(
        reverse("account_signup"),
        {
            "environment": "Bakkerij Jansen",
            "first_name": "Piet",
            "last_name": "Jansen",
            "email": leaver.email,
            "password1": PASSWORD,
            "password2": PASSWORD,
        },
    )

    assert User.objects.get(email=leaver.email).pk != leaver.pk


def test_a_sign_in_of_yesterday_does_not_do(leaver):
    visitor = Client()
    visitor.force_login(leaver)

    for answer in (visitor.get(DELETE), visitor.post(DELETE)):
        assert answer.url.startswith(reverse("account_reauthenticate"))
    leaver.refresh_from_db()
    assert leaver.removed_at is None


def test_the_second_of_two_clicks_changes_nothing(visitor, leaver):
    delete(visitor)
    lines = Event.objects.count()

    assert visitor.post(DELETE).url.startswith(reverse("account_login"))
    with pytest.raises(RemovedMeanwhile):
        services.delete_account(user=leaver)
    assert Event.objects.count() == lines


@pytest.mark.parametrize("left", ["colleague", "invited", "organisation", "client"])
def test_the_last_administrator_stays_while_anybody_or_anything_is_left(left, browser_of):
    boss = UserFactory(administrator=True, environment__accountant=True)
    if left in ("colleague", "invited"):
        UserFactory(advanced=True, invited=left == "invited", environment=boss.environment)
    elif left == "organisation":
        MembershipFactory(user=boss, organisation__environment=boss.environment)
    else:
        ask(boss)
    visitor = browser_of(boss)

    pages = [visitor.get(DELETE), visitor.post(DELETE, {"shown": ""})]

    assert [page.status_code for page in pages] == [200, 409]
    for page in pages:
        assert "You are the last administrator" in page.content.decode()
        assert reverse("accounts:users") in page.content.decode()
        assert reverse("accounts:close-environment") in page.content.decode()
    boss.refresh_from_db()
    assert boss.removed_at is None


def test_who_is_alone_goes_and_the_empty_environment_is_closed(browser_of):
    boss = UserFactory(administrator=True)
    environment = boss.environment

    delete(browser_of(boss))

    environment.refresh_from_db()
    assert environment.closed_at
    assert not environment.users.exists()


def test_a_request_to_the_person_goes_on_and_one_that_is_over_forgets_the_address(member):
    leaver = UserFactory(administrator=True, with_login=True, environment=member.user.environment)
    waiting, over = ask(email=leaver.email, client=member), let_in(client=member).requests.get()
    over.__class__.objects.filter(pk=over.pk).update(email=leaver.email)

    services.delete_account(user=leaver)

    waiting.refresh_from_db()
    over.refresh_from_db()
    assert (waiting.is_pending, waiting.email, over.email) == (True, leaver.email, "")


def test_who_takes_a_name_empties_no_line_about_its_owner(member, asker):
    """Neither of colleagues, who bore it before, nor in the logs of strangers."""
    mandate = let_in(asker, member)
    partners.remove_person(mandate=mandate, user=asker, by=member.user)
    thief = UserFactory(environment=member.user.environment)
    stranger = UserFactory(administrator=True, first_name="Joris", last_name=asker.last_name)
    services.change_profile(user=thief, first_name="Joris", last_name=asker.last_name)
    lines = Event.objects.filter(action=Action.CLIENT_PERSON_REMOVED)

    services.delete_account(user=thief)
    services.delete_account(user=stranger)

    assert {tuple(line.details["removed"]) for line in lines} == {(str(asker),)}


def test_an_address_that_is_not_proved_is_nobodys_to_forget(member, asker):
    request = ask(asker, member)
    request.__class__.objects.filter(pk=request.pk).update(
        status=AuthorisationRequest.Status.DECLINED,
        closed_at=timezone.now(),
        client=member.user.environment,
        answered_by=member.user,
    )
    spy = UserFactory(administrator=True, with_login=True)
    EmailAddress.objects.create(user=spy, email=member.user.email, verified=False)
    mails = Mail.objects.filter(to=member.user.email).count()

    services.delete_account(user=spy)

    request.refresh_from_db()
    assert request.email == member.user.email
    assert Mail.objects.filter(to=member.user.email).count() == mails > 0


def test_support_staff_have_no_account_to_delete_here(browser_of):
    assert browser_of(UserFactory(staff=True)).post(DELETE).status_code == 403


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_two_administrators_who_leave_at_the_same_instant_one_stays():
    for _round in range(ROUNDS):
        one = UserFactory(administrator=True)
        other = UserFactory(administrator=True, environment=one.environment)
        UserFactory(environment=one.environment)

        ends = race(
            lambda one=one: services.delete_account(user=one),
            lambda other=other: services.delete_account(user=other),
        )

        assert sorted(str(type(end).__name__) for end in ends) == [
            LastAdministratorLeaves.__name__,
            "NoneType",
        ]
        assert User.objects.administrators_of(one.environment).count() == 1
        assert Environment.objects.get(pk=one.environment_id).closed_at is None
