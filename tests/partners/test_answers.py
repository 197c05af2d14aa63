"""The link in the mail, the consent, and the answer: the client's side (R31, R32, R33)."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import services as accounts
from accounts.events.models import Action, Event
from accounts.mail.models import Mail
from accounts.models import Membership, User
from accounts.roles import Role
from partners import refusals, services
from partners.models import AuthorisationRequest, Partnership
from tests.accounts.test_sign_up import newest_code
from tests.factories import (
    PASSWORD,
    AppFactory,
    MembershipFactory,
    OrganisationFactory,
    UserFactory,
    ask,
    let_in,
)
from tests.partners.conftest import newest_link

Status = AuthorisationRequest.Status


def url(name, request):
    return reverse(f"partners:{name}", args=[request.uuid])


def accept(request, by, functions=None):
    return services.accept(request=request, functions=functions or request.functions, by=by)


# The link


@pytest.mark.parametrize("token", ["x", "x" * 43, "é", "%00", "a%ED%A0%80"])
def test_a_link_that_was_never_sent_is_404(client, asked, token):
    assert client.get(f"/authorisations/link/{token}/").status_code == 404


def test_who_is_not_signed_in_is_led_to_the_login_and_the_sign_up_and_back(client, asked):
    link = newest_link()

    answer = client.get(link)

    assert answer.status_code == 200
    assert asked.accountant.name in answer.text
    for way in ("log_in", "sign_up"):
        there = client.get(answer.context[way])
        assert there.status_code == 200
        assert f'name="next" value="{link}"' in there.text
    assert f'value="{asked.email}"' in there.text


def test_the_invited_person_is_led_to_the_consent(browser_of, asked, member):
    assert browser_of(member.user).get(newest_link())["Location"] == url("consent", asked)


def test_colleagues_of_the_invited_person_are_led_there_too(browser_of, asked, member):
    colleague = UserFactory(environment=member.user.environment)

    answer = browser_of(colleague).get(newest_link(), follow=True)

    assert (answer.status_code, answer.context["may_answer"]) == (200, False)


def test_somebody_else_reads_for_whom_the_link_is(browser_of, asked, asker):
    for person in (asker, UserFactory(administrator=True), UserFactory(staff=True)):
        answer = browser_of(person).get(newest_link())

        assert answer.status_code == 403
        assert asked.email in answer.text


def withdrawn(asked, member):
    services.withdraw(request=asked, by=asked.asked_by)


def replaced(asked, member):
    link = newest_link()
    ask(asked.asked_by, member, app=asked.app, replace=True)
    return link


def accepted(asked, member):
    accept(asked, member.user)


def declined(asked, member):
    services.decline(request=asked, by=member.user)


def expired(asked, member):
    AuthorisationRequest.objects.update(expires_at=timezone.now() - timedelta(days=1))


def expired_and_closed(asked, member):
    expired(asked, member)
    services.expire_due()


ENDS = {
    withdrawn: "withdrew the request",
    replaced: "replaced the request by a newer one",
    accepted: "was accepted",
    declined: "was declined",
    expired: "expired on",
    expired_and_closed: "expired on",
}


@pytest.mark.parametrize("end", ENDS)
def test_a_dead_link_says_what_happened(client, asked, member, end):
    link = end(asked, member) or newest_link()

    answer = client.get(link)

    assert answer.status_code == 410
    assert ENDS[end] in answer.text


@pytest.mark.parametrize("end", ENDS)
def test_a_dead_request_is_neither_accepted_nor_declined(asked, member, end):
    end(asked, member)
    before = Partnership.objects.count()

    for answer in (accept, lambda request, by: services.decline(request=request, by=by)):
        with pytest.raises(refusals.NotPending):
            answer(asked, member.user)

    assert Partnership.objects.count() == before


def test_looking_at_the_link_changes_nothing(client, browser_of, asked, member):
    for browser in (client, browser_of(member.user)):
        browser.get(newest_link(), follow=True)

    asked.refresh_from_db()
    assert (asked.status, Membership.objects.count()) == ("pending", 1)


def test_a_newcomer_comes_from_the_link_to_an_active_partnership(asker):
    """The whole way: sign-up, code, organisation, consent."""
    asked = ask(asker, email="noor@example.org", registration_number="12345678")
    browser = Client()
    sign_up = browser.get(newest_link()).context["sign_up"]
    form = browser.get(sign_up).context["form"]
    person = {"environment": "Bakery Jansen", "first_name": "Noor", "last_name": "Jansen"}
    passwords = {"password1": PASSWORD, "password2": PASSWORD}
    to = {"email": form["email"].value(), "next": newest_link()}
    browser.post(sign_up, {**person, **passwords, **to})

    landed = browser.post(
        reverse("account_email_verification_sent"), {"code": newest_code()}, follow=True
    )
    assert landed.request["PATH_INFO"] == url("consent", asked)
    assert landed.context["organisation"] is None
    browser.post(url("add-organisation", asked), {"name": "Bakery Jansen"})
    answer = browser.post(url("accept", asked), {"functions": asked.functions}, follow=True)

    assert answer.status_code == 200
    mandate = asked.mandate.__class__.objects.get()
    assert (mandate.is_active, mandate.organisation.registration_number) == (True, "12345678")
    assert mandate.organisation.environment.name == "Bakery Jansen"
    assert asker.memberships.get().organisation == mandate.organisation


def test_a_known_person_comes_from_the_link_over_the_login_to_the_consent(asker):
    member = MembershipFactory(user__with_login=True, user__administrator=True)
    asked = ask(asker, member)
    browser = Client()

    log_in = browser.get(newest_link()).context["log_in"]
    landed = browser.post(
        log_in,
        {"login": member.user.email, "password": PASSWORD, "next": newest_link()},
        follow=True,
    )

    assert landed.request["PATH_INFO"] == url("consent", asked)


# Who may answer


@pytest.mark.parametrize(
    ("invited", "role", "member_too", "refusal"),
    [
        (True, Role.BASIC, True, refusals.RoleTooLow),
        (True, Role.ADVANCED, True, None),
        (True, Role.ADMINISTRATOR, True, None),
        (True, Role.ADMINISTRATOR, False, refusals.NotYourOrganisation),
        (False, Role.BASIC, True, refusals.NotAddressed),
        (False, Role.ADVANCED, True, refusals.NotAddressed),
        (False, Role.ADMINISTRATOR, True, None),
        (False, Role.ADMINISTRATOR, False, refusals.NotYourOrganisation),
    ],
)
@pytest.mark.parametrize("by_page", [False, True])
def test_who_may_accept(browser_of, asked, member, invited, role, member_too, refusal, by_page):
    user = member.user if invited else UserFactory(environment=member.user.environment)
    User.objects.filter(pk=user.pk).update(role=role)
    user.refresh_from_db()
    Membership.objects.filter(user=user).delete()
    if member_too:
        MembershipFactory(organisation=member.organisation, user=user)

    if by_page:
        ticks = {"functions": asked.functions}
        status = browser_of(user).post(url("accept", asked), ticks).status_code
        assert status == (302 if not refusal else 403 if role == Role.BASIC else 409)
    elif refusal:
        with pytest.raises(refusal):
            accept(asked, user)
    else:
        accept(asked, user)

    asked.refresh_from_db()
    assert asked.status == ("pending" if refusal else "active")
    assert Partnership.objects.count() == (0 if refusal else 1)


def test_a_stranger_can_neither_see_nor_answer(browser_of, asked, asker):
    for stranger in (MembershipFactory(user__administrator=True).user, asker):
        browser = browser_of(stranger)

        assert browser.get(url("consent", asked)).status_code == 404
        assert browser.post(url("accept", asked)).status_code == 404
        assert browser.post(url("decline", asked)).status_code == 404
        with pytest.raises(refusals.Refused):
            accept(asked, stranger)


def test_one_address_in_another_environment_is_no_way_in(asked, member):
    """The address was removed from the client and belongs to a newcomer somewhere else now."""
    address = member.user.email
    User.objects.filter(pk=member.user.pk).update(email="left@example.org")
    newcomer = UserFactory(administrator=True, email=address)

    with pytest.raises(refusals.NotYourOrganisation):
        accept(asked, newcomer)


def test_the_administrators_are_told_once_of_what_a_basic_user_may_not_answer(browser_of, asker):
    administrator = UserFactory(administrator=True)
    invited = MembershipFactory(
        organisation__environment=administrator.environment, user__role=Role.BASIC
    )
    asked = ask(asker, invited)
    Mail.objects.all().delete()

    for _look in range(2):
        answer = browser_of(invited.user).get(url("consent", asked))

    assert (answer.status_code, answer.context["may_answer"]) == (200, False)
    assert url("accept", asked) not in answer.text
    assert [mail.to for mail in Mail.objects.all()] == [administrator.email]
    assert Event.objects.filter(action=Action.REQUEST_PASSED_ON).count() == 1


def test_the_look_of_somebody_who_is_not_addressed_tells_nobody(browser_of, asked, member):
    UserFactory(administrator=True, environment=member.user.environment)
    Mail.objects.all().delete()

    for role in Role:
        colleague = UserFactory(role=role, environment=member.user.environment)
        assert browser_of(colleague).get(url("consent", asked)).status_code == 200

    assert not Mail.objects.exists()


def test_inviting_the_address_of_somebody_else_is_no_way_in(browser_of, asker):
    """Whoever may invite could otherwise answer for a stranger who never joined."""
    thief = MembershipFactory(user__administrator=True)
    asked = ask(asker, thief, email="director@example.org")
    accounts.invite(
        environment=thief.user.environment,
        email=asked.email,
        role=Role.ADMINISTRATOR,
        organisations=[],
        by=thief.user,
    )

    assert browser_of(thief.user).get(url("consent", asked)).status_code == 404
    with pytest.raises(refusals.NotAddressed):
        accept(asked, thief.user)
    with pytest.raises(refusals.NotAddressed):
        services.decline(request=asked, by=thief.user)


# The organisation


def test_without_the_organisation_nothing_is_accepted(asker, member):
    asked = ask(asker, member, registration_number="12345678")

    with pytest.raises(refusals.NotYourOrganisation):
        accept(asked, member.user)


def test_the_organisation_of_somebody_else_lets_nobody_in(asker, member):
    other = OrganisationFactory()
    asked = ask(asker, member, registration_number=other.registration_number)

    with pytest.raises(refusals.NotYourOrganisation):
        accept(asked, member.user)

    assert not Membership.objects.filter(organisation=other).exists()


def test_the_organisation_is_added_under_the_number_of_the_request(browser_of, asker, member):
    asked = ask(asker, member, registration_number="12345678")

    answer = browser_of(member.user).post(
        url("add-organisation", asked),
        {"name": "New", "registration_number": "87654321", "country": "BE"},
    )

    assert answer["Location"] == url("consent", asked)
    added = member.user.memberships.latest("pk").organisation
    assert (added.registration_number, added.country) == ("12345678", "NL")


def test_a_number_that_somebody_else_has_says_so_and_keeps_the_name(browser_of, asker, member):
    other = OrganisationFactory()
    asked = ask(asker, member, registration_number=other.registration_number)

    answer = browser_of(member.user).post(url("add-organisation", asked), {"name": "Mine & co"})

    assert answer.status_code == 409
    assert 'value="Mine &amp; co"' in answer.text


# What is allowed


@pytest.mark.parametrize(
    ("ticked", "allowed"),
    [
        (["SendDocument", "GetInboxDocument"], ["SendDocument", "GetInboxDocument"]),
        (["GetInboxDocument"], ["GetInboxDocument"]),
        (["SendDocument", "GetOutboxDocument", "anything"], ["SendDocument"]),
        (["GetOutboxDocument"], None),
        ([], None),
    ],
)
def test_nothing_is_allowed_that_was_not_asked_and_ticked(asker, member, ticked, allowed):
    app = AppFactory(functions=["SendDocument", "GetInboxDocument", "GetOutboxDocument"])
    asked = ask(asker, member, app, functions=["SendDocument", "GetInboxDocument"])

    if allowed is None:
        with pytest.raises(refusals.NothingAllowed):
            services.accept(request=asked, functions=ticked, by=member.user)
    else:
        services.accept(request=asked, functions=ticked, by=member.user)

    asked.mandate.refresh_from_db()
    assert asked.mandate.functions == (allowed or [])


@pytest.mark.parametrize("ticked", [["GetOutboxDocument"], ["x"], ["SendDocument", "x"]])
def test_a_tampered_consent_is_refused_by_the_page(browser_of, asker, member, ticked):
    asked = ask(asker, member, AppFactory(functions=["SendDocument"]))

    answer = browser_of(member.user).post(url("accept", asked), {"functions": ticked})

    asked.refresh_from_db()
    assert (answer.status_code, asked.status) == (422, "pending")


def test_nothing_ticked_says_so(browser_of, asked, member):
    answer = browser_of(member.user).post(url("accept", asked))

    assert answer.status_code == 409
    assert str(refusals.NothingAllowed()) in answer.text


def test_what_was_allowed_before_stays(asker, member):
    mandate = let_in(asker, member, app=AppFactory(functions=["SendDocument"]))
    more = ask(asker, member, AppFactory(functions=["GetInboxDocument", "GetInboxDocuments"]))

    accept(more, member.user, ["GetInboxDocument"])

    mandate.refresh_from_db()
    assert mandate.functions == ["SendDocument", "GetInboxDocument"]
    assert Partnership.objects.count() == 1


# The answer


def test_accepting_makes_the_partnership_active_and_the_asker_a_member(asked, asker, member):
    partnership = accept(asked, member.user)

    asked.refresh_from_db()
    assert (asked.status, asked.answered_by, asked.client) == (
        "active",
        member.user,
        member.user.environment,
    )
    assert partnership.is_active
    assert asker.memberships.get().organisation == member.organisation
    assert asked.mandate.__class__.objects.active().get().organisation == member.organisation


def test_accepting_twice_is_once(browser_of, asked, member):
    ticks = {"functions": asked.functions}
    browser = browser_of(member.user)

    answers = [browser.post(url("accept", asked), ticks).status_code for _click in range(2)]

    assert answers == [302, 409]
    assert Partnership.objects.count() == 1
    assert Event.objects.filter(action=Action.PARTNERSHIP_STARTED).count() == 2  # one each side


def test_declining_tells_the_asker_and_lets_nobody_in(browser_of, asked, asker, member):
    Mail.objects.all().delete()
    browser = browser_of(member.user)

    answers = [browser.post(url("decline", asked)).status_code for _click in range(2)]

    asked.refresh_from_db()
    assert answers == [302, 409]
    assert (asked.status, asked.answered_by) == ("declined", member.user)
    assert [mail.to for mail in Mail.objects.all()] == [asker.email]
    assert not asker.memberships.exists()


def test_a_blocked_accountant_is_not_let_in(asked, asker, member):
    asker.environment.blocked_at = timezone.now()
    asker.environment.save()

    with pytest.raises(refusals.AccountantBlocked):
        accept(asked, member.user)

    assert not asker.memberships.exists()


@pytest.mark.parametrize("left", ["removed", "blocked"])
def test_an_asker_who_has_left_becomes_no_member_and_administrators_hear_of_it(
    asked, asker, boss, member, left
):
    getattr(accounts, {"removed": "remove", "blocked": "block"}[left])(user=asker, by=boss)
    asked = AuthorisationRequest.objects.get(pk=asked.pk)
    Mail.objects.all().delete()

    accept(asked, member.user)

    assert not Membership.objects.filter(user=asker, organisation=member.organisation).exists()
    assert Mail.objects.filter(to=boss.email).count() == 1


def test_after_three_weeks_nothing_is_accepted_though_the_job_has_not_run(asked, member):
    much_later = time_machine.travel(timezone.now() + timedelta(days=21, minutes=1))

    with much_later, pytest.raises(refusals.NotPending):
        accept(asked, member.user)
