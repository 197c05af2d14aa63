"""Knowing whether it works: keys that nobody uses (R21), and software that still calls (R20)."""

import re
import uuid
from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from lxml import html

from accounts import services as accounts
from accounts.mail.models import Mail
from accounts.roles import Role
from connections import services
from connections.models import CallCount
from partners import services as partners
from tests.browsing import session_of
from tests.factories import AppFactory, MembershipFactory, UserFactory, connect, let_in
from tests.software import Software

pytestmark = pytest.mark.django_db
UNUSED = "Yuki has never called"
STILL = "Yuki still calls with old keys"


@pytest.fixture(autouse=True)
def _outbox(settings):
    settings.EMAIL_BACKEND = "accounts.mail.backend.OutboxBackend"


@pytest.fixture
def yuki():
    return AppFactory(name="Yuki")


@pytest.fixture
def owner():
    return MembershipFactory(user__advanced=True).user


@pytest.fixture
def made(owner, yuki):
    return connect(owner, app=yuki)


def after(**duration):
    return time_machine.travel(timezone.now() + timedelta(**duration), tick=False)


def call(made):
    connection, pair = made
    return Software(pair, connection.organisation).me().status_code


def revoke(made):
    services.revoke(connection=made[0], by=made[0].owner)


def suspend(made):
    by = UserFactory(administrator=True, environment=made[0].owner.environment)
    accounts.change_role(user=made[0].owner, role=Role.BASIC, by=by)


def find(made):
    services.end_found(secret=made[1].secret)


def renew(made):
    services.create_new_keys(connection=made[0], by=made[0].owner, op_id=uuid.uuid4())


def overview(user):
    client = Client()
    client.cookies["sessionid"] = session_of(user)
    page = client.get("/", follow=True).text  # a person who has lost the role signs in again
    return " ".join(html.fromstring(page).text_content().split())


# Made, never used


@pytest.mark.parametrize(
    ("hours", "listed"), [(0, False), (23.9, False), (24.1, True), (999, True)]
)
def test_the_overview_tells_it_after_a_day(made, owner, hours, listed):
    with after(hours=hours):
        assert (UNUSED in overview(owner)) == listed


@pytest.mark.parametrize("change", [call, revoke, suspend, find, renew])
def test_the_overview_tells_nothing_where_it_is_not_so(made, owner, change):
    with after(hours=25):
        change(made)
        assert UNUSED not in overview(owner)


def test_only_who_reaches_the_connection_is_told(made):
    stranger = MembershipFactory(user__administrator=True).user

    with after(days=8):
        assert UNUSED not in overview(stranger)


def reminded(days):
    """How many mails about unused keys there are, that many days from now, after two rounds of the job."""
    with after(days=days):
        services.remind_unused()
        assert services.remind_unused() == 0
    return Mail.objects.filter(subject__contains="made, never used").count()


def test_the_owner_gets_one_mail_after_a_week(made, owner):
    assert [reminded(days) for days in (0, 6.9, 7.1, 8, 30)] == [0, 0, 1, 1, 1]
    assert (
        Mail.objects.get(subject=f"Yuki for {made[0].organisation}: made, never used").to
        == owner.email
    )


def test_administrators_hear_of_it_too_each_once(made, owner):
    boss = UserFactory(administrator=True, environment=owner.environment)
    UserFactory(advanced=True, environment=owner.environment)

    assert reminded(days=8) == 2
    told = set(Mail.objects.filter(subject__contains="never used").values_list("to", flat=True))
    assert told == {owner.email, boss.email}


@pytest.mark.parametrize("change", [call, revoke, suspend, find])
def test_no_mail_where_it_is_not_so(made, change):
    change(made)

    assert reminded(days=8) == 0


def test_new_keys_begin_anew(made):
    assert reminded(days=8) == 1
    with after(days=9):
        renew(made)

    assert [reminded(days=days) for days in (9, 15, 17, 30)] == [1, 1, 2, 2]


def test_keys_that_were_used_before_new_ones_are_told_again_when_those_rest(made):
    call(made)
    renew(made)

    assert reminded(days=8) == 1


def test_the_mail_leads_to_the_connection_and_holds_no_secret(made):
    reminded(days=8)
    body = Mail.objects.get(subject__contains="never used").body

    assert made[0].get_absolute_url() in body
    assert "kps_" not in body


def test_many_are_told_in_the_same_round(owner):
    for _ in range(3):
        connect(owner, app=AppFactory())

    assert reminded(days=8) == 3


@pytest.mark.django_db(transaction=True)  # the worker closes connections, even inside a transaction
def test_the_worker_sends_it(made, owner):
    Mail.objects.all().delete()

    with after(days=8):
        call_command("work", "--once")

    [message] = [it for it in mail.outbox if "made, never used" in it.subject]
    assert message.to == [owner.email]


# Still calling


@pytest.fixture
def asker():
    return UserFactory(advanced=True, environment__accountant=True)


@pytest.fixture
def client_member():
    return MembershipFactory(user__administrator=True)


@pytest.fixture
def ended(asker, client_member, yuki):
    """A connection that an accountant made, whose partnership is over, while the software goes on calling."""
    mandate = let_in(asker, client_member, app=yuki)
    made = connect(asker, mandate.organisation, yuki)
    call(made)
    services.end_partnership(partnership=mandate.partnership, by=client_member.user)
    assert call(made) == 401
    return made


def details_of(user, connection):
    """Where the overview leads for the software that still calls, and how that answers."""
    client = Client()
    client.cookies["sessionid"] = session_of(user)
    page = html.fromstring(client.get("/").text)
    [item] = [li for li in page.xpath("//ul[@class='tasks']/li") if STILL in li.text_content()]
    [address] = item.xpath(".//a/@href")
    return address, client.get(address).status_code


def test_the_client_of_an_ended_partnership_is_told_on_overview_and_connection(
    ended, client_member
):
    address, status = details_of(client_member.user, ended[0])

    assert (address, status) == (ended[0].get_absolute_url(), 200)


def test_the_accountant_is_told_and_led_to_the_page_of_the_client(ended, asker):
    address, status = details_of(asker, ended[0])

    assert (address, status) == (ended[0].mandate.get_absolute_url(), 200)


def test_an_administrator_of_the_accountancy_is_told_too(ended, asker):
    boss = UserFactory(administrator=True, environment=asker.environment)

    assert details_of(boss, ended[0]) == (ended[0].mandate.get_absolute_url(), 200)


def test_nobody_else_is_told(ended, asker, client_member):
    others = [
        MembershipFactory(user__administrator=True).user,
        UserFactory(administrator=True, environment__accountant=True),
        UserFactory(advanced=True, environment=asker.environment),
        UserFactory(advanced=True, environment=client_member.user.environment),
    ]

    assert [STILL in overview(other) for other in others] == [False] * 4


def test_a_client_that_is_an_accountant_itself_is_led_to_its_own_connection(yuki, asker):
    client = MembershipFactory(user__administrator=True, organisation__environment__accountant=True)
    mandate = let_in(asker, client, app=yuki)
    made = connect(asker, mandate.organisation, yuki)
    services.end_partnership(partnership=mandate.partnership, by=client.user)
    call(made)

    assert details_of(client.user, made[0]) == (made[0].get_absolute_url(), 200)


def test_an_administrator_who_may_not_enter_the_client_is_led_to_a_page_that_opens(
    yuki, asker, client_member
):
    boss = UserFactory(administrator=True, environment=asker.environment)
    made = connect(asker, let_in(asker, client_member, app=yuki).organisation, yuki)
    revoke(made)
    call(made)

    assert details_of(boss, made[0]) == (made[0].mandate.get_absolute_url(), 200)
    assert details_of(asker, made[0]) == (made[0].get_absolute_url(), 200)


def test_it_is_counted_with_time_function_and_network(ended, asker):
    organisation = ended[0].organisation
    Software(ended[1], organisation).get("/inbox")

    counts = CallCount.objects.still_calling()
    assert {(it.function, it.calls) for it in counts} == {("", 1), ("GetInboxDocuments", 1)}
    assert all(it.last_network and it.last_at for it in counts)
    assert re.search(rf"{STILL}: Bookkeeping of {organisation} ?, 2 times", overview(asker))


@pytest.mark.parametrize(("days", "told"), [(6, True), (7.1, False)])
def test_after_seven_quiet_days_nobody_is_told_any_more(ended, asker, client_member, days, told):
    with after(days=days):
        for user in (asker, client_member.user):
            assert (STILL in overview(user)) == told


def test_a_call_before_the_end_is_no_call_after_it(asker, client_member, yuki):
    mandate = let_in(asker, client_member, app=yuki)
    call(connect(asker, mandate.organisation, yuki))
    services.end_partnership(partnership=mandate.partnership, by=client_member.user)

    assert STILL not in overview(asker)


def test_software_that_calls_with_found_keys_is_told_until_it_has_new_ones(made, owner):
    connection, _pair = made
    call(made)
    find(made)
    call(made)
    assert STILL in overview(owner)

    pair = services.create_new_keys(connection=connection, by=owner, op_id=uuid.uuid4())
    call((connection, pair))

    assert STILL not in overview(owner)


def test_whom_the_client_took_out_is_told_nothing_more(yuki, asker, client_member):
    mandate = let_in(asker, client_member, app=yuki)
    made = connect(asker, mandate.organisation, yuki)
    revoke(made)
    partners.remove_person(mandate=mandate, user=asker, by=client_member.user)
    call(made)

    assert STILL not in overview(asker)
