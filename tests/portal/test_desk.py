"""The support desk: what it finds, who reads that it looked, what it mends, and what it never shows."""

import re
import uuid
from urllib.parse import quote, urlsplit

import pytest
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import services
from accounts.events.models import Action, Event
from accounts.events.words import CODES
from accounts.mail.models import Mail
from accounts.models import Environment, Organisation, User
from accounts.staff import GRANTS
from connections.autopilot.models import Attempt, Autopilot, Push, SigningSecret
from connections.catalogue import create_gateway
from connections.invoices.models import Invoice, Offer
from connections.models import (
    AddedFunction,
    App,
    Connection,
    Gateway,
    KeySet,
    RefusedCall,
    SecurityToken,
)
from connections.services import create_new_keys
from partners.models import ActivationLink, AuthorisationRequest, Partnership
from tests.factories import (
    AppFactory,
    EnvironmentFactory,
    MembershipFactory,
    OrganisationFactory,
    UserFactory,
    connect,
    let_in,
)
from tests.racing import race
from tests.test_architecture import our_house
from tests.test_hostile_input import HOSTILE

pytestmark = pytest.mark.django_db
TOTP = "JBSWY3DPEHPK3PXP"


@pytest.fixture(autouse=True)
def _mails_are_rows(settings):
    settings.EMAIL_BACKEND = "accounts.mail.backend.OutboxBackend"


def at_the_desk(**values):
    """A browser of support with a second factor."""
    staff = UserFactory(**{"staff": True, "first_name": "Mieke", **values})
    Authenticator.objects.create(user=staff, type=Authenticator.Type.TOTP, data={"secret": TOTP})
    client = Client()
    client.force_login(staff)
    client.staff = staff
    return client


def in_group(name):
    client = at_the_desk(is_superuser=False)
    client.staff.groups.add(Group.objects.get(name=name))
    return client


@pytest.fixture
def desk():
    return at_the_desk()


@pytest.fixture
def support():
    return in_group("support")


@pytest.fixture
def house():
    return our_house()


@pytest.fixture
def connected():
    return connect(app=AppFactory(name="Yuki"))


def looks():
    return Event.objects.filter(action=Action.SUPPORT_LOOKED)


def search(client, text):
    return client.get(reverse("admin:search"), {"q": text})


def page_of(row):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def list_of(model):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


# What is found


def test_an_app_key_leads_straight_to_its_connection_be_it_old(support, connected):
    connection, old = connected
    new = create_new_keys(connection=connection, by=connection.owner, op_id=uuid.uuid4())

    for pair in (old, new):
        answer = search(support, f" {pair.app_key} ")
        assert answer["Location"] == reverse("admin:connection", args=[connection.pk])


@pytest.mark.parametrize("of", ["organisation_id", "registration_number", "name"])
def test_what_a_customer_reads_out_of_an_organisation_leads_to_the_environment(support, of):
    organisation = OrganisationFactory(registration_number="71234561", name="Bakery Jansen")
    OrganisationFactory(registration_number="71234562")

    answer = search(support, getattr(organisation, of))

    page = reverse("admin:environment", args=[organisation.environment_id])
    assert answer["Location"] == page


def test_a_part_of_a_name_lists_what_bears_it_by_environment(support):
    first = OrganisationFactory(name="Bakery North", environment__name="Bakery Group")
    second = OrganisationFactory(name="The old bakery")

    groups = search(support, "bakery").context["groups"]

    assert [(it, len(hits)) for it, hits in groups.items()] == [
        (first.environment, 2),
        (second.environment, 1),
    ]


def test_an_address_finds_its_person_requests_and_mails(support):
    mandate = let_in()
    request = mandate.requests.get()

    groups = search(support, request.email.upper()).context["groups"]

    found = {(environment, hit.url) for environment, hits in groups.items() for hit in hits}
    person = User.objects.get(email=request.email)
    mails = f"{list_of(Mail)}?q={request.email.upper().replace('@', '%40')}"
    assert found == {
        (person.environment, page_of(person)),
        (person.environment, mails),
        (mandate.accountant, page_of(request)),
    }


def test_a_request_id_leads_to_the_refused_call_or_to_what_happened(support, house):
    assert search(support, "req_1")["Location"] == page_of(house.refused)
    event = Event.objects.create(
        environment=house.organisation.environment,
        action=Action.USER_JOINED,
        subject_kind="user",
        subject_ref="1",
        request_id="req_2",
    )

    assert search(support, "req_2")["Location"] == page_of(event)


def test_what_is_read_out_may_be_spelt_as_on_the_phone(desk, connected):
    connection, pair = connected
    here = connection.organisation
    there = reverse("admin:environment", args=[here.environment_id])
    call = RefusedCall.objects.create(
        key_set=connection.key_sets.get(),
        request_id="req_196a93d906c6ebbb6208",
        code="ERRCDO4000011",
        at=timezone.now(),
    )

    for text in (
        f"{here.country} {here.registration_number}",
        f"{here.organisation_id[:4]} {here.organisation_id[4:]}",
    ):
        assert search(desk, text).url == there
    assert search(desk, f"{pair.app_key[:9]} {pair.app_key[9:]}").url == reverse(
        "admin:connection", args=[connection.pk]
    )
    for text in ("REQ_196A93D906C6EBBB6208", "196a93d906c6 ebbb6208"):
        assert search(desk, text).url == page_of(call)


def test_a_request_is_found_by_a_part_of_its_client_and_a_look_is_read_by_whom_it_waits_for(
    desk, house
):
    member = MembershipFactory(user__administrator=True)
    asked = house.asked
    AuthorisationRequest.objects.filter(pk=asked.pk).update(
        email=member.user.email, client_name="Kapsalon Knip"
    )

    page = desk.get(search(desk, "Kapsalon").url).content.decode()

    assert f"?q={member.user.email}" in page
    assert looks().filter(environment=member.user.environment).exists()
    assert looks().filter(environment=asked.accountant).exists()


def test_nobody_becomes_staff_without_a_group(desk):
    values = {"email": "noor@example.com", "first_name": "Noor", "last_name": "Bakker"}

    answer = desk.post(reverse("admin:accounts_user_add"), values)

    assert answer.context["adminform"].errors["groups"]
    assert not User.objects.filter(email="noor@example.com").exists()


@pytest.mark.parametrize("text", ["", "%", "ab", "x" * 10_000, "%%%", "' OR 1=1 --", "\\" * 9])
def test_hostile_searches_hear_a_sentence(support, text):
    OrganisationFactory()

    answer = search(support, text)

    assert answer.status_code in (200, 422)
    assert re.search(r"Type |Nothing was found\.", answer.text)
    assert not looks().exists()


@pytest.mark.parametrize("name", ["q", "q\0", "environment"])
def test_nothing_is_found_by_a_nul(support, name):
    for address in (reverse("admin:search"), list_of(User), list_of(Event)):
        answer = support.get(address, {name: "a\0b", "\0": "x"}, follow=True)

        assert "That is nothing to look for." in answer.text


@pytest.mark.parametrize("value", [text for text in HOSTILE if len(text) < 50 and "\0" not in text])
def test_hostile_addresses_of_lists_and_pages_get_an_answer(desk, value):
    for model, table in admin.site._registry.items():
        filters = {it[0] if isinstance(it, tuple) else it for it in table.list_filter}
        names = {"q", "p", "o", "e", "all", "_to_field", *table.belongs_to, *filters}
        names |= {f"{name}__exact" for name in filters} | {f"{name}__isempty" for name in filters}
        names |= {f"{table.date_hierarchy}__year"} if table.date_hierarchy else set()
        for name in sorted(names):
            answer = desk.get(list_of(model), {name: value}, follow=True)
            assert answer.status_code in (200, 400), (model, name)
        row = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=["x"])
        assert desk.get(row.replace("x", quote(value, errors="replace"))).status_code < 500


def test_a_search_costs_as_many_queries_for_much_as_for_nothing(support, django_assert_num_queries):
    UserFactory(email="much@example.com")
    for number in range(8):
        OrganisationFactory(name=f"Bakery {number}", environment__name=f"Bakery {number}")
    search(support, "nothing at all")

    with django_assert_num_queries(19):
        search(support, "nothing at all")
    with django_assert_num_queries(19 + 2 + 1):  # two tables looked up, and the lines in the logs
        search(support, "bakery")


@pytest.mark.parametrize("rows", [1, 3])
def test_the_page_of_an_environment_costs_the_same_for_much_as_for_little(
    support, rows, django_assert_num_queries
):
    environment = EnvironmentFactory()
    for _ in range(rows):
        place = MembershipFactory(organisation__environment=environment, user__administrator=True)
        connection, _pair = connect(place.user)
        let_in(client=place)
        RefusedCall.objects.create(
            key_set=connection.key_sets.get(),
            request_id=uuid.uuid4().hex,
            code="ERRCDO4000011",
            function="SendDocument",
            at=timezone.now(),
        )
    address = reverse("admin:environment", args=[environment.pk])
    support.get(address)

    with django_assert_num_queries(22):
        support.get(address)


def test_the_page_of_an_environment_says_the_cause_in_the_words_of_the_portal(support, connected):
    connection, _pair = connected
    services.change_role(user=connection.owner, role="basic", by=None)

    page = support.get(
        reverse("admin:environment", args=[connection.organisation.environment_id])
    ).text

    assert "Suspended" in page
    assert "has the role Basic user now, which may not manage connections." in page


# Who reads it


def rows_of(house):
    """A row of every table of the desk, with the environments whose administrators read of a look."""
    here = {house.organisation.environment}
    ours = house.let_in.partnership
    invoice = house.sent
    offer = Offer.objects.create(invoice=invoice, connection=house.autopilot)
    mail = Mail.objects.create(to=house.member.email, sender="x@example.com", body="x")
    attempt = Attempt.objects.create(
        connection=house.autopilot, message=uuid.uuid4(), milliseconds=1, outcome="fault"
    )
    gateway = Gateway(name="Front door")
    create_gateway(gateway, by=house.member)
    return {
        User: (house.member, here),
        Environment: (house.organisation.environment, here),
        Organisation: (house.organisation, here),
        Event: (Event.objects.of(house.organisation.environment).first(), here),
        Mail: (mail, here),
        App: (house.own_app, here),
        AddedFunction: (
            AddedFunction.objects.create(name="GetOrders", scope="GET_ORDERS", label="x"),
            set(),
        ),
        Gateway: (gateway, set()),
        Connection: (house.connection, here),
        RefusedCall: (house.refused, here),
        AuthorisationRequest: (house.let_in.requests.get(), {ours.client, ours.accountant}),
        Partnership: (ours, {ours.client, ours.accountant}),
        Invoice: (invoice, {it.environment for it in (invoice.sender, invoice.receiver) if it}),
        Autopilot: (house.autopilot.autopilot, here),
        Push: (Push.objects.get_or_create(offer=offer)[0], here),
        Attempt: (attempt, here),
    }


def test_every_table_says_to_which_environments_a_row_belongs_and_every_look_is_read_there(
    desk, house
):
    rows = rows_of(house)
    assert admin.site._registry.keys() == rows.keys()
    for model, (row, environments) in rows.items():
        told = set(looks().values_list("pk", flat=True))

        assert desk.get(page_of(row), follow=True).status_code == 200, model

        new = looks().exclude(pk__in=told)
        assert {event.environment for event in new} == environments, model
        assert {event.actor for event in new} <= {desk.staff}
        word = model._meta.label_lower
        assert not environments or word in CODES["looked_at"], model


def test_lists_show_nothing_before_a_search_and_tell_each_environment_shown_once(desk, house):
    for model, (row, environments) in rows_of(house).items():
        if not environments:
            continue
        looks_before = looks().count()
        empty = desk.get(list_of(model)).context["cl"].result_list
        assert [row for row in empty if getattr(row, "environment_id", 1)] == [], model
        assert looks().count() == looks_before

        by = {"q": "person"} if model in (User, Mail) else {}
        path = type(admin.site._registry[model]).belongs_to[0]
        listed = desk.get(list_of(model), by or {path: row_environment(row, path)})

        shown = list(listed.context["cl"].result_list)
        assert shown, model
        new = list(looks()[: looks().count() - looks_before])
        told = [event.environment_id for event in looks().order_by("-pk")[: len(new)]]
        assert len(told) == len(set(told)), model
        assert told, model


def row_environment(row, path):
    for name in path.split("__"):
        row = getattr(row, name)
    return getattr(row, "pk", row)


def test_an_administrator_reads_who_looked_and_at_what(support, connected):
    connection, _pair = connected
    environment = connection.organisation.environment
    support.get(reverse("admin:connection", args=[connection.pk]))
    support.get(reverse("admin:environment", args=[environment.pk]))
    reader = Client()
    reader.force_login(UserFactory(administrator=True, environment=environment))

    page = reader.get(reverse("accounts:activity")).text

    assert page.count("Support looked at") >= 2
    assert support.staff.get_full_name() in page
    assert "Bookkeeping (Yuki)" in page


def test_a_search_is_read_where_it_found_something_and_nowhere_else(support):
    found = OrganisationFactory(name="Bakery").environment
    OrganisationFactory(name="Baker")
    OrganisationFactory(name="Bakery Two", environment=found)

    search(support, "Bakery")

    look = looks().get()
    assert (look.environment, look.details) == (found, {"looked_at": "search"})


def test_the_history_of_a_row_is_a_look_too(desk, house):
    before = looks().count()

    desk.get(reverse("admin:accounts_user_history", args=[house.member.pk]))

    assert looks().count() == before + 1


# What is changed


def fields_of(client, row, **changed):
    """What the page of a row posts, with some of it changed."""
    page = client.get(page_of(row))
    form = page.context["adminform"].form
    posted = {name: value for name, value in form.initial.items() if name in form.fields}
    posted = {name: value for name, value in posted.items() if value not in (False, None)}
    for formset in page.context["inline_admin_formsets"]:
        prefix = formset.formset.prefix
        posted |= {f"{prefix}-TOTAL_FORMS": "0", f"{prefix}-INITIAL_FORMS": "0"}
    return {**posted, "stamp": page.context["stamp"], **changed}


def changes():
    return Event.objects.filter(action=Action.SUPPORT_CHANGED)


def test_support_gives_plan_and_right_and_the_log_says_both(support):
    environment = EnvironmentFactory()

    support.post(
        page_of(environment),
        fields_of(support, environment, plan="enterprise", accountant_right="on"),
    )

    event = changes().get()
    assert (event.environment, event.actor) == (environment, support.staff)
    assert event.details == {
        "plan": {"from": "basic", "to": "enterprise"},
        "accountant_right": {"from": False, "to": True},
    }
    assert event.details_in_words == (
        "plan: Basic → Enterprise; may send authorisation requests: no → yes"
    )


def test_the_later_of_two_changes_does_not_overwrite_the_earlier_one_unseen(support):
    environment = EnvironmentFactory(name="Bakery")
    other = in_group("support")
    stale = fields_of(other, environment, name="Bakers")
    support.post(page_of(environment), fields_of(support, environment, plan="enterprise"))

    answer = other.post(page_of(environment), stale, follow=True)

    environment.refresh_from_db()
    assert (environment.name, environment.plan) == ("Bakery", "enterprise")
    assert "Somebody else changed this in the meantime." in answer.text


def test_a_change_of_names_can_be_forgotten_with_its_person(support):
    person = UserFactory(first_name="Vera", last_name="Zilverspreeuw", administrator=True)
    UserFactory(administrator=True, environment=person.environment)
    support.post(page_of(person), fields_of(support, person, last_name="Canarina"))
    assert changes().get().details["name"]["to"] == "Vera Canarina"
    person.refresh_from_db()

    services.delete_account(user=person)

    left = str([event.details for event in Event.objects.all()])
    assert "Zilverspreeuw" not in left
    assert "Canarina" not in left


def test_the_addresses_of_an_organisation_are_changed_with_an_event(support):
    organisation = OrganisationFactory()
    posted = fields_of(support, organisation)
    posted |= {"addresses-TOTAL_FORMS": "1", "addresses-0-value": "0088:7300010000001"}
    posted |= {"sending": "on", "receiving": "on"}

    support.post(page_of(organisation), posted)

    assert organisation.addresses.get().value == "0088:7300010000001"
    assert changes().get().details == {
        "addresses": {"added": ["0088:7300010000001"], "removed": []}
    }


def test_blocking_is_not_done_by_a_form(support):
    environment = EnvironmentFactory()

    support.post(
        page_of(environment),
        fields_of(support, environment, blocked_at_0="2026-01-01", blocked_at_1="10:00"),
    )

    environment.refresh_from_db()
    assert environment.blocked_at is None


# What is mended


def test_a_mail_that_was_given_up_is_tried_again_and_the_log_says_so(support):
    reader = UserFactory()
    mail = Mail.objects.create(to=reader.email, attempts=20, given_up_at=timezone.now())

    support.post(reverse("admin:send_again", args=[mail.pk]))

    mail.refresh_from_db()
    assert (mail.attempts, mail.given_up_at) == (0, None)
    assert Mail.objects.due(timezone.now()).get(pk=mail.pk)
    event = Event.objects.get(action=Action.MAIL_SENT_AGAIN)
    assert (event.environment, event.actor) == (reader.environment, support.staff)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"sent_at": timezone.now()}, "It is not sent again"),
        ({}, "is tried within two minutes"),
    ],
)
def test_a_mail_that_left_or_is_about_to_is_not_sent_again(support, values, sentence):
    mail = Mail.objects.create(to="x@example.com", **values)
    before = Mail.objects.values().get()

    answer = support.post(reverse("admin:send_again", args=[mail.pk]), follow=True)

    assert sentence in answer.text
    assert Mail.objects.values().get() == before


def test_a_connection_is_revoked_after_a_question_that_says_what_stops(support, connected):
    connection, _pair = connected
    address = reverse("admin:revoke", args=[connection.pk])

    asked = support.post(address)
    connection.refresh_from_db()
    assert connection.revoked_at is None
    assert "at once and for ever" in asked.text
    support.post(address, dict(asked.context["posted"]))

    connection.refresh_from_db()
    assert connection.revoked_by == support.staff
    assert connection.owner.notices.filter(template="connection_revoked").exists()
    assert Event.objects.get(action=Action.CONNECTION_REVOKED).actor == support.staff
    again = support.post(address, {"confirmed": "yes"}, follow=True)
    assert again.status_code == 200
    assert Event.objects.filter(action=Action.CONNECTION_REVOKED).count() == 1


# Who may do it


def test_the_groups_have_exactly_their_permissions():
    for name, grants in GRANTS.items():
        wanted = {f"{app}.{codename}" for app, names in grants.items() for codename in names}
        has = Permission.objects.filter(group__name=name).select_related("content_type")
        assert {f"{it.content_type.app_label}.{it.codename}" for it in has} == wanted


@pytest.mark.parametrize(
    ("group", "looks_up", "publishes"), [("support", 200, 403), ("publisher", 403, 200)]
)
def test_each_group_does_its_own_work(group, looks_up, publishes):
    client = in_group(group)
    environment = EnvironmentFactory()

    assert search(client, "nothing at all").status_code == looks_up
    address = reverse("admin:environment", args=[environment.pk])
    assert client.get(address).status_code == looks_up
    assert client.get(reverse("admin:connections_app_add")).status_code == publishes
    assert client.get(reverse("admin:connections_gateway_add")).status_code == publishes


def test_support_can_make_nobody_staff_least_of_all_itself(support):
    everything = {"is_superuser": "on", "is_staff": "on", "groups": [1, 2], "user_permissions": [1]}
    person = UserFactory()

    support.post(page_of(support.staff), everything)
    support.post(page_of(person), fields_of(support, person, **everything))

    for user in (support.staff, person):
        before = user.is_staff, list(user.groups.all())
        user.refresh_from_db()
        assert (user.is_staff, list(user.groups.all())) == before
        assert not user.is_superuser
    assert support.get(reverse("admin:accounts_user_add")).status_code == 403
    assert support.post(reverse("admin:end_access", args=[person.pk])).status_code == 403
    assert list(support.get(list_of(User), {"is_staff": "1"}).context["cl"].result_list) == []


def test_a_superuser_makes_a_member_of_support_who_sets_a_password_by_mail(desk):
    groups = Group.objects.filter(name="support")
    desk.post(
        reverse("admin:accounts_user_add"),
        {
            "email": "Noor@example.com",
            "first_name": "Noor",
            "last_name": "Bakker",
            "groups": [groups.get().pk],
        },
    )

    staff = User.objects.get(email="noor@example.com")
    assert (staff.is_staff, staff.is_superuser, staff.environment) == (True, False, None)
    assert list(staff.groups.all()) == list(groups)
    mail = Mail.objects.get(to=staff.email)
    link = urlsplit(re.search(r"^http\S+/invitation\S+", mail.body, re.M)[0]).path
    browser = Client()
    names = {"first_name": "Noor", "last_name": "Bakker", "password": "sunny meadow with cows"}
    assert "support desk" in browser.get(link).text
    browser.post(link, names)
    there = browser.get(reverse("admin:index"), follow=True)
    assert there.redirect_chain[-1][0] == reverse("mfa_index")


def test_a_superuser_chooses_the_groups_and_they_hold_from_the_next_click(desk):
    noor = in_group("support")
    publisher = Group.objects.get(name="publisher")
    posted = fields_of(desk, noor.staff, groups=[publisher.pk])

    desk.post(page_of(noor.staff), posted)

    event = Event.objects.get(action=Action.STAFF_CHANGED)
    assert event.details == {"added": ["publisher"], "removed": ["support"]}
    assert search(noor, "nothing at all").status_code == 403
    assert noor.get(list_of(App)).status_code == 200


def test_publishers_see_no_own_apps(house):
    publisher = in_group("publisher")
    own = AppFactory(environment=EnvironmentFactory(), name="Own")
    generic = AppFactory(name="Generic")

    shown = publisher.get(list_of(App), {"q": "n"}).context["cl"].result_list

    assert generic in shown
    assert own not in shown
    assert publisher.get(page_of(own)).status_code == 302


def test_what_a_generic_app_asks_for_is_changed_with_an_event():
    publisher = in_group("publisher")
    app = AppFactory(functions=["GetInboxDocuments", "GetInboxDocument"], name="Yuki")
    posted = fields_of(publisher, app, functions=["GetInboxDocuments"])

    publisher.post(page_of(app), posted)

    app.refresh_from_db()
    assert app.functions == ["GetInboxDocuments"]
    event = changes().get()
    assert (event.environment, event.actor) == (None, publisher.staff)
    assert event.details == {"functions": {"added": [], "removed": ["GetInboxDocument"]}}


def test_an_address_that_has_a_login_becomes_no_staff(desk):
    user = UserFactory()

    desk.post(
        reverse("admin:accounts_user_add"),
        {"email": user.email, "first_name": "Noor", "last_name": "Bakker"},
    )

    user.refresh_from_db()
    assert not user.is_staff


def test_the_end_of_an_access_ends_its_sessions(desk):
    ended = in_group("support")
    assert ended.get(reverse("admin:index")).status_code == 200

    asked = desk.post(reverse("admin:end_access", args=[ended.staff.pk]))
    assert ended.get(reverse("admin:index")).status_code == 200
    desk.post(asked.wsgi_request.path, {"confirmed": "yes"})

    assert ended.get(reverse("admin:index")).status_code == 302
    ended.staff.refresh_from_db()
    assert (ended.staff.is_active, ended.staff.is_staff) == (False, False)
    assert Event.objects.get(action=Action.STAFF_ENDED).actor == desk.staff


def test_nobody_ends_the_own_access(desk):
    desk.post(reverse("admin:end_access", args=[desk.staff.pk]), {"confirmed": "yes"})

    desk.staff.refresh_from_db()
    assert desk.staff.is_active


# What is never shown


def test_no_page_of_the_desk_shows_a_secret_or_what_one_is_made_from(desk, house):
    planted = plant(house)
    rows = rows_of(house)
    seen, waiting = {}, [reverse("admin:index"), f"{reverse('admin:search')}?q=person"]
    waiting += [page_of(row) for row, _environments in rows.values()]
    waiting += [reverse("admin:environment", args=[house.organisation.environment_id])]
    for model, (row, _environments) in rows.items():
        path = (type(admin.site._registry[model]).belongs_to or [""])[0]
        value = row_environment(row, path) if path else ""
        waiting.append(f"{list_of(model)}?{path}={value}" if path else list_of(model))
    while waiting and len(seen) < 400:
        address = waiting.pop(0)
        answer = desk.get(address)
        seen[address] = answer.text
        links = re.findall(r'href="(/admin/[^"#]*)"', answer.text.replace("&amp;", "&"))
        for link in [*links, answer.get("Location", "")]:
            grows = "/events/event/" in link and not link.endswith("/change/")
            if link.startswith("/admin/") and not grows and link not in {*seen, *waiting}:
                waiting.append(link)

    assert len(seen) > 60
    assert not waiting
    shown = [(address, what) for address, text in seen.items() for what in planted if what in text]
    assert shown == []


def plant(house):
    """Every value that may stand on no page."""
    house.member.set_password("a planted password")
    house.member.save()
    client = Client()
    client.force_login(house.member)
    Mail.objects.create(
        to=house.member.email, subject="x", body="planted body", html="planted html"
    )
    SecurityToken.objects.create(
        key_set=house.connection.key_sets.get(), digest="planted-token", expires_at=timezone.now()
    )
    links = ActivationLink.objects.values_list("digest", flat=True)
    keys = KeySet.objects.values_list("secret_digest", "leak_tag", "op_id")
    asked = AuthorisationRequest.objects.values_list("op_id", flat=True)
    signing = SigningSecret.objects.get()
    return [
        *("planted body", "planted html", "planted-token", TOTP, house.member.password),
        *(str(value) for line in keys for value in line),
        *map(str, asked),
        *links,
        *Session.objects.values_list("session_key", flat=True),
        str(signing.op_id),
        signing.reveal().reveal(),
        *Event.objects.values_list("seal", flat=True),
        *Gateway.objects.values_list("secret_digest", flat=True),
    ]


@pytest.mark.parametrize(
    ("model", "lookup"),
    [
        (User, "password__startswith"),
        (User, "session_epoch__gt"),
        (Mail, "body__contains"),
        (Gateway, "secret_digest__startswith"),
        (Connection, "key_sets__secret_digest__startswith"),
        (Event, "seal__startswith"),
        (AuthorisationRequest, "op_id__startswith"),
    ],
)
def test_no_list_answers_about_what_no_page_shows(desk, model, lookup):
    assert desk.get(list_of(model), {lookup: "1"}).status_code == 400


def test_nothing_leads_around_the_looks(desk):
    for name in ("autocomplete", "r/9/1"):
        assert desk.get(f"{reverse('admin:index')}{name}/").status_code == 404


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_two_changes_at_the_same_instant_the_second_hears_of_the_first():
    environment = EnvironmentFactory(name="Bakery")
    one, two = in_group("support"), in_group("support")
    posted = [
        fields_of(one, environment, plan="enterprise"),
        fields_of(two, environment, plan="professional"),
    ]
    address = page_of(environment)

    answers = race(
        lambda: one.post(address, posted[0])["Location"],
        lambda: two.post(address, posted[1])["Location"],
    )

    assert sorted(address == where for where in answers) == [False, True]
    assert changes().count() == 1
