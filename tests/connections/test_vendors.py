"""For makers of software (R39): what the page says is true, and a link prefills without deciding."""

import html
import re
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client
from lxml import html as pages

from accounts.events.models import Event
from connections import keys
from connections.books import paste
from connections.functions import FUNCTIONS
from connections.models import Connection
from tests.browsing import signed_in
from tests.connections.test_pages import SECRET
from tests.factories import (
    AppFactory,
    EnvironmentFactory,
    MembershipFactory,
    OrganisationFactory,
    UserFactory,
)
from tests.software import basic

pytestmark = pytest.mark.django_db
APP_KEY = re.compile(r"kpa_[0-9A-Za-z]{22}")


@pytest.fixture
def page():
    return html.unescape(Client().get("/vendors/").text)


@pytest.fixture
def user():
    return MembershipFactory(user__advanced=True).user


@pytest.fixture
def yuki():
    return AppFactory(name="Yuki", functions=["SendDocument", "GetInboxDocuments"])


@pytest.fixture
def visitor(user):
    return signed_in(user)


def follow(client, **query):
    return client.get(f"/connect/?{urlencode(query)}", follow=True)


def block(name):
    return pages.fromstring(Client().get("/vendors/").text).get_element_by_id(name).text_content()


def form_of(answer):
    """What the form begins with: name, access, ticked functions."""
    form = answer.context["form"]
    ticked = [option.function.name for option in form.options() if option.ticked]
    return form["name"].value(), form["access"].value(), ticked


# The page


def test_the_example_keys_hold_their_checksum_and_open_nothing(page, client):
    [app_key], [secret] = set(APP_KEY.findall(page)), set(SECRET.findall(page))

    assert keys.is_app_key(app_key)
    assert keys.is_secret(secret)
    answer = client.get("/api/v1/me", headers={"Authorization": basic(app_key, secret)})
    assert (answer.status_code, answer.json().get("reason")) == (401, None)


def test_every_reader_gets_other_examples(page):
    assert SECRET.findall(page)[0] not in Client().get("/vendors/").text


def test_the_patterns_for_scanners_match_every_key():
    app_key, secret = block("patterns").split()

    for _ in range(50):
        pair = keys.make_pair()
        assert re.fullmatch(app_key, pair.app_key)
        assert re.fullmatch(secret, pair.secret.reveal())


def test_the_example_of_quick_connect_is_read_by_books():
    found = paste.read(block("text"))

    assert (found.email, found.organisation) == ("books@bakery.example", "KPNL10017")


def test_the_page_and_the_guide_for_vendors_name_every_function(page):
    assert all(f"<code>{name}</code>" in page for name in FUNCTIONS)


def test_the_example_link_leads_to_a_form_that_is_filled_in(visitor, yuki):
    link = urlsplit(block("prefilled"))

    answer = visitor.get(f"{link.path}?{link.query}", follow=True)

    assert form_of(answer) == ("Bookkeeping", "chosen", ["SendDocument", "GetInboxDocuments"])


# The link


def test_with_one_organisation_the_link_leads_straight_to_the_form(visitor, user, yuki):
    answer = follow(visitor, app="yuki", name="Bookkeeping", functions="GetInboxDocuments,Nonsense")

    organisation = user.memberships.get().organisation
    assert answer.context["organisation"] == organisation
    assert answer.context["app"] == yuki
    assert form_of(answer) == ("Bookkeeping", "chosen", ["GetInboxDocuments"])


def test_without_functions_the_form_begins_with_all_accesses(visitor, yuki):
    assert form_of(follow(visitor, app="Yuki")) == ("Yuki", "all", [])


def test_functions_that_the_package_does_not_ask_are_not_offered(visitor, yuki):
    assert form_of(follow(visitor, app="Yuki", functions="GetParty"))[2] == []


def test_with_several_organisations_the_person_chooses_and_the_rest_travels_on(user, yuki):
    MembershipFactory(user=user, organisation__environment=user.environment)
    visitor = signed_in(user)
    answer = follow(visitor, app="Yuki", name="Books & more", functions="SendDocument")

    choices = dict(answer.context["choices"])
    assert len(choices) == 2
    for organisation, address in choices.items():
        form = visitor.get(address)
        assert form.context["organisation"] == organisation
        assert form_of(form) == ("Books & more", "chosen", ["SendDocument"])


def test_a_search_among_many_organisations_keeps_what_the_link_said(user, yuki):
    for number in range(8):
        organisation = OrganisationFactory(environment=user.environment, name=f"Shop {number}")
        MembershipFactory(user=user, organisation=organisation)
    visitor = signed_in(user)
    answer = follow(visitor, app="Yuki", name="Books")
    hidden = pages.fromstring(answer.text).xpath("//form[@role='search']/input[@type='hidden']")

    query = {field.get("name"): field.get("value") for field in hidden} | {"q": "Shop 7"}
    narrowed = visitor.get("/connections/new/", query)

    [(_organisation, address)] = narrowed.context["choices"]
    assert form_of(visitor.get(address))[0] == "Books"


def test_an_own_app_of_the_environment_is_known_and_that_of_another_is_not(user, visitor):
    own = AppFactory(name="Webshop", environment=user.environment)
    AppFactory(name="Cash register", environment=EnvironmentFactory())

    assert follow(visitor, app="Webshop").context["app"] == own
    assert "No package is called “Cash register” here." in follow(visitor, app="Cash register").text


@pytest.mark.parametrize("name", ["Nobody's", "", "x" * 500, "<script>alert(1)</script>", "Yuk"])
def test_an_unknown_package_is_a_sentence(visitor, yuki, name):
    answer = follow(visitor, app=name)

    assert answer.status_code == 200
    assert "No package is called" in answer.text
    assert "<script>alert" not in answer.text


def test_a_package_that_is_not_published_is_unknown(visitor):
    AppFactory(name="Secret plans", published=False)

    assert "No package is called" in follow(visitor, app="Secret plans").text


def test_nobody_is_led_on_without_signing_in_and_then_exactly_there(user, yuki):
    answer = Client().get("/connect/?app=Yuki&name=Books&functions=SendDocument")
    afterwards = parse_qs(urlsplit(answer.headers["Location"]).query)["next"][0]

    assert answer.status_code == 302
    assert form_of(signed_in(user).get(afterwards, follow=True))[0] == "Books"


def test_a_login_that_is_not_recent_comes_back_to_the_same_form(user, yuki, time_machine):
    client = Client()
    client.force_login(user)

    answer = follow(client, app="Yuki", name="Books", functions="SendDocument")

    afterwards = parse_qs(answer.redirect_chain[-1][0].partition("?")[2])["next"][0]
    assert form_of(signed_in(user).get(afterwards)) == ("Books", "chosen", ["SendDocument"])


def test_who_may_not_connect_sees_what_is_missing(yuki):
    colleague = MembershipFactory().user

    assert follow(signed_in(colleague), app="Yuki").status_code == 403
    assert Client().post("/connect/").status_code in {302, 405}


HOSTILE = {
    "app": ["a\0b", "%00", "'; DROP TABLE x; --", "\u202e\U0001f4a3", "x" * 5000],
    "name": ["a\0b", "<script>alert(1)</script>", "x" * 5000, "\r\nSet-Cookie: a=b", "  "],
    "functions": ["\0", ",,,", "SendDocument," * 400, "<script>", "__all__", "senddocument"],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in HOSTILE.items() for value in values]
)
def test_hostile_parameters_prefill_at_most_a_form(visitor, yuki, field, value):
    answer = follow(visitor, **{"app": "Yuki", field: value})

    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    if answer.context.get("form"):
        name, access, ticked = form_of(answer)
        assert len(name) <= 60
        assert access in {"all", "chosen"}
        assert set(ticked) <= {"SendDocument"}


def test_a_get_of_the_link_makes_nothing(visitor, user, yuki):
    before = Event.objects.count()

    for _ in range(3):
        follow(visitor, app="Yuki", name="Books", functions="SendDocument", op_id="1" * 32)

    assert (Connection.objects.count(), Event.objects.count()) == (0, before)


def test_what_the_link_says_binds_nobody(visitor, user, yuki):
    """The keys follow what is posted, not the address that the form was opened at."""
    answer = follow(visitor, app="Yuki", name="Books", functions="SendDocument")
    address = answer.redirect_chain[-1][0]
    typed = {"name": "Mine", "access": "all", "op_id": answer.context["form"]["op_id"].value()}

    assert visitor.post(address, typed).status_code == 200
    connection = Connection.objects.get()
    assert (connection.name, connection.access, connection.owner) == ("Mine", "all", user)


def test_staff_without_an_environment_are_told_so(yuki):
    assert follow(signed_in(UserFactory(staff=True)), app="Yuki").status_code == 403
