"""Looking up a request ID: which key, which function, what was missing, who can change it (R44)."""

from datetime import timedelta
from itertools import chain

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.events.models import Action, Event
from accounts.mail.models import Mail
from accounts.models import Membership
from connections import calls, refused, services
from connections.models import Access, RefusedCall
from connections.refusals import AskedAlready, NobodyToAsk
from tests.factories import AppFactory, MembershipFactory, UserFactory, connect, let_in
from tests.software import Software

pytestmark = pytest.mark.django_db


@pytest.fixture
def connected():
    return connect(access=Access.CHOSEN, functions=["GetInboxDocuments"])


@pytest.fixture
def found(connected):
    """A call that was refused because its function was not given to the key."""
    return refuse(connected)


def refuse(connected, path="/outbox"):
    Software(connected[1], connected[0].organisation).get(path)
    return RefusedCall.objects.latest("pk")


def looked_up(client, user, request_id):
    client.force_login(user)
    return client.get(reverse("connections:request"), {"id": request_id})


def test_a_refused_call_is_kept_with_what_its_answer_said(connected):
    answer = Software(connected[1], connected[0].organisation).get("/inbox", limit="many")

    row = RefusedCall.objects.get()
    assert row.request_id == answer.json()["request_id"]
    assert (row.function, row.code) == ("GetInboxDocuments", "ERRAPI4000422")
    assert row.details["details"][0]["field"] == "limit"


def test_an_accepted_call_leaves_no_row(connected):
    Software(connected[1], connected[0].organisation).get("/inbox")

    assert not RefusedCall.objects.exists()


def test_the_help_of_a_refused_call_leads_to_its_page(connected, client, settings):
    answer = Software(connected[1], connected[0].organisation).get("/outbox")

    client.force_login(connected[0].owner)
    page = client.get(answer.json()["help"].removeprefix(settings.PORTAL_BASE_URL))

    assert "GetOutboxDocuments" in page.text
    assert "The key was not given it." in " ".join(page.text.split())


@pytest.mark.parametrize("role", ["basic", "administrator"])
def test_members_see_why_and_who_can_change_it(client, connected, found, role):
    organisation = connected[0].organisation
    member = MembershipFactory(organisation=organisation, user__role=role).user

    page = looked_up(client, member, found.request_id).text

    assert connected[0].owner.get_full_name() in page
    assert "RETRIEVE_OUTBOX_DOCS" in page


def test_strangers_and_colleagues_who_are_no_members_see_nothing(client, connected, found):
    colleague = UserFactory(administrator=True, environment=connected[0].organisation.environment)
    for stranger in (UserFactory(administrator=True), colleague):
        page = looked_up(client, stranger, found.request_id)

        assert connected[0].name not in page.text
        assert "No refused call of your organisations" in page.text
        address = reverse("connections:ask-to-change", args=[found.request_id])
        assert client.post(address).status_code == 404


def test_a_partner_sees_the_calls_of_its_own_keys_alone(client):
    mandate = let_in(functions=["SendDocument"])
    asker = mandate.requests.get().asked_by
    through_partnership = refuse(connect(asker, organisation=mandate.organisation))
    of_the_client = refuse(connect(organisation=mandate.organisation, access=Access.CHOSEN))

    seen = RefusedCall.objects.within_reach_of(asker)

    assert list(seen) == [through_partnership]
    assert "No refused call" in looked_up(client, asker, of_the_client.request_id).text


def people(connected, found):
    return list(dict.fromkeys(chain(*changes(found).values())))


def changes(found):
    place = refused.place_of(found, refused.connection_of(found))
    return refused.who_can_change(found, place)


def test_of_a_missing_key_the_managers_of_the_keys_can_change_it(connected, found):
    other = MembershipFactory(organisation=connected[0].organisation, user__advanced=True).user
    MembershipFactory(organisation=connected[0].organisation)  # a basic user cannot

    assert people(connected, found) == [connected[0].owner, other]


def test_of_an_owner_who_lacks_it_the_administrators_can(connected):
    connection = connected[0]
    administrator = UserFactory(administrator=True, environment=connection.organisation.environment)
    connection.owner.memberships.update(accesses=[])

    assert people(connected, refuse(connected, "/inbox")) == [administrator]


def test_of_an_own_app_those_who_change_apps_can_and_of_a_generic_app_support():
    member = MembershipFactory(user__advanced=True)
    own = AppFactory(environment=member.organisation.environment, functions=["SendDocument"])
    with_own_app = connect(member.user, app=own)
    generic = connect(app=AppFactory(functions=["SendDocument"]))

    assert people(with_own_app, refuse(with_own_app)) == [member.user]
    assert people(generic, refuse(generic)) == []


def test_of_several_that_are_missing_each_is_told_with_its_people(client, connected):
    connection = connected[0]
    administrator = MembershipFactory(
        organisation=connection.organisation, user__administrator=True
    ).user
    services.change_accesses(connection=connection, access=Access.CHOSEN, by=connection.owner)
    connection.owner.memberships.update(accesses=[])
    found = refuse(connected)

    page = " ".join(looked_up(client, administrator, found.request_id).text.split())

    assert changes(found) == {"key": [administrator], "owner": [administrator]}
    for said in ("The key was not given it.", "does not have it here now", "All of this"):
        assert said in page


def test_a_call_about_a_further_organisation_is_judged_there(connected):
    connection, pair = connected
    place = MembershipFactory(
        user=connection.owner,
        organisation__environment=connection.organisation.environment,
    )
    services.change_accesses(connection=connection, access=Access.ALL, by=connection.owner)
    services.add_organisation(
        connection=connection, organisation=place.organisation, by=connection.owner
    )
    Membership.objects.filter(pk=place.pk).update(accesses=[])

    Software(pair, place.organisation).get("/outbox")

    assert list(changes(RefusedCall.objects.get())) == ["owner"]


def test_of_what_a_client_does_not_allow_its_administrators_can():
    client = MembershipFactory(user__administrator=True)
    mandate = let_in(client=client, functions=["SendDocument"])
    asker = mandate.requests.get().asked_by
    connected = connect(asker, organisation=mandate.organisation)

    assert people(connected, refuse(connected)) == [client.user]


def test_of_retired_keys_those_who_manage_them_are_told(connected):
    services.create_new_keys(connection=connected[0], by=connected[0].owner, op_id="0" * 32)

    assert people(connected, refuse(connected)) == [connected[0].owner]


def test_what_is_allowed_by_now_is_nobodys_to_change(connected, found):
    services.change_accesses(connection=connected[0], access=Access.ALL, by=connected[0].owner)

    assert people(connected, found) == []


def test_one_click_asks_those_who_can_once_a_day(client, connected, found):
    member = MembershipFactory(organisation=connected[0].organisation).user
    client.force_login(member)
    address = reverse("connections:ask-to-change", args=[found.request_id])

    answers = [client.post(address, follow=True).text for _ in range(2)]

    mail = Mail.objects.get(to=connected[0].owner.email, subject__contains="asks you")
    assert found.request_id in mail.body
    assert Event.objects.filter(action=Action.CHANGE_ASKED).count() == 1
    assert "Asked by mail" in answers[0]
    assert "less than a day ago" in answers[1]


def test_it_can_be_asked_again_a_day_later(connected, found):
    member = MembershipFactory(organisation=connected[0].organisation).user
    refused.ask(refused=found, by=member)
    with pytest.raises(AskedAlready):
        refused.ask(refused=found, by=member)
    RefusedCall.objects.update(asked_at=timezone.now() - timedelta(days=1, seconds=1))

    refused.ask(refused=found, by=member)

    assert Event.objects.filter(action=Action.CHANGE_ASKED).count() == 2


def test_nobody_asks_only_oneself(connected, found):
    with pytest.raises(NobodyToAsk):
        refused.ask(refused=found, by=connected[0].owner)


def test_of_each_key_set_the_newest_are_kept(connected, monkeypatch):
    monkeypatch.setattr(calls, "REFUSED_KEPT", 3)
    other = connect(access=Access.CHOSEN)
    refuse(other)

    rows = [refuse(connected) for _ in range(5)]

    kept = RefusedCall.objects.filter(key_set__connection=connected[0]).order_by("pk")
    assert list(kept) == rows[2:]
    assert RefusedCall.objects.filter(key_set__connection=other[0]).count() == 1


def test_what_is_older_than_30_days_is_forgotten(connected, found):
    assert calls.forget_refused() == 0
    RefusedCall.objects.update(at=timezone.now() - timedelta(days=31))
    assert calls.forget_refused() == 1
    assert not RefusedCall.objects.exists()


def test_details_are_short_and_hold_what_every_database_keeps(connected):
    key_set = connected[0].key_sets.get()
    extra = {"reason": "key", "details": [{"message": "a\0b\ud800" + "x" * 9000}] * 99}

    calls.CALLS.note(key_set.pk, function="", code="E", request_id="r", network="", extra=extra)

    kept = RefusedCall.objects.get().details["details"]
    assert (len(kept), len(kept[0]["message"])) == (10, 300)
    assert kept[0]["message"].startswith("a\ufffdb?x")


def test_the_page_costs_the_same_whoever_can_change_it(
    client, connected, found, django_assert_max_num_queries
):
    for _ in range(3):
        MembershipFactory(organisation=connected[0].organisation, user__advanced=True)
    looked_up(client, connected[0].owner, found.request_id)

    with django_assert_max_num_queries(14):
        client.get(reverse("connections:request"), {"id": found.request_id})
