"""Before rights are taken away, what that stops is shown; it happens when just that was seen (R7)."""

import re

import pytest
from django.urls import reverse

from accounts.events.models import Event
from accounts.mail.models import Mail
from accounts.models import Membership, User
from accounts.roles import Role
from connections.services import add_organisation
from tests.factories import MembershipFactory, UserFactory, connect, let_in
from tests.software import Software

STOPS, LOSES = "stops: every call is refused", "send invoices (<code>SendDocument</code>)"


def of_user(name):
    return lambda place: reverse(f"accounts:user-{name}", args=[place.user.pk])


def accesses(place):
    return reverse(
        "connections:person-accesses", args=[place.user.pk, place.organisation.organisation_id]
    )


FEWER = {"scope": "chosen", "functions": ["GetInboxDocuments", "GetInboxDocument"]}
CHANGES = {
    "role": (of_user("role"), {"role": Role.BASIC}, STOPS),
    "organisations": (of_user("organisations"), {"organisations": []}, STOPS),
    "block": (of_user("block"), {}, STOPS),
    "remove": (of_user("remove"), {}, STOPS),
    "accesses": (accesses, FEWER, LOSES),
}
every_change = pytest.mark.parametrize(
    ("url", "posted", "does"), CHANGES.values(), ids=CHANGES.keys()
)


@pytest.fixture
def place(organisation):
    """An advanced user who is a member."""
    return MembershipFactory(organisation=organisation, user__advanced=True)


@pytest.fixture
def connected(place):
    connection, pair = connect(place.user)
    Mail.objects.all().delete()
    return connection, pair


def as_it_is():
    """Everything that one of the changes, its event or its mails would touch."""
    rows = (
        User.objects.order_by("pk").values_list("role", "is_active", "session_epoch", "email"),
        Membership.objects.order_by("pk").values_list("user", "accesses"),
        Event.objects.order_by("pk").values_list("action"),
        Mail.objects.order_by("pk").values_list("to"),
    )
    return [list(found) for found in rows]


def functions_of(pair, organisation):
    """What a call with these keys may use; nothing when it is refused."""
    answer = Software(pair, organisation).me().json()
    return {function["function"] for function in answer.get("functions", [])}


def hidden(page):
    """What the question posts again."""
    form = next(part for part in page.text.split("<form") if 'name="shown"' in part)
    found = re.findall(r'name="(\w+)" value="([^"]*)"', form.partition("</form>")[0])
    return {name: [v for n, v in found if n == name] for name, _value in found}


def told_of_keys():
    return sorted(Mail.objects.filter(body__contains="These keys").values_list("to", flat=True))


@every_change
def test_first_it_is_shown_and_nothing_happens(office, place, connected, url, posted, does):
    connection, pair = connected
    could = functions_of(pair, place.organisation)
    before = as_it_is()

    page = office.post(url(place), posted)

    assert page.status_code == 200
    assert "Nothing is changed yet." in page.text
    assert (connection.app.name in page.text, does in page.text) == (True, True)
    assert as_it_is() == before
    assert functions_of(pair, place.organisation) == could


@every_change
def test_who_has_seen_it_does_it(office, place, connected, url, posted, does):
    _connection, pair = connected
    could = functions_of(pair, place.organisation)
    page = office.post(url(place), posted)

    answer = office.post(url(place), hidden(page))

    assert answer.status_code == 302
    expected = set(FEWER["functions"]) if does == LOSES else set()
    assert functions_of(pair, place.organisation) == could & expected


@every_change
def test_owner_and_administrators_hear_of_it_once(
    office, place, connected, administrator, environment, url, posted, does
):
    other = UserFactory(administrator=True, environment=environment)
    owner = place.user.email

    office.post(url(place), hidden(office.post(url(place), posted)))

    told = [administrator.email, other.email]
    gone = url in (
        CHANGES["block"][0],
        CHANGES["remove"][0],
    )  # who is out hears that, by its own mail
    assert told_of_keys() == sorted(told if gone else [*told, owner])


@every_change
def test_what_stops_nothing_happens_at_once(office, place, url, posted, does):
    before = as_it_is()

    answer = office.post(url(place), posted)

    assert answer.status_code == 302
    assert as_it_is() != before
    assert told_of_keys() == []


@every_change
def test_who_saw_something_else_is_asked_again(office, place, connected, url, posted, does):
    page = office.post(url(place), posted)
    second, _pair = connect(place.user)
    before = as_it_is()

    again = office.post(url(place), hidden(page))

    assert second.app.name in again.text
    assert as_it_is() == before
    assert office.post(url(place), hidden(again)).status_code == 302


@every_change
@pytest.mark.parametrize("shown", ["x", "a\0b", "9" * 40, "x" * 5000])
def test_what_was_not_shown_is_not_taken_as_seen(
    office, place, connected, url, posted, does, shown
):
    before = as_it_is()

    page = office.post(url(place), {**posted, "shown": shown})

    assert page.status_code == 200
    assert as_it_is() == before


def test_removing_shows_before_the_button_what_stops(office, place, connected):
    url = reverse("accounts:user-remove", args=[place.user.pk])
    before = as_it_is()

    page = office.get(url)

    assert (STOPS in page.text, connected[0].app.name in page.text) == (True, True)
    assert as_it_is() == before
    assert office.post(url, hidden(page)).status_code == 302
    assert User.objects.get(pk=place.user.pk).status == User.Status.REMOVED


@pytest.mark.parametrize(("name", "posted"), [("role", {"role": "basic"}), ("block", {})])
def test_the_last_administrator_stays_also_with_keys(
    office, organisation, administrator, name, posted
):
    place = MembershipFactory(organisation=organisation, user=administrator)
    connect(administrator)
    before = as_it_is()

    answer = office.post(of_user(name)(place), posted)

    assert answer.status_code == 409
    assert "This is the last administrator." in answer.text
    assert as_it_is() == before


def test_the_last_administrator_reads_that_before_the_button(office, organisation, administrator):
    MembershipFactory(organisation=organisation, user=administrator)
    connect(administrator)
    url = reverse("accounts:user-remove", args=[administrator.pk])

    page, answer = office.get(url), office.post(url)

    assert (page.status_code, answer.status_code) == (200, 409)
    for text in (page.text, answer.text):
        assert "This is the last administrator." in text


def test_what_had_stopped_before_is_no_loss(office, place, connected):
    place.user.role = Role.BASIC
    place.user.save()

    assert office.post(of_user("block")(place)).status_code == 302
    assert told_of_keys() == []


def test_raising_asks_nothing(office, place, connected):
    assert office.post(of_user("role")(place), {"role": Role.ADMINISTRATOR}).status_code == 302


def test_each_key_is_shown_with_the_way_to_hand_it_over(
    office, administrator, organisation, place, connected
):
    MembershipFactory(organisation=organisation, user=administrator)

    page = office.post(of_user("role")(place), {"role": Role.BASIC})

    assert connected[0].url("take-over") in page.text


def test_two_keys_of_one_person_are_one_mail(office, place, connected, administrator):
    second, _pair = connect(place.user)
    Mail.objects.all().delete()

    office.post(
        of_user("role")(place), hidden(office.post(of_user("role")(place), {"role": Role.BASIC}))
    )

    mail = Mail.objects.get(to=administrator.email)
    assert mail.subject == "2 keys can do less or stopped"
    assert (connected[0].app.name in mail.body, second.app.name in mail.body) == (True, True)


# Partners


@pytest.fixture
def asker():
    return UserFactory(advanced=True, environment__accountant=True)


@pytest.fixture
def mandate(asker, organisation, administrator):
    return let_in(asker, MembershipFactory(organisation=organisation, user=administrator))


@pytest.fixture
def through(asker, mandate):
    """A connection of the accountant."""
    connection, pair = connect(asker, mandate.organisation)
    Mail.objects.all().delete()
    return connection, pair


def at(name, mandate, *more):
    return reverse(
        f"partners:{name}",
        args=[mandate.partnership.uuid, mandate.organisation.organisation_id, *more],
    )


@pytest.mark.parametrize("change", ["partner-functions", "remove-person"])
def test_what_a_client_takes_from_its_accountant_is_shown_first(
    office, asker, administrator, mandate, through, change
):
    connection, pair = through
    boss = UserFactory(administrator=True, environment=asker.environment)
    more = [asker.pk] if change == "remove-person" else []
    url = at(change, mandate, *more)
    posted = {} if more else {"functions": ["GetInboxDocuments", "GetInboxDocument"]}
    before = as_it_is()

    page = office.post(url, posted)

    assert page.status_code == 200
    assert connection.app.name in page.text
    assert (STOPS if more else LOSES) in page.text
    assert as_it_is() == before

    assert office.post(url, hidden(page)).status_code == 302
    left = functions_of(pair, mandate.organisation)
    assert left == (set() if more else {"GetInboxDocuments", "GetInboxDocument"})
    assert told_of_keys() == sorted([asker.email, boss.email, administrator.email])


def test_what_a_client_allows_besides_asks_nothing(office, mandate, through):
    mandate.functions = ["GetInboxDocuments"]
    mandate.save()

    more = {"functions": ["GetInboxDocuments", "SendDocument"]}

    assert office.post(at("partner-functions", mandate), more).status_code == 302


def test_the_clients_own_keys_are_no_loss_of_its_accountant(
    office, administrator, mandate, organisation
):
    connect(administrator, organisation)

    answer = office.post(at("partner-functions", mandate), {"functions": ["GetInboxDocuments"]})

    assert answer.status_code == 302


def test_what_keys_lose_for_a_further_organisation_is_told_too(office, place, connected):
    connection = connected[0]
    other = MembershipFactory(
        user=place.user,
        organisation__environment=place.organisation.environment,
        organisation__name="The Mill",
    ).organisation
    add_organisation(connection=connection, organisation=other, by=place.user)

    asked = office.post(of_user("role")(place), {"role": Role.BASIC}).text

    assert "2 keys are affected" in " ".join(asked.split())
    assert "The Mill" in asked
    assert asked.count("Hand over…") == 1
