"""Support blocks an environment: its people read why and nothing else, and all goes on afterwards."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts import blocking, services
from accounts.access import Gate
from accounts.events.models import Action, Event
from accounts.mail.models import Mail
from accounts.models import Organisation, User
from accounts.refusals import BlockedAlready, EnvironmentBlocked, NotBlocked
from accounts.roles import Role
from connections import services as connections
from partners import services as partners
from tests.accounts.test_admin import desk as desk
from tests.factories import PASSWORD, MembershipFactory, UserFactory, ask, connect, let_in
from tests.partners.conftest import asker as asker
from tests.partners.conftest import boss as boss
from tests.partners.conftest import browser_of as browser_of
from tests.partners.conftest import member as member
from tests.test_architecture import OUR_VIEWS, logged_in, names, our_house

REASON = "We could not reach you about an invoice that was sent to you by mistake."


@pytest.fixture
def environment(member):
    return member.user.environment


@pytest.fixture
def support():
    return UserFactory(staff=True)


@pytest.fixture
def blocked(environment, support):
    """The environment of `member`, which support has blocked."""
    return block(environment, support)


def block(environment, by=None):
    blocking.block(environment=environment, reason=REASON, by=by or UserFactory(staff=True))
    environment.refresh_from_db()
    return environment


# The gates


CLOSED = [
    name
    for name in names("environment", "organisation")
    if not getattr(OUR_VIEWS[name][0], "gate", Gate("")).while_blocked
]


def test_only_what_is_about_the_person_stays_open():
    open_pages = {*names("environment", "organisation")} - {*CLOSED}

    assert open_pages == {"accounts:delete-account"}
    assert all(OUR_VIEWS[name][0].gate.while_blocked for name in names("personal", "public"))


def test_every_other_page_says_why_and_does_nothing_by_any_method():
    house = our_house()
    block(house.member.environment)
    visitor = logged_in(User.objects.get(pk=house.member.pk))
    events = Event.objects.count()

    for name in CLOSED:
        for method in ("get", "post", "put", "delete"):
            answer = getattr(visitor, method)(house.address(name))
            said = name, method, answer.status_code
            assert said == (name, method, 403)
            assert REASON in answer.content.decode()
    assert Event.objects.count() == events


def test_the_page_says_since_when_why_and_whom_to_ask(browser_of, blocked, member, settings):
    settings.PORTAL_SUPPORT_EMAIL = "help@koppel.example"
    MembershipFactory(organisation=member.organisation, user__administrator=True)

    answer = browser_of(member.user).get("/")
    page = answer.content.decode()

    assert answer.status_code == 403
    assert f"{blocked.name} is blocked" in page
    assert REASON in page
    assert "ask help@koppel.example" in page
    assert [item.url for item in answer.context["frame"].menu] == ["/"]
    assert member.organisation.name not in page


def test_a_block_ends_every_session_and_signing_in_works(member):
    user = UserFactory(with_login=True, advanced=True, environment=member.user.environment)
    inside = logged_in(user)

    block(member.user.environment)

    assert inside.get(reverse("accounts:profile")).status_code == 302
    answer = Client().post(
        reverse("account_login"), {"login": user.email, "password": PASSWORD}, follow=True
    )
    assert answer.redirect_chain[-1][0] == "/"
    assert REASON in answer.content.decode()


def test_people_keep_their_data_their_notices_and_their_login(browser_of, blocked, member):
    visitor = browser_of(member.user)
    notice = member.user.notices.latest("pk")

    pages = ["accounts:profile", "accounts:mails", "accounts:notices", "account_change_password"]

    assert {visitor.get(reverse(name)).status_code for name in pages} == {200}
    assert visitor.get(notice.get_absolute_url()).status_code == 200
    assert visitor.post(reverse("accounts:download-data")).headers["Content-Type"] == (
        "application/zip"
    )


def test_people_can_delete_their_account(browser_of, blocked, member):
    user = MembershipFactory(organisation=member.organisation, user__advanced=True).user

    answer = browser_of(user).post(reverse("accounts:delete-account"))

    assert answer.url == reverse("account_login")
    assert User.objects.get(pk=user.pk).removed_at


def test_the_last_administrator_is_sent_to_support_instead_of_to_closed_pages(
    browser_of, blocked, member
):
    answer = browser_of(member.user).post(reverse("accounts:delete-account"))

    assert answer.status_code == 409
    assert f"Support has blocked {blocked.name}" in answer.content.decode()


def test_nobody_is_invited_and_an_invitation_waits(member, support, environment):
    invited = UserFactory(invited=True, environment=environment)
    link = reverse("accounts:invitation", args=[services.invitation_token(invited)])
    block(environment, support)

    with pytest.raises(EnvironmentBlocked):
        services.invite(
            environment=environment,
            email="new@example.org",
            role=Role.BASIC,
            organisations=[],
            by=member.user,
        )
    with pytest.raises(EnvironmentBlocked):
        services.resend_invitation(user=invited, by=member.user)
    assert Client().get(link).status_code == 403

    blocking.unblock(environment=environment, by=support)
    assert Client().get(link).status_code == 200


def test_a_service_that_was_called_before_the_block_finds_nothing_in_reach(blocked, member):
    assert not Organisation.objects.reachable_by(member.user).exists()
    with pytest.raises(connections.OutOfReach):
        connections.entered(member.organisation, member.user)


# Events and mails


def test_both_sides_of_a_partnership_see_it_and_only_its_own_people_why(asker, member, support):
    let_in(asker, member)
    other = MembershipFactory(user__administrator=True).user.environment

    block(asker.environment, support)
    blocking.unblock(environment=asker.environment, by=support)

    for action, details in (
        (Action.ENVIRONMENT_BLOCKED, {"reason": REASON}),
        (Action.ENVIRONMENT_UNBLOCKED, {}),
    ):
        lines = Event.objects.filter(action=action)
        assert dict(lines.values_list("environment", "details")) == {
            asker.environment_id: details,
            member.user.environment_id: {},
        }
        assert set(lines.values_list("actor", flat=True)) == {support.pk}
    assert not Event.objects.filter(environment=other).exists()


def test_a_client_that_is_blocked_stands_in_the_log_of_its_accountant(asker, member, support):
    let_in(asker, member)

    block(member.user.environment, support)

    line = Event.objects.get(environment=asker.environment, action=Action.ENVIRONMENT_BLOCKED)
    assert (line.subject_name, line.details) == (member.user.environment.name, {})


def told(template):
    """Whom the mails of this kind told, each with the names of the keys in it."""
    found = User.objects.filter(notices__template=template)
    return {user: user.notices.get(template=template).text for user in found}


def test_each_person_reads_which_keys_stop_and_partners_do_not_read_why(
    asker, boss, member, support
):
    let_in(asker, member)
    connect(asker, member.organisation, name="Of the accountant")
    connect(member.user, name="Of the client")
    colleague = UserFactory(advanced=True, environment=member.user.environment)
    Mail.objects.all().delete()

    block(asker.environment, support)

    heard = told("environment_blocked")
    assert set(heard) == {asker, boss, member.user}
    assert colleague not in heard
    assert {user for user, text in heard.items() if "Of the accountant" in text} == set(heard)
    assert not any("Of the client" in text for text in heard.values())
    assert {user for user, text in heard.items() if REASON in text} == {asker, boss}
    assert set(Mail.objects.values_list("to", flat=True)) == {user.email for user in heard}

    blocking.unblock(environment=asker.environment, by=support)

    again = told("environment_unblocked")
    assert set(again) == set(heard)
    assert all("Of the accountant" in text for text in again.values())


def test_administrators_without_keys_read_it_too(blocked, member):
    assert set(told("environment_blocked")) == {member.user}


def test_twice_is_refused_with_a_sentence(environment, support):
    with pytest.raises(NotBlocked, match="is not blocked"):
        blocking.unblock(environment=environment, by=support)
    block(environment, support)
    with pytest.raises(BlockedAlready, match="blocked already"):
        block(environment, support)

    assert Event.objects.filter(action=Action.ENVIRONMENT_BLOCKED).count() == 1


def test_what_stops_is_told_before_and_changes_nothing(environment, member):
    connection, _pair = connect(member.user)

    stops = blocking.stops(environment)

    assert [(loss.of, loss.stops) for loss in stops] == [(connection, True)]
    environment.refresh_from_db()
    assert not environment.is_blocked
    assert not Event.objects.filter(action=Action.ENVIRONMENT_BLOCKED).exists()


# The desk of support


def page_at_desk(name, environment):
    return reverse(f"admin:{name}", args=[environment.pk])


def test_support_reads_what_stops_then_blocks_and_unblocks(desk, environment, member):
    connect(member.user, name="Shop")
    there = page_at_desk("environment", environment)
    assert page_at_desk("block_environment", environment) in desk.get(there).content.decode()

    question = desk.get(page_at_desk("block_environment", environment)).content.decode()
    answer = desk.post(page_at_desk("block_environment", environment), {"reason": f"  {REASON} "})

    assert "1 key stops at once" in question
    assert "Shop" in question
    assert answer.url == there
    environment.refresh_from_db()
    assert (environment.is_blocked, environment.blocked_because) == (True, REASON)
    page = desk.get(there).content.decode()
    assert REASON in page
    assert page_at_desk("unblock_environment", environment) in page
    desk.post(page_at_desk("unblock_environment", environment))
    environment.refresh_from_db()
    assert environment.is_blocked
    desk.post(page_at_desk("unblock_environment", environment), {"confirmed": "yes"})
    environment.refresh_from_db()
    assert (environment.is_blocked, environment.blocked_because) == (False, "")


@pytest.mark.parametrize("reason", ["", "   ", "x" * 301, "a\0b"])
def test_a_reason_is_needed_and_is_short(desk, environment, reason):
    answer = desk.post(page_at_desk("block_environment", environment), {"reason": reason})

    assert (answer.status_code, bool(answer.context["form"].errors)) == (422, True)
    environment.refresh_from_db()
    assert not environment.is_blocked


def test_a_second_click_hears_that_it_is_done(desk, environment):
    values = {"reason": REASON, "confirmed": "yes"}
    for name in ("block", "block", "unblock", "unblock"):
        answer = desk.post(page_at_desk(f"{name}_environment", environment), values, follow=True)
        assert answer.status_code == 200

    said = [str(message) for message in answer.context["messages"]]
    assert said == [f"{environment} is not blocked: somebody has unblocked it already."]


def test_the_form_itself_changes_no_block(desk, environment):
    values = {"name": environment.name, "plan": "basic", "blocked_at_0": "2026-01-01"}

    desk.post(
        page_at_desk("accounts_environment_change", environment),
        {**values, "blocked_at_1": "10:00"},
    )

    environment.refresh_from_db()
    assert not environment.is_blocked


@pytest.mark.parametrize("name", ["block_environment", "unblock_environment"])
def test_only_support_comes_to_these_pages(browser_of, environment, member, name):
    staff = UserFactory(staff=True)
    staff.is_superuser = False
    staff.save()
    people = [member.user, staff]

    for user in people:
        answer = browser_of(user).post(page_at_desk(name, environment), {"reason": REASON})
        assert answer.status_code in {302, 403}
    environment.refresh_from_db()
    assert not environment.is_blocked


def test_an_environment_that_is_not_there_is_404(desk):
    assert desk.get("/admin/environments/999999999999999999999/block/").status_code == 404


# Requests


def test_a_request_of_a_blocked_client_waits_for_its_answer(asker, member, support):
    asked = ask(asker, member)
    block(member.user.environment, support)

    for answer in (
        lambda: partners.accept(request=asked, functions=asked.functions, by=member.user),
        lambda: partners.decline(request=asked, by=member.user),
    ):
        with pytest.raises(EnvironmentBlocked):
            answer()
    blocking.unblock(environment=member.user.environment, by=support)
    assert partners.accept(request=asked, functions=asked.functions, by=member.user).is_active
