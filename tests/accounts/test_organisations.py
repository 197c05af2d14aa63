"""The environment and its organisations."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.events.models import Action, Event
from accounts.models import ElectronicAddress, Organisation
from tests.factories import MembershipFactory, OrganisationFactory, UserFactory

ADD = "/organisations/add/"
NEW = {"name": "Bakkerij Jansen B.V.", "country": "NL", "registration_number": "12345678"}


def test_an_added_organisation_has_an_id_an_address_and_its_first_member(office, administrator):
    answer = office.post(ADD, NEW)

    organisation = Organisation.objects.get()
    assert answer["Location"] == organisation.get_absolute_url()
    assert organisation.organisation_id == f"KPNL{10_000 + organisation.pk}"
    assert [str(address) for address in organisation.addresses.all()] == ["0106:12345678"]
    assert [membership.user for membership in organisation.memberships.all()] == [administrator]
    assert Event.objects.get().action == Action.ORGANISATION_ADDED


@pytest.mark.parametrize(
    ("support", "whom"), [("", "the operator of this portal"), ("help@k.example", "help@k.example")]
)
def test_a_registration_number_in_use_is_refused_at_its_field(office, settings, support, whom):
    settings.PORTAL_SUPPORT_EMAIL = support
    OrganisationFactory(registration_number="12345678")

    answer = office.post(ADD, NEW)

    assert answer.status_code == 422
    assert answer.context["form"].errors == {
        "registration_number": [
            "This registration number is in use already. "
            f"Ask a colleague to add you, or ask {whom}."
        ]
    }
    assert 'value="Bakkerij Jansen B.V."' in answer.content.decode()
    assert Organisation.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("registration_number", "1234567"),
        ("registration_number", "١٢٣٤٥٦٧٨"),
        ("registration_number", ""),
        ("country", "XX"),
        ("country", "BE"),
        ("name", ""),
        ("name", "x" * 151),
        ("name", "a\0b"),
    ],
)
def test_a_wrong_organisation_is_refused(office, field, value):
    answer = office.post(ADD, {**NEW, field: value})

    stored = Organisation.objects.values_list("registration_number", flat=True)
    assert (answer.status_code, list(stored)) == (422, [])


def test_more_fields_than_asked_give_nothing_more(office, administrator):
    other = UserFactory().environment

    office.post(ADD, {**NEW, "environment": other.pk, "organisation_id": "KPNL1"})

    organisation = Organisation.objects.get()
    assert organisation.environment == administrator.environment
    assert organisation.organisation_id != "KPNL1"


@pytest.fixture
def member_office(office, organisation, administrator):
    """The browser of an administrator who is a member."""
    MembershipFactory(organisation=organisation, user=administrator)
    return office


def test_a_change_stores_and_notes_what_changed(member_office, organisation):
    url = reverse("accounts:change-organisation", args=[organisation.organisation_id])

    member_office.post(url, {"name": "New Name", "receiving": "on"})

    changed = Organisation.objects.get()
    assert (changed.name, changed.sending, changed.receiving) == ("New Name", False, True)
    assert Event.objects.get().details == {"changed": {"name": "New Name", "sending": False}}
    assert Event.objects.get().details_in_words == "name: New Name, sends invoices: no"


def test_a_wrong_change_is_refused_and_leaves_the_page_its_name(member_office, organisation):
    url = reverse("accounts:change-organisation", args=[organisation.organisation_id])

    answer = member_office.post(url, {"name": ""})

    assert answer.status_code == 422
    assert f"Change {organisation.name}" in answer.content.decode()


def test_a_change_of_nothing_leaves_no_event(member_office, organisation):
    url = reverse("accounts:change-organisation", args=[organisation.organisation_id])

    member_office.post(url, {"name": organisation.name, "sending": "on", "receiving": "on"})

    assert not Event.objects.exists()


def test_the_page_of_an_organisation_shows_its_facts_and_its_people(member_office, organisation):
    ElectronicAddress.objects.create(organisation=organisation, value="0088:7300010000001")
    member = MembershipFactory(organisation=organisation, user__first_name="Noor").user
    UserFactory(environment=organisation.environment, first_name="Outsider")

    page = member_office.get(organisation.get_absolute_url()).content.decode()

    assert organisation.organisation_id in page
    assert "0088:7300010000001" in page
    assert str(member) in page
    assert "Outsider" not in page


def names(answer):
    return [organisation.name for organisation in answer.context["page"].rows]


def test_administrators_see_every_organisation_and_the_way_in(office, environment, administrator):
    OrganisationFactory(environment=environment, name="B")
    OrganisationFactory(environment=environment, name="A")
    OrganisationFactory(name="Elsewhere")

    answer = office.get(reverse("accounts:environment"))

    assert names(answer) == ["A", "B"]
    assert f"{administrator.get_absolute_url()}#organisations" in answer.content.decode()


def test_others_see_their_own_organisations_only(browser_of, environment, colleague):
    OrganisationFactory(environment=environment, name="B")
    MembershipFactory(user=colleague, organisation__environment=environment)
    own = colleague.memberships.get().organisation

    answer = browser_of(colleague).get(reverse("accounts:environment"))

    assert names(answer) == [own.name]
    assert own.get_absolute_url() in answer.content.decode()
    assert ADD not in answer.content.decode()


@pytest.mark.parametrize(
    ("q", "found"),
    [("jans", ["Jansen"]), ("12345678", ["Jansen"]), ("1234", []), ("x\0", ["Jansen", "Smit"])],
)
def test_organisations_are_found_by_name_and_number(office, environment, q, found):
    OrganisationFactory(environment=environment, name="Jansen", registration_number="12345678")
    OrganisationFactory(environment=environment, name="Smit", registration_number="87654321")

    assert names(office.get(reverse("accounts:environment"), {"q": q})) == found


@pytest.mark.parametrize("name", ["environment", "organisation"])
def test_a_longer_list_takes_no_more_queries(member_office, environment, organisation, name):
    url = reverse("accounts:environment")
    if name == "organisation":
        url = organisation.get_absolute_url()

    def queries():
        with CaptureQueriesContext(connection) as captured:
            member_office.get(url)
        return len(captured)

    queries()
    one = queries()
    OrganisationFactory.create_batch(2, environment=environment)
    MembershipFactory.create_batch(2, organisation=organisation)

    assert queries() == one
