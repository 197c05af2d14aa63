"""What administrators do with the people of their environment (R1, R2)."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import services
from accounts.events.models import Action, Event
from accounts.mail.models import Mail
from accounts.models import User
from accounts.roles import Role
from tests.factories import EnvironmentFactory, MembershipFactory, OrganisationFactory, UserFactory

ACTIONS = ["user", "user-role", "user-organisations", "user-block", "user-unblock"]
ACTIONS += ["user-resend", "user-remove"]


def url(name, user):
    return reverse(f"accounts:{name}", args=[user.pk])


def is_signed_in(browser):
    return browser.get(reverse("accounts:profile")).status_code == 200


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize("method", ["get", "post"])
def test_users_of_other_environments_are_404(office, name, method):
    answer = getattr(office, method)(url(name, UserFactory()))

    assert answer.status_code == (405 if (name, method) in NOT_ALLOWED else 404)


NOT_ALLOWED = {("user", "post"), *((name, "get") for name in ACTIONS[1:-1])}


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize("role", [Role.BASIC, Role.ADVANCED])
def test_only_administrators_change_people(browser_of, colleague, environment, name, role):
    browser = browser_of(UserFactory(environment=environment, role=role))

    assert browser.post(url(name, colleague), {"role": Role.ADMINISTRATOR}).status_code == 403
    assert User.objects.get(pk=colleague.pk).role == Role.BASIC


def test_a_change_of_role_ends_the_sessions_of_that_user_at_once(office, browser_of, colleague):
    browser = browser_of(colleague)
    assert is_signed_in(browser)

    office.post(url("user-role", colleague), {"role": Role.ADVANCED})

    assert not is_signed_in(browser)
    assert User.objects.get(pk=colleague.pk).role == Role.ADVANCED
    assert is_signed_in(office)


def test_who_changes_a_role_reads_that_the_person_is_signed_out(office, colleague):
    page = office.post(url("user-role", colleague), {"role": Role.ADVANCED}, follow=True).text

    assert "The role is changed and Piet Jansen is signed out everywhere." in page
    assert "you see first which keys would stop" in page


def test_a_change_of_role_is_mailed_and_noted(office, administrator, colleague):
    office.post(url("user-role", colleague), {"role": Role.ADVANCED})

    event = Event.objects.get(action=Action.USER_ROLE_CHANGED)
    assert (event.actor, event.subject_ref) == (administrator, str(colleague.pk))
    assert event.details_in_words == "Basic user → Advanced user"
    assert "Advanced user" in Mail.objects.get(to=colleague.email).body


def test_the_same_role_again_changes_nothing(office, browser_of, colleague):
    browser = browser_of(colleague)

    office.post(url("user-role", colleague), {"role": Role.BASIC})

    assert is_signed_in(browser)
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    ("name", "data"),
    [("user-role", {"role": Role.BASIC}), ("user-block", {}), ("user-remove", {})],
)
def test_the_last_administrator_stays(office, administrator, environment, name, data):
    UserFactory(environment=environment, administrator=True, blocked=True)
    UserFactory(environment=environment, administrator=True, invited=True)

    answer = office.post(url(name, administrator), data)

    assert answer.status_code == 409
    assert "This is the last administrator." in answer.content.decode()
    assert is_signed_in(office)
    assert User.objects.get(pk=administrator.pk).is_administrator


def test_of_two_administrators_who_lower_each_other_one_stays(environment, administrator):
    other = UserFactory(environment=environment, administrator=True)

    services.change_role(user=other, role=Role.BASIC, by=administrator)

    with pytest.raises(services.LastAdministrator):
        services.change_role(user=administrator, role=Role.BASIC, by=other)


def test_an_administrator_may_step_down_when_there_is_another(office, administrator, environment):
    UserFactory(environment=environment, administrator=True)

    office.post(url("user-role", administrator), {"role": Role.BASIC})

    assert User.objects.get(pk=administrator.pk).role == Role.BASIC
    assert not is_signed_in(office)


def test_a_tampered_role_is_refused_and_changes_nothing(office, colleague):
    answer = office.post(url("user-role", colleague), {"role": "owner"})

    assert answer.status_code == 422
    assert User.objects.get(pk=colleague.pk).role == Role.BASIC


def test_who_is_blocked_is_out_until_unblocked(office, browser_of, colleague):
    browser = browser_of(colleague)

    office.post(url("user-block", colleague))
    assert not is_signed_in(browser)
    assert User.objects.get(pk=colleague.pk).status == User.Status.BLOCKED

    office.post(url("user-unblock", colleague))
    assert User.objects.get(pk=colleague.pk).status == User.Status.ACTIVE


def test_who_is_removed_leaves_only_the_name_in_the_log(
    office, browser_of, organisation, environment
):
    member = MembershipFactory(organisation=organisation).user
    browser, address, name = browser_of(member), member.email, member.get_full_name()

    answer = office.post(url("user-remove", member))

    left = User.objects.get(pk=member.pk)
    assert answer["Location"] == reverse("accounts:users")
    assert not is_signed_in(browser)
    assert (left.status, left.environment, left.memberships.count()) == ("removed", None, 0)
    assert Event.objects.get(action=Action.USER_REMOVED).subject_name == name
    assert services.invite(
        environment=environment, email=address, role=Role.BASIC, organisations=[], by=member
    )


def test_removing_says_what_stops_and_what_stays(office, colleague):
    page = office.get(url("user-remove", colleague)).content.decode()

    assert "What stops, at once" in page
    assert "What stays" in page
    assert User.objects.get(pk=colleague.pk).status == User.Status.ACTIVE


def test_ticked_organisations_are_exactly_the_memberships(office, colleague, environment):
    old, kept, new = OrganisationFactory.create_batch(3, environment=environment)
    for organisation in (old, kept):
        MembershipFactory(user=colleague, organisation=organisation)

    office.post(
        url("user-organisations", colleague),
        {"organisations": [kept.organisation_id, new.organisation_id]},
    )

    assert {m.organisation for m in colleague.memberships.all()} == {kept, new}
    details = Event.objects.get(action=Action.USER_ORGANISATIONS_CHANGED).details
    assert details == {"added": [new.organisation_id], "removed": [old.organisation_id]}


def test_organisations_of_others_cannot_be_ticked(office, colleague):
    answer = office.post(
        url("user-organisations", colleague),
        {"organisations": [OrganisationFactory().organisation_id]},
    )

    assert answer.status_code == 422
    assert not colleague.memberships.exists()


def test_places_at_clients_are_not_ticked_away(office, colleague):
    place = MembershipFactory(user=colleague, organisation=OrganisationFactory())

    office.post(url("user-organisations", colleague), {"organisations": []})

    assert list(colleague.memberships.all()) == [place]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, {"Ada Blom", "Bram Claes", "Cor Dirks"}),
        ({"q": "bram"}, {"Bram Claes"}),
        ({"q": "claes bram"}, {"Bram Claes"}),
        ({"q": "cor@"}, {"Cor Dirks"}),
        ({"q": "nobody"}, set()),
        ({"status": "blocked"}, {"Cor Dirks"}),
        ({"status": "blocked", "q": "ada"}, set()),
        ({"status": "unheard of"}, {"Ada Blom", "Bram Claes", "Cor Dirks"}),
        ({"q": "a\0b"}, {"Ada Blom", "Bram Claes", "Cor Dirks"}),
        ({"q": "x" * 5000}, {"Ada Blom", "Bram Claes", "Cor Dirks"}),
    ],
)
def test_users_are_found_by_name_address_and_status(browser_of, query, found):
    home = EnvironmentFactory()
    ada = UserFactory(environment=home, first_name="Ada", last_name="Blom", administrator=True)
    UserFactory(environment=home, first_name="Bram", last_name="Claes")
    UserFactory(
        environment=home, first_name="Cor", last_name="Dirks", email="cor@example.org", blocked=True
    )
    UserFactory(first_name="Bram", last_name="van Elders")

    answer = browser_of(ada).get(reverse("accounts:users"), query)

    assert {str(user) for user in answer.context["page"].rows} == found


def test_htmx_gets_the_list_alone(office):
    answer = office.get(reverse("accounts:users"), headers={"HX-Request": "true"})

    assert answer.content.decode().lstrip().startswith('<div id="users"')
    assert "HX-Request" in answer["Vary"]


def test_a_longer_list_takes_no_more_queries(office, environment, organisation):
    def queries():
        with CaptureQueriesContext(
            connection,
        ) as captured:
            office.get(reverse("accounts:users"))
        return len(captured)

    queries()
    MembershipFactory(organisation=organisation)
    one = queries()
    MembershipFactory.create_batch(2, organisation=organisation)

    assert queries() == one


def test_the_list_goes_on_where_the_page_ends(office, environment):
    UserFactory.create_batch(60, environment=environment)

    first = office.get(reverse("accounts:users"), {"status": "active"}).context["page"]
    second = office.get(f"{reverse('accounts:users')}?{first.query}").context["page"]

    assert "status=active" in first.query
    assert (len(first.rows), len(second.rows), second.query) == (50, 11, None)
    assert not set(first.rows) & set(second.rows)
