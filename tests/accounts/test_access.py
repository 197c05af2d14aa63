"""The gates (R2, R3, R4): strangers 404, colleagues the checklist, members the page."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from accounts.roles import Role
from tests.factories import MembershipFactory, UserFactory

PAGES_OF_ADMINISTRATORS = ["users", "invite", "add-organisation", "activity"]
PAGES_OF_EVERYBODY = ["environment", "profile"]


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("name", PAGES_OF_ADMINISTRATORS + PAGES_OF_EVERYBODY)
def test_the_role_opens_the_pages_of_an_environment(browser_of, role, name):
    user = UserFactory(role=role)

    answer = browser_of(user).get(reverse(f"accounts:{name}"))

    allowed = role == Role.ADMINISTRATOR or name in PAGES_OF_EVERYBODY
    assert answer.status_code == (200 if allowed else 403)


@pytest.mark.parametrize("name", PAGES_OF_ADMINISTRATORS + PAGES_OF_EVERYBODY)
def test_who_is_not_signed_in_is_asked_to(client, name):
    url = reverse(f"accounts:{name}")

    assert client.get(url)["Location"] == f"{reverse('account_login')}?next={url}"


@pytest.mark.parametrize(
    ("name", "role", "status"),
    [
        ("organisation", Role.BASIC, 200),
        ("organisation", Role.ADVANCED, 200),
        ("organisation", Role.ADMINISTRATOR, 200),
        ("change-organisation", Role.BASIC, 403),
        ("change-organisation", Role.ADVANCED, 403),
        ("change-organisation", Role.ADMINISTRATOR, 200),
    ],
)
def test_a_member_enters_the_organisation_as_far_as_the_role_goes(
    browser_of, organisation, name, role, status
):
    user = MembershipFactory(organisation=organisation, user__role=role).user

    answer = browser_of(user).get(reverse(f"accounts:{name}", args=[organisation.organisation_id]))

    assert answer.status_code == status


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("name", ["organisation", "change-organisation"])
def test_a_stranger_hears_404(browser_of, organisation, name, method):
    stranger = browser_of(UserFactory(administrator=True))

    answer = getattr(stranger, method)(
        reverse(f"accounts:{name}", args=[organisation.organisation_id])
    )

    assert answer.status_code == 404


def test_a_membership_left_over_from_another_environment_opens_nothing(browser_of, organisation):
    stranger = UserFactory(administrator=True)
    MembershipFactory(organisation=organisation, user=stranger)

    assert browser_of(stranger).get(organisation.get_absolute_url()).status_code == 404


def test_a_colleague_reads_what_is_missing_and_who_can_give_it(
    browser_of, organisation, administrator, colleague
):
    answer = browser_of(colleague).get(organisation.get_absolute_url())

    page = answer.content.decode()
    assert answer.status_code == 403
    assert "No access to this page" in page
    assert f"You are not a member of {organisation.name}" in page
    assert administrator.email in page


def test_a_basic_user_reads_who_can_do_it_right_now(browser_of, organisation):
    asking = MembershipFactory(organisation=organisation).user
    for first_name, role in (("Ada", Role.ADVANCED), ("Bram", Role.ADMINISTRATOR)):
        user = UserFactory(
            environment=organisation.environment, role=role, first_name=first_name, last_name="B"
        )
        MembershipFactory(organisation=organisation, user=user)

    page = browser_of(asking).get(reverse("connections:new", args=[organisation.organisation_id]))

    assert "You cannot create, change and end connections yet." in page.text
    links = [f'<a href="mailto:{u.email}">{u}</a>' for u in User.objects.filter(last_name="B")]
    assert f"{links[0]} or {links[1]} can do it for you." in page.text


@pytest.mark.parametrize("values", [{"blocked": True}, {"invited": True}, {"role": Role.BASIC}])
def test_nobody_is_named_who_cannot_do_it(browser_of, organisation, values):
    asking = MembershipFactory(organisation=organisation).user
    other = UserFactory(**{"environment": organisation.environment, "advanced": True, **values})
    MembershipFactory(organisation=organisation, user=other)
    UserFactory(environment=organisation.environment, advanced=True)  # no member

    page = browser_of(asking).get(reverse("connections:new", args=[organisation.organisation_id]))

    assert "can do it for you" not in page.text


def test_the_checklist_takes_as_many_queries_whoever_is_named(browser_of, organisation):
    browser = browser_of(MembershipFactory(organisation=organisation).user)
    url = reverse("connections:new", args=[organisation.organisation_id])

    def queries():
        with CaptureQueriesContext(connection) as captured:
            browser.get(url)
        return len(captured)

    queries()
    MembershipFactory(organisation=organisation, user__administrator=True)
    one = queries()
    MembershipFactory.create_batch(2, organisation=organisation, user__administrator=True)

    assert queries() == one


def test_what_is_there_already_needs_nobody(browser_of, organisation, administrator):
    member = MembershipFactory(organisation=organisation).user

    answer = browser_of(member).get(
        reverse("accounts:change-organisation", args=[organisation.organisation_id])
    )

    assert [(line.ok, bool(line.how)) for line in answer.context["lines"]] == [
        (False, True),
        (True, False),
    ]


def test_an_administrator_who_is_no_member_is_shown_the_way_in(office, organisation, administrator):
    answer = office.get(organisation.get_absolute_url())

    assert answer.status_code == 403
    assert f"{administrator.get_absolute_url()}#organisations" in answer.content.decode()


def test_support_staff_have_no_environment_to_enter(browser_of):
    answer = browser_of(UserFactory(staff=True)).get(reverse("accounts:environment"))

    assert answer.status_code == 403
    assert reverse("admin:index") in answer.content.decode()


@pytest.mark.parametrize("organisation_id", ["KPNL9", "%00", "kpnl10001", "é" * 50, "1" * 500])
def test_an_organisation_that_cannot_be_is_404(office, organisation_id):
    assert office.get(f"/organisations/{organisation_id}/").status_code == 404
