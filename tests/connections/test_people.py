"""Keys on a user: the tab "API access", New key and accesses of a person (R6, R12, R14, R25, R26)."""

import re
import uuid
from datetime import timedelta

import pytest
from django.db import connection as db
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.events.models import Action, Event
from accounts.mail.models import Mail
from accounts.models import Membership
from connections import services
from connections.functions import FUNCTIONS
from connections.models import Access, App, Connection, KeySet
from partners import services as partners
from tests.browsing import session_of
from tests.factories import PASSWORD, AppFactory, MembershipFactory, UserFactory, connect, let_in
from tests.software import Software

pytestmark = pytest.mark.django_db
SECRET = re.compile(r"kps_[0-9A-Za-z]{38}")
FEW = ["GetInboxDocuments", "GetInboxDocument"]
HOSTILE = ["a\0b", "9" * 40, "-1", "0", "١٢\u202e\U0001f4a3", "x" * 20_000, "{{ 7 }}<script>"]


@pytest.fixture
def boss():
    """The place of an administrator, who has just typed the password."""
    return MembershipFactory(user__administrator=True, user__with_login=True)


@pytest.fixture
def organisation(boss):
    return boss.organisation


@pytest.fixture
def place(organisation):
    """The place of Kari, an advanced user."""
    return MembershipFactory(
        organisation=organisation, user__advanced=True, user__first_name="Kari"
    )


@pytest.fixture
def kari(place):
    return place.user


@pytest.fixture
def app():
    return AppFactory(name="Mystore")


@pytest.fixture
def mandate(boss):
    """What the organisation lets an accountancy do."""
    return let_in(client=boss)


@pytest.fixture
def guest(mandate):
    """The accountancy's person who is a member."""
    return mandate.requests.get().asked_by


def browser_of(user):
    client = Client()
    client.cookies["sessionid"] = session_of(user)
    return client


@pytest.fixture
def office(boss):
    return browser_of(boss.user)


def tab(person):
    return reverse("connections:api-access", args=[person.pk])


def new_key(person):
    return reverse("connections:new-key", args=[person.pk])


def create_key(person, organisation, **query):
    url = reverse("connections:create-key", args=[person.pk, organisation.organisation_id])
    return f"{url}?{'&'.join(f'{name}={value}' for name, value in query.items())}"


def accesses(person, organisation):
    return reverse("connections:person-accesses", args=[person.pk, organisation.organisation_id])


def pages(person, organisation, app):
    return [
        tab(person),
        new_key(person),
        create_key(person, organisation, app=app.pk),
        accesses(person, organisation),
    ]


def form(**values):
    return {"name": "Web shop", "access": Access.ALL, "op_id": uuid.uuid4(), **values}


def opened():
    """What the keys of the one connection open."""
    return set(Connection.objects.for_list().get().opened)


# Who sees whom


def statuses(user, person, organisation, app):
    browser = browser_of(user)
    return [browser.get(url).status_code for url in pages(person, organisation, app)]


def test_an_administrator_sees_the_pages_of_colleagues(boss, kari, organisation, app):
    assert statuses(boss.user, kari, organisation, app) == [200] * 4


def test_an_administrator_sees_the_pages_of_a_partners_people_who_may_enter(
    boss, guest, organisation, app
):
    assert statuses(boss.user, guest, organisation, app) == [200] * 4


def test_the_partner_sees_the_pages_of_its_own_person_but_not_what_the_client_decides(
    guest, organisation, app
):
    theirs = UserFactory(administrator=True, environment=guest.environment)
    MembershipFactory(user=theirs, organisation=organisation)

    assert statuses(theirs, guest, organisation, app) == [200, 200, 200, 404]


def test_strangers_are_404(boss, organisation, app, kari):
    stranger = MembershipFactory(user__administrator=True)

    assert statuses(boss.user, stranger.user, organisation, app) == [404] * 4
    assert statuses(stranger.user, kari, organisation, app) == [404] * 4


def test_a_membership_without_a_mandate_shows_nobody(boss, organisation, app):
    outsider = MembershipFactory(organisation=organisation, user=UserFactory(advanced=True)).user

    assert statuses(boss.user, outsider, organisation, app) == [404] * 4


def test_after_the_end_of_the_partnership_its_people_are_404(
    boss, mandate, guest, organisation, app
):
    services.end_partnership(partnership=mandate.partnership, by=boss.user)

    assert statuses(boss.user, guest, organisation, app) == [404] * 4


def test_colleagues_of_a_guest_who_may_not_enter_are_404(boss, guest, organisation, app):
    colleague = UserFactory(advanced=True, environment=guest.environment)

    assert statuses(boss.user, colleague, organisation, app) == [404] * 4


@pytest.mark.parametrize("role", ["basic", "advanced"])
def test_only_administrators_see_and_change_them(organisation, kari, app, role):
    browser = browser_of(MembershipFactory(organisation=organisation, user__role=role).user)

    for url in pages(kari, organisation, app):
        assert {browser.get(url).status_code, browser.post(url).status_code} == {403}


def test_of_a_guest_only_what_is_for_the_own_organisations_is_shown(office, guest, organisation):
    other = let_in(guest).organisation
    connect(guest, organisation, name="Ours")
    connect(guest, other, name="Of another client")

    page = office.get(tab(guest))

    assert [connection.name for connection in page.context["page"].rows] == ["Ours"]
    assert [m.organisation for m in page.context["memberships"]] == [organisation]
    assert other.name not in page.text
    assert office.get(create_key(guest, other, custom="New")).status_code == 404
    assert office.get(accesses(guest, other)).status_code == 404


# The tab


def test_the_tab_shows_the_keys_that_live_on_the_person_and_leads_to_their_accesses(
    office, boss, kari, app
):
    connection, _pair = connect(kari, app=app, name="Web shop")
    connect(boss.user, name="Of the administrator")

    page = office.get(tab(kari))

    assert [row.name for row in page.context["page"].rows] == ["Web shop"]
    assert f'href="{connection.url("accesses")}"' in page.text


@pytest.mark.parametrize("state", ["basic", "blocked"])
def test_on_somebody_who_may_not_own_keys_none_is_made(
    office, boss, kari, organisation, app, state
):
    kari.role = "basic" if state == "basic" else kari.role
    kari.is_active = state != "blocked"
    kari.save()

    page = office.get(tab(kari)).text
    refused = office.post(create_key(kari, organisation, app=app.pk), form())

    assert f"No key can live on {kari} now." in page
    assert new_key(kari) not in page
    assert (refused.status_code, Connection.objects.count()) == (409, 0)
    assert f"{kari} may not own connections of {organisation}" in refused.text


def test_a_key_is_for_an_organisation_where_both_are_members(office, boss, organisation):
    alone = UserFactory(advanced=True, environment=organisation.environment)
    other = MembershipFactory(user=alone, organisation__environment=organisation.environment)

    page = office.get(tab(alone)).text

    assert "are members of no organisation together" in page
    assert office.get(create_key(alone, other.organisation, custom="New")).status_code == 404


@pytest.mark.parametrize("name", ["tab", "new_key", "accesses", "create_key"])
def test_pages_cost_the_same_with_one_and_with_twenty_keys(
    office, kari, organisation, app, name, django_assert_max_num_queries
):
    urls = dict(
        zip(["tab", "new_key", "create_key", "accesses"], pages(kari, organisation, app), strict=1)
    )
    office.get(urls[name])

    def cost():
        with CaptureQueriesContext(db) as queries:
            assert office.get(urls[name]).status_code == 200
        return len(queries)

    connect(kari)
    one = cost()
    for _more in range(19):
        connect(kari, app=AppFactory(environment=organisation.environment))
        MembershipFactory(user=kari, organisation__environment=organisation.environment)

    assert cost() == one
    assert one <= 20


# New key: the application


def ask_new(office, person, where, **values):
    return office.get(new_key(person), {"organisation": where.organisation_id, **values})


def test_an_application_of_the_list_leads_to_its_accesses(office, kari, organisation, app):
    answer = ask_new(office, kari, organisation, application=app.pk)

    assert answer["Location"] == create_key(kari, organisation, app=app.pk)


def test_a_custom_name_in_its_exact_spelling_is_the_registered_application(
    office, kari, organisation, app
):
    answer = ask_new(office, kari, organisation, is_custom="on", custom="Mystore")

    assert answer["Location"] == create_key(kari, organisation, app=app.pk)


def test_of_a_custom_name_in_other_capitals_the_registered_spelling_is_offered(
    office, kari, organisation, app
):
    page = ask_new(office, kari, organisation, is_custom="on", custom="mySTORE")

    assert page.status_code == 422
    assert "It is registered as “Mystore”." in page.text
    assert create_key(kari, organisation, app=app.pk) in page.text
    assert 'value="mySTORE"' in page.text


def test_a_new_name_makes_a_private_own_app_together_with_the_keys(
    office, boss, kari, organisation
):
    answer = ask_new(office, kari, organisation, is_custom="on", custom="Year-end tool")
    before = App.objects.count()
    office.get(answer["Location"])
    assert App.objects.count() == before  # nothing before the keys

    shown = office.post(answer["Location"], form())

    made = App.objects.get(name="Year-end tool")
    assert SECRET.search(shown.text)
    assert (made.environment, Connection.objects.get().app) == (organisation.environment, made)
    assert set(made.functions) == set(FUNCTIONS)
    assert Event.objects.get(action=Action.OWN_APP_CREATED).actor == boss.user
    stranger = MembershipFactory(user__administrator=True)
    assert not App.objects.seen_by(stranger.user).filter(pk=made.pk).exists()


def test_no_own_app_is_left_when_the_keys_are_refused(office, kari, organisation):
    Membership.objects.filter(user=kari).update(accesses=None)
    kari.role = "basic"
    kari.save()

    refused = office.post(create_key(kari, organisation, custom="Year-end tool"), form())

    assert refused.status_code == 409
    assert not App.objects.filter(name="Year-end tool").exists()
    assert not Event.objects.filter(action=Action.OWN_APP_CREATED).exists()


def test_the_same_new_name_typed_twice_is_one_application(office, kari, organisation):
    url = create_key(kari, organisation, custom="Tool")
    office.post(url, form())

    second = office.post(url, form(administration="Second books"))

    assert second.status_code == 200
    assert App.objects.filter(name="Tool").count() == 1
    assert Connection.objects.count() == 2


def test_people_of_a_partner_add_no_application_at_the_client(guest, organisation):
    theirs = UserFactory(administrator=True, environment=guest.environment)
    MembershipFactory(user=theirs, organisation=organisation)
    browser = browser_of(theirs)

    asked = ask_new(browser, guest, organisation, is_custom="on", custom="Sneaky")
    answer = browser.post(create_key(guest, organisation, custom="Sneaky"), form())

    assert "can add it there." in asked.text
    assert SECRET.search(answer.text) is None
    assert not App.objects.filter(name="Sneaky").exists()


def test_the_own_app_of_another_environment_is_not_offered(office, kari, organisation):
    foreign = AppFactory(environment=MembershipFactory().organisation.environment)

    assert ask_new(office, kari, organisation, application=foreign.pk).status_code == 422
    answer = office.post(create_key(kari, organisation, app=foreign.pk), form())
    assert answer["Location"] == new_key(kari)
    assert not Connection.objects.exists()


@pytest.mark.parametrize(
    "values",
    [{}, {"application": ""}, {"is_custom": "on"}, {"custom": "x" * 61}, {"application": "9" * 40}]
    + [
        {name: value} for name in ("application", "custom", "organisation") for value in HOSTILE[:1]
    ],
)
def test_what_names_no_application_is_answered_with_a_sentence(office, kari, organisation, values):
    page = ask_new(office, kari, organisation, **values)

    assert page.status_code == 422
    assert page.context["form"].errors


# New key: the accesses


@pytest.mark.parametrize(
    ("access", "functions", "expected"),
    [
        (Access.ALL, [], FEW),
        (Access.OWNERS, [], FEW),
        (Access.CHOSEN, [], []),
        (Access.CHOSEN, FEW[:1], FEW[:1]),
    ],
)
def test_a_new_key_opens_what_was_chosen_and_its_owner_has(
    office, place, kari, organisation, app, access, functions, expected
):
    place.accesses = FEW
    place.save()

    office.post(
        create_key(kari, organisation, app=app.pk), form(access=access, functions=functions)
    )

    connection = Connection.objects.get()
    assert (connection.owner, connection.organisation) == (kari, organisation)
    assert opened() == set(expected)


def test_only_all_accesses_grows_with_the_user(office, boss, place, kari, organisation, app):
    place.accesses = FEW
    place.save()
    for access in (Access.ALL, Access.OWNERS):
        url = create_key(kari, organisation, app=app.pk)
        office.post(url, form(access=access, administration=access))

    office.post(
        accesses(kari, organisation), {"scope": "chosen", "functions": [*FEW, "SendDocument"]}
    )

    found = Connection.objects.for_list().order_by("number")
    assert [set(c.opened) - set(FEW) for c in found] == [{"SendDocument"}, set()]


def test_the_keys_are_shown_once_and_ok_leads_back_to_the_tab(office, kari, organisation, app):
    url, posted = create_key(kari, organisation, app=app.pk), form()

    shown = office.post(url, posted)

    assert len(set(SECRET.findall(shown.text))) == 1
    assert f'href="{tab(kari)}"' in shown.text
    assert "no-store" in shown.headers["Cache-Control"]
    secret = SECRET.search(shown.text)[0]
    for answer in (office.get(tab(kari)), office.post(url, posted), office.get(url)):
        assert secret not in answer.text
    kept = [str(dict(office.session)), *Mail.objects.values_list("body", flat=True)]
    kept += [str(event.details) for event in Event.objects.all()]
    assert not [text for text in kept if secret in text]


def test_the_keys_work(office, kari, organisation, app):
    page = office.post(create_key(kari, organisation, app=app.pk), form())

    software = Software(page.context["pair"], organisation)
    assert software.me().status_code == 200


def test_a_double_click_makes_one_set(office, kari, organisation, app):
    url, posted = create_key(kari, organisation, app=app.pk), form()
    first, again = office.post(url, posted), office.post(url, posted)

    assert (first.status_code, again.status_code) == (200, 409)
    assert SECRET.search(again.text) is None
    assert KeySet.objects.count() == 1


def test_a_double_click_on_a_new_name_makes_one_set_and_one_application(office, kari, organisation):
    url, posted = create_key(kari, organisation, custom="Tool"), form()
    first, again = office.post(url, posted), office.post(url, posted)

    assert (first.status_code, again.status_code) == (200, 409)
    assert (KeySet.objects.count(), App.objects.filter(name="Tool").count()) == (1, 1)


@pytest.mark.parametrize("query", ["app", "custom"])
def test_an_old_login_is_asked_for_the_password_and_nothing_typed_is_lost(
    boss, kari, organisation, app, query, time_machine
):
    value = app.pk if query == "app" else "Year-end tool"
    office = Client()
    office.post(reverse("account_login"), {"login": boss.user.email, "password": PASSWORD})
    page = office.get(create_key(kari, organisation, **{query: value}))
    url = re.search(r'method="post" action="(/users/[^"]+)" novalidate', page.text)[1]
    assert f'name="{query}" value="{value}"' in page.text
    time_machine.move_to(timezone.now() + timedelta(seconds=601))

    asked = office.post(url, form(name="Typed before", **{query: value}))
    answered = office.post(asked.headers["Location"], {"password": PASSWORD})

    assert asked.headers["Location"].startswith("/accounts/reauthenticate/")
    assert SECRET.search(answered.text)
    assert Connection.objects.get().name == "Typed before"
    assert Connection.objects.get().app.name == ("Mystore" if query == "app" else "Year-end tool")


def test_what_the_owner_lacks_is_locked_with_the_reason(office, place, kari, organisation, app):
    place.accesses = FEW
    place.save()

    options = office.get(create_key(kari, organisation, app=app.pk)).context["form"].options()

    locked = {option.function.name: str(option.locked) for option in options if option.locked}
    assert set(locked) == set(FUNCTIONS) - set(FEW)
    assert set(locked.values()) == {"the owner of the key does not have it"}


def test_what_the_editor_lacks_is_locked_with_the_reason(office, boss, kari, organisation, app):
    boss.accesses = FEW
    boss.save()

    options = office.get(create_key(kari, organisation, app=app.pk)).context["form"].options()

    locked = {option.function.name: str(option.locked) for option in options if option.locked}
    assert set(locked) == set(FUNCTIONS) - set(FEW)
    assert set(locked.values()) == {"you do not have it yourself"}


@pytest.mark.parametrize("lacks", ["owner", "editor"])
def test_a_tampered_form_gives_no_locked_access(
    office, boss, place, kari, organisation, app, lacks
):
    limited = place if lacks == "owner" else boss
    limited.accesses = FEW
    limited.save()

    office.post(
        create_key(kari, organisation, app=app.pk),
        form(
            access=Access.CHOSEN,
            functions=list(FUNCTIONS),
            owner=boss.user.pk,
            organisation=99,
            mandate=1,
        ),
    )

    assert opened() == set(FEW)
    assert Connection.objects.get().owner == kari


@pytest.mark.parametrize("access", [Access.ALL, Access.OWNERS])
def test_nobody_makes_keys_that_open_more_than_they_may_themselves(
    office, boss, kari, organisation, app, access
):
    boss.accesses = FEW
    boss.save()

    refused = office.post(
        create_key(kari, organisation, app=app.pk), form(access=access, name="Typed")
    )

    assert refused.status_code == 409
    assert "These keys would open more than you may do yourself" in refused.text
    assert "Typed" in refused.text
    assert not Connection.objects.exists()


def test_a_key_on_a_partners_person_never_opens_more_than_the_mandate(
    office, mandate, guest, organisation, app, boss
):
    partners.change_functions(mandate=mandate, functions=FEW, by=boss.user)

    options = office.get(create_key(guest, organisation, app=app.pk)).context["form"].options()
    locked = {option.function.name: str(option.locked) for option in options if option.locked}
    office.post(create_key(guest, organisation, app=app.pk), form())

    assert set(locked) == set(FUNCTIONS) - set(FEW)
    assert set(locked.values()) == {"the client does not allow it"}
    assert opened() == set(FEW)
    assert Connection.objects.get().mandate == mandate


def test_a_second_key_for_the_same_application_is_refused_with_a_sentence(
    office, kari, organisation, app
):
    connect(kari, app=app)

    refused = office.post(create_key(kari, organisation, app=app.pk), form(name="Typed"))

    assert refused.status_code == 409
    assert f"is connected to {app} already" in refused.text
    assert "Typed" in refused.text


# Accesses of a person


def save(office, person, organisation, **values):
    """Open the form and send it with these values."""
    url = accesses(person, organisation)
    seen = office.get(url).context["form"]["seen"].value()
    return office.post(url, {"seen": seen, **values})


def test_accesses_are_changed_and_hold_from_the_next_call(office, kari, organisation, place):
    place.accesses = FEW
    place.save()
    _connection, pair = connect(kari)

    save(office, kari, organisation, scope="chosen", functions=[*FEW, "GetOutboxDocuments"])

    assert Software(pair, organisation).get("/outbox").status_code == 200
    place.refresh_from_db()
    assert set(place.accesses) == {*FEW, "GetOutboxDocuments"}


def test_taking_accesses_that_keys_use_is_asked_first_and_then_done(
    office, kari, organisation, place
):
    _connection, pair = connect(kari)
    asked = save(office, kari, organisation, scope="chosen", functions=FEW)
    assert Software(pair, organisation).get("/outbox").status_code == 200

    again = {name: [] for name, _value in asked.context["posted"]}
    for name, value in asked.context["posted"]:
        again[name].append(value)
    done = office.post(accesses(kari, organisation), again | {"shown": asked.context["shown"]})

    assert done.status_code == 302
    assert Software(pair, organisation).get("/outbox").json()["reason"] == "owner"


def test_changed_accesses_are_one_event_with_what_was_added_and_removed(
    office, boss, kari, organisation, place
):
    place.accesses = FEW
    place.save()

    for _click in range(2):
        save(office, kari, organisation, scope="chosen", functions=[FEW[0], "SendDocument"])

    event = Event.objects.get(action=Action.USER_ACCESSES_CHANGED)
    assert (event.actor, event.organisation) == (boss.user, organisation)
    assert event.subject_ref == str(kari.pk)
    assert event.details == {"added": ["SendDocument"], "removed": [FEW[1]]}


def test_accesses_of_a_partners_person_are_an_event_on_both_sides(office, guest, organisation):
    save(office, guest, organisation, scope="chosen", functions=FEW)

    events = Event.objects.filter(action=Action.USER_ACCESSES_CHANGED)
    assert {event.environment for event in events} == {organisation.environment, guest.environment}
    assert len(events) == 2


@pytest.mark.parametrize("scope", ["all", "chosen"])
def test_accesses_of_a_partners_person_never_exceed_the_mandate(
    office, mandate, guest, organisation, boss, scope
):
    partners.change_functions(mandate=mandate, functions=FEW, by=boss.user)
    connect(guest, organisation)

    locked = {
        option.function.name
        for option in office.get(accesses(guest, organisation)).context["form"].options()
        if option.locked
    }
    save(office, guest, organisation, scope=scope, functions=list(FUNCTIONS))

    assert locked == set(FUNCTIONS) - set(FEW)
    assert opened() == set(FEW)


def test_of_two_administrators_who_edit_at_once_the_second_sees_how_it_is_now(
    office, boss, kari, organisation, place
):
    other = browser_of(MembershipFactory(organisation=organisation, user__administrator=True).user)
    url = accesses(kari, organisation)
    seen = office.get(url).context["form"]["seen"].value()
    save(other, kari, organisation, scope="chosen", functions=FEW)

    late = office.post(url, {"seen": seen, "scope": "chosen", "functions": ["SendDocument"]})

    assert late.status_code == 409
    assert "Somebody else changed this in the meantime." in late.text
    assert late.context["form"]["functions"].value() == FEW
    place.refresh_from_db()
    assert place.accesses == FEW
    again = late.context["form"]["seen"].value()
    assert office.post(url, {"seen": again, "scope": "all"}).status_code == 302


def test_of_two_who_edit_the_accesses_of_a_key_at_once_the_second_sees_how_it_is_now(
    office, kari, organisation
):
    connection, _pair = connect(kari)
    other = browser_of(MembershipFactory(organisation=organisation, user__administrator=True).user)
    url = connection.url("accesses")
    seen = [b.get(url).context["form"]["seen"].value() for b in (office, other)]
    other.post(url, {"seen": seen[1], "access": "chosen", "functions": FEW})

    late = office.post(url, {"seen": seen[0], "access": "chosen", "functions": ["SendDocument"]})

    assert late.status_code == 409
    assert "Somebody else changed this in the meantime." in late.text
    assert late.context["form"]["functions"].value() == FEW
    assert opened() == set(FEW)


def test_the_accesses_of_somebody_who_has_left_the_organisation_are_404(
    office, kari, organisation, place
):
    place.delete()

    assert office.post(accesses(kari, organisation), {"scope": "all"}).status_code == 404


@pytest.mark.parametrize(
    "values",
    [
        {"seen": ""},
        {"scope": "everything"},
        {"scope": "chosen", "functions": ["DropTables"]},
        {"scope": "chosen", "seen": "x" * 33},
        {"scope": "chosen", "seen": "a\0b"},
        {"scope": "a\0b"},
    ],
)
def test_wrong_accesses_are_answered_with_a_sentence_and_change_nothing(
    office, kari, organisation, place, values
):
    answer = office.post(accesses(kari, organisation), values)

    place.refresh_from_db()
    assert answer.status_code == 422
    assert answer.context["form"].errors
    assert place.accesses is None


# Hostile input


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_get_an_answer_and_make_nothing(office, kari, organisation, app, value):
    connection, _pair = connect(kari)
    fields = ["name", "access", "functions", "administration", "op_id", "owner", "seen", "shown"]
    fields += ["scope", "organisation", "application", "is_custom", "custom", "app"]
    urls = [
        *pages(kari, organisation, app),
        connection.url("accesses"),
        connection.url("take-over"),
    ]
    urls += [create_key(kari, organisation), create_key(kari, organisation, custom="Tool")]
    for posted in (dict.fromkeys(fields, value), dict.fromkeys(fields, [value] * 3)):
        for url in urls:
            for answer in (office.get(url, posted), office.post(url, posted)):
                assert answer.status_code < 500, url

    assert KeySet.objects.count() == 1


def test_hostile_addresses_are_404(office, kari, organisation):
    for value in HOSTILE:
        for name in ("create-key", "person-accesses"):
            url = reverse(f"connections:{name}", args=[kari.pk, value.replace("/", "")])
            assert {office.get(url).status_code, office.post(url).status_code} == {404}
    for number in (0, 2**31, 2**63, 2**70):
        for name in ("api-access", "new-key"):
            assert office.get(reverse(f"connections:{name}", args=[number])).status_code == 404
