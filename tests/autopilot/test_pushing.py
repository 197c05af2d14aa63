"""Pushing: at least once, with the same id, and nothing is lost whatever the package does."""

import json
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import services as accounts
from accounts.mail.models import Mail
from accounts.models import Environment, Membership, Plan
from connections import services as connections
from connections.autopilot import pushing
from connections.autopilot.models import Attempt, Autopilot, Push
from connections.autopilot.signing import sign
from connections.invoices import reoffers
from connections.invoices.models import Invoice, Offer
from connections.models import App, Connection
from tests.autopilot.conftest import switched_on
from tests.autopilot.package import Package, slowly
from tests.factories import MembershipFactory, organisation_at

pytestmark = pytest.mark.django_db
HOURS = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _outbox(settings):
    settings.EMAIL_BACKEND = "accounts.mail.backend.OutboxBackend"


def push_all(rounds=50):
    """Push until nothing is due any more."""
    for _round in range(rounds):
        if not pushing.push_next():
            return
    raise AssertionError("never ends")


def later(duration):
    """Let the time pass for what waits."""
    for push in Push.objects.all():
        push.send_after -= duration
        push.first_tried_at = push.first_tried_at and push.first_tried_at - duration
        push.tried_at = push.tried_at and push.tried_at - duration
        push.save()
    for autopilot in Autopilot.objects.all():
        for name in ("failing_since", "rests_until", "told_given_up_at"):
            value = getattr(autopilot, name)
            setattr(autopilot, name, value and value - duration)
        autopilot.save()


def state(connection):
    connection = Connection.objects.for_list().get(pk=connection.pk)
    return connection.status, connection.autopilot


def test_an_invoice_arrives_byte_for_byte_and_counts_as_retrieved(autopilot, package, arrive):
    [sent] = arrive("2026-7")

    push_all()

    [message] = package.messages
    assert message["type"] == "invoice.received"
    assert message["data"]["number"] == "2026-7"
    assert message["data"]["id"] == str(sent.uuid)
    offer = Offer.objects.get(connection=autopilot)
    assert offer.retrieved_at
    assert not Push.objects.exists()
    assert Invoice.objects.get().status == "downloaded"
    assert state(autopilot)[0] == "active"


def test_before_the_first_delivery_the_connection_was_never_used(autopilot):
    assert state(autopilot)[0] == "never_used"
    assert list(Connection.objects.never_used()) == [autopilot]


def test_what_failed_comes_again_later_with_the_same_id_and_another_time(
    autopilot, package, arrive
):
    package.behave = lambda message: 500
    arrive("1")
    push_all()
    package.behave = lambda message: 200

    push_all()
    assert len(package.got) == 1
    later(timedelta(seconds=40))
    push_all()

    first, second = package.got
    assert first[0]["webhook-id"] == second[0]["webhook-id"]
    assert Offer.objects.get(connection=autopilot).retrieved_at
    assert [it.outcome for it in Attempt.objects.order_by("pk")] == ["fault", "delivered"]
    assert [it.number for it in Attempt.objects.order_by("pk")] == [1, 2]


def test_pauses_grow_to_hours_and_after_three_days_it_is_given_up_and_told(
    autopilot, package, arrive, member
):
    package.behave = lambda message: 500
    arrive("1")
    tried, pauses = timezone.now(), []
    for _attempt in range(40):
        push_all()
        push = Push.objects.get()
        if push.given_up_at:
            break
        pauses.append(push.send_after - timezone.now())
        later(pauses[-1] + timedelta(minutes=6))  # as long as the package may rest
    assert tried
    assert 8 <= len(pauses) <= 25
    assert pauses[0] < timedelta(seconds=40)
    assert max(pauses) < 7.5 * HOURS
    assert Push.objects.get().given_up_at
    assert Offer.objects.get(connection=autopilot).retrieved_at is None
    mails = Mail.objects.filter(to=member.user.email, subject__startswith="Given up")
    assert mails.count() == 1


def test_what_was_given_up_can_be_offered_again_under_a_new_id(autopilot, package, arrive, member):
    package.behave = lambda message: 500
    [sent] = arrive("1")
    push_all()
    Push.objects.update(given_up_at=timezone.now())
    later(HOURS)
    package.behave = lambda message: 200
    push_all()
    assert len(package.got) == 1

    reoffers.reoffer(
        invoices=Invoice.objects.all(),
        organisation=member.organisation,
        connections=[autopilot],
        by=member.user,
    )
    push_all()

    assert len(set(package.ids)) == 2
    assert {said["data"]["id"] for said in package.messages} == {str(sent.uuid)}
    assert Offer.objects.get(connection=autopilot).retrieved_at


def test_what_was_delivered_and_is_offered_again_comes_under_a_new_id(
    autopilot, package, arrive, member
):
    arrive("1")
    push_all()

    reoffers.reoffer(
        invoices=Invoice.objects.all(),
        organisation=member.organisation,
        connections=[autopilot],
        by=member.user,
    )
    push_all()

    assert len(set(package.ids)) == 2


def test_a_crash_between_the_answer_and_the_commit_sends_again_under_the_same_id(
    autopilot, package, arrive, monkeypatch
):
    arrive("1")

    def dies(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pushing, "_finish", dies)
        with pytest.raises(KeyboardInterrupt):
            pushing.push_next()
    push_all()
    assert len(package.got) == 1  # leased for two minutes
    later(timedelta(minutes=3))
    push_all()

    assert len(package.got) == 2
    assert len(set(package.ids)) == 1
    assert Offer.objects.get(connection=autopilot).retrieved_at


def test_another_worker_leaves_what_is_leased(autopilot, package, arrive):
    arrive("1")
    pushing.make_pushes()
    mine, others = Push.objects.get(), Push.objects.get()

    assert [pushing._take(mine), pushing._take(others)] == [1, 0]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ((302, {"location": "http://127.0.0.1:1/"}), "redirect"),
        (301, "redirect"),
        (400, "refused"),
        (401, "refused"),
        (429, "busy"),
        (500, "fault"),
        (503, "busy"),
        (None, "strange"),
    ],
)
def test_the_journal_says_what_happened_and_no_redirect_is_followed(
    autopilot, package, arrive, answer, outcome
):
    package.behave = lambda message: answer
    arrive("1")

    push_all()

    attempt = Attempt.objects.get()
    assert attempt.outcome == outcome
    assert attempt.invoice.number == "1"
    assert Push.objects.get().send_after > timezone.now()
    assert len(package.got) == 1


def test_a_package_that_is_away_is_no_error_of_the_worker(member, allow, arrive):
    allow("127.0.0.1:9")
    switched_on(member, "http://127.0.0.1:9/")
    arrive("1")

    push_all()

    assert Attempt.objects.get().outcome == "unreachable"


def test_an_address_that_became_private_gets_nothing(autopilot, package, arrive, settings):
    settings.AUTOPILOT_PRIVATE = []
    arrive("1")

    push_all()

    assert (package.got, Attempt.objects.get().outcome) == ([], "address")


def test_retry_after_is_honoured(autopilot, package, arrive):
    package.behave = lambda message: (503, {"retry-after": "7200"})
    arrive("1", "2")

    push_all()

    assert Push.objects.filter(send_after__gt=timezone.now() + 1.9 * HOURS).count() >= 1
    assert state(autopilot)[1].rests_until > timezone.now() + 1.9 * HOURS


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("", None), ("soon", None), ("-5", None), ("0", None), ("٣", None), ("1e3", None)),
        *(("60", 60), ("9" * 40, 86_400), ("Wed, 21 Oct 2015 07:28:00 GMT", None)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
    ],
)
def test_wishes_of_a_package_are_read_with_care(text, seconds):
    wish = pushing._wish(type("Said", (), {"retry_after": text}))

    assert wish == (None if seconds is None else timedelta(seconds=seconds))


def test_gone_pauses_the_connection_and_tells(autopilot, package, arrive, member):
    package.behave = lambda message: 410
    arrive("1", "2", "3", "4")
    push_all()
    assert state(autopilot)[0] == "paused"
    assert Mail.objects.filter(to=member.user.email, subject__startswith="Paused").count() == 1

    package.behave = lambda message: 200
    connections.resume(connection=autopilot, by=member.user)
    later(HOURS)
    push_all()

    assert not Offer.objects.ready().exists()


def paused(connection, member):
    connections.pause(connection=connection, by=member.user)
    return lambda: connections.resume(connection=connection, by=member.user)


def suspended(connection, member):
    environments = Environment.objects.filter(pk=member.organisation.environment_id)
    environments.update(plan=Plan.INVOICE_PORTAL)
    return lambda: environments.update(plan=Plan.BASIC)


def without_owner(connection, member):
    other = MembershipFactory(organisation=member.organisation, user__administrator=True).user
    accounts.block(user=member.user, by=other)
    return lambda: accounts.unblock(user=member.user, by=other)


def blocked(connection, member):
    environments = Environment.objects.filter(pk=member.organisation.environment_id)
    environments.update(blocked_at=timezone.now())
    return lambda: environments.update(blocked_at=None)


def without_access(connection, member):
    memberships = Membership.objects.filter(pk=member.pk)
    memberships.update(accesses=["SendDocument"])
    return lambda: memberships.update(accesses=None)


def without_address(connection, member):
    apps = App.objects.filter(pk=connection.app_id)
    apps.update(autopilot_url="")
    return lambda: apps.update(autopilot_url=connection.app.autopilot_url)


@pytest.mark.parametrize(
    "stopped", [paused, suspended, without_owner, blocked, without_access, without_address]
)
def test_a_connection_that_is_stopped_pushes_nothing_and_goes_on_after(
    autopilot, package, arrive, member, stopped
):
    arrive("1")
    pushing.make_pushes()
    goes_on = stopped(autopilot, member)
    push_all()
    assert package.got == []

    goes_on()
    later(HOURS)
    push_all()

    assert package.numbers == ["1"]


def test_what_is_offered_while_paused_waits(autopilot, package, arrive, member):
    goes_on = paused(autopilot, member)
    arrive("1")
    push_all()
    goes_on()

    push_all()

    assert package.numbers == ["1"]


def test_a_revoked_connection_pushes_nothing_ever_and_its_rows_are_forgotten(
    autopilot, package, arrive, member
):
    arrive("1")
    pushing.make_pushes()
    connections.revoke(connection=autopilot, by=member.user)

    push_all()
    pushing.forget_attempts()

    assert package.got == []
    assert not Push.objects.exists()


def test_a_slow_package_holds_up_nobody_but_itself(member, package, allow, arrive):
    with Package() as slow:
        allow(slow.host)
        slow.behave = slowly(3)
        switched_on(member, slow.url, administration="A")
        quick = switched_on(member, package.url, administration="B")[0]
        arrive(*map(str, range(12)))
        began = timezone.now()
        while quick.offers.ready().exists():
            pushing.push_next(seconds=0.2)

        assert timezone.now() - began < timedelta(seconds=2.5)
        assert len(package.got) == 12
        assert len(slow.got) <= pushing.AT_ONCE_TO_A_HOST


def test_a_package_that_fails_is_asked_by_one_request_at_a_time_and_rests(
    autopilot, package, arrive
):
    package.behave = lambda message: 500
    arrive(*map(str, range(30)))

    push_all()

    assert len(package.got) < 12
    assert state(autopilot)[1].rests_until > timezone.now()


def test_what_waits_goes_soon_after_the_package_is_back(autopilot, package, arrive):
    package.behave = lambda message: 500
    arrive("1", "2", "3")
    push_all()
    Push.objects.update(attempts=9, send_after=timezone.now() + 5 * HOURS)
    package.behave = lambda message: 200
    Autopilot.objects.update(rests_until=None)
    arrive("4")

    push_all()

    assert sorted(set(package.numbers)) == ["1", "2", "3", "4"]
    assert not Offer.objects.ready().exists()
    assert state(autopilot)[1].failing_since is None


def test_one_invoice_that_the_package_refuses_keeps_its_pauses_among_others(
    autopilot, package, arrive
):
    package.behave = lambda message: 400 if message["data"]["number"] == "bad" else 200
    arrive("bad", "1", "2", "3")
    push_all()
    Push.objects.update(send_after=timezone.now() + 5 * HOURS)
    arrive("4", "5")

    push_all()

    assert package.numbers.count("bad") == 1


def test_people_are_told_once_when_it_fails_for_an_hour(autopilot, package, arrive, member):
    package.behave = lambda message: 500
    arrive("1")
    push_all()
    assert pushing.tell_of_failing() == 0
    later(HOURS)

    assert [pushing.tell_of_failing(), pushing.tell_of_failing()] == [1, 0]

    [mail] = Mail.objects.filter(to=member.user.email, subject__contains="do not reach")
    assert "HTTP 500: The package has a fault." in mail.body
    assert f"/connections/{autopilot.number}/autopilot/journal/" in mail.body


def test_new_failures_after_a_delivery_are_told_again(autopilot, package, arrive):
    package.behave = lambda message: 500
    arrive("1")
    push_all()
    later(HOURS)
    pushing.tell_of_failing()
    package.behave = lambda message: 200
    push_all()
    package.behave = lambda message: 500
    arrive("2")
    push_all()
    later(HOURS)

    assert pushing.tell_of_failing() == 1


def test_the_journal_forgets_after_ninety_days(autopilot, package, arrive):
    arrive("1", "2")
    push_all()
    old = Attempt.objects.earliest("pk")
    Attempt.objects.filter(pk=old.pk).update(at=timezone.now() - timedelta(days=91))

    assert pushing.forget_attempts() == 1

    assert old not in Attempt.objects.all()


def test_a_test_push_tells_what_the_package_says_and_is_in_the_journal(autopilot, package):
    attempt = pushing.push_test(connection=autopilot)

    assert (attempt.outcome, attempt.said, attempt.invoice) == ("delivered", "ok", None)
    assert package.messages[0]["type"] == "test"
    assert state(autopilot)[0] == "never_used"


def test_test_pushes_are_few(autopilot):
    for _test in range(pushing.TESTS_A_MINUTE):
        pushing.push_test(connection=autopilot)

    with pytest.raises(pushing.TestedOften):
        pushing.push_test(connection=autopilot)


@pytest.mark.parametrize("stopped", [suspended, without_owner, blocked, without_address])
def test_a_stopped_connection_sends_no_test_either(autopilot, package, member, stopped):
    stopped(autopilot, member)

    with pytest.raises(pushing.NothingIsPushed):
        pushing.push_test(connection=autopilot)
    assert package.got == []


def test_two_organisations_get_their_own_invoices(member, package, arrive):
    other = MembershipFactory(
        organisation=organisation_at("0192:987654326"), user__administrator=True
    )
    switched_on(member, package.url)
    switched_on(other, package.url)
    arrive("1")
    arrive("2", customer="0192:987654326")

    push_all()

    got = {(m["data"]["organisation"]["id"], m["data"]["number"]) for m in package.messages}
    assert got == {
        (member.organisation.organisation_id, "1"),
        (other.organisation.organisation_id, "2"),
    }


def test_the_body_is_json_and_its_signature_is_that_of_the_secret_shown(member, package, arrive):
    connection, secret = switched_on(member, package.url)
    arrive("1")
    push_all()
    headers, body = package.got[0]

    assert json.loads(body)
    assert headers["webhook-signature"] == sign(
        secret, id=headers["webhook-id"], timestamp=int(headers["webhook-timestamp"]), body=body
    )
    assert uuid.UUID(headers["webhook-id"].removeprefix("msg_"))


def test_a_worker_that_is_told_to_stop_writes_down_what_ends_soon(autopilot, package, arrive):
    package.behave = slowly(0.4)
    arrive("1")
    pushing.push_next(seconds=0.1)
    assert Offer.objects.ready().exists()

    pushing.end_pushes()

    assert not Offer.objects.ready().exists()
    assert not pushing._in_flight
