"""Found a key? Whoever holds a Secret ends it, without signing in; nobody learns more, nothing is kept."""

import threading

import pytest
from django.core.cache import cache
from django.db import connection as db
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.events.models import Action, Event
from accounts.mail.models import Mail
from accounts.services import change_role
from connections import keys, services
from connections.models import Connection, KeySet
from portal.server_keys import Peppers
from tests.books.test_pages import everything_stored
from tests.browsing import signed_in
from tests.connections.test_pages import SECRET
from tests.factories import MembershipFactory, UserFactory, connect, let_in
from tests.software import Software

pytestmark = pytest.mark.django_db
PAGE = "/found/"
NOT_READ = "We read no Secret."


@pytest.fixture(autouse=True)
def _outbox(settings):
    settings.EMAIL_BACKEND = "accounts.mail.backend.OutboxBackend"
    cache.clear()  # or the limit would count what other tests pasted


@pytest.fixture
def member():
    return MembershipFactory(user__advanced=True).user


@pytest.fixture
def connected(member):
    return connect(member)


@pytest.fixture
def software(connected):
    connection, pair = connected
    return Software(pair, connection.organisation)


def paste(text, **headers):
    return Client(raise_request_exception=False).post(PAGE, {"text": text}, **headers)


def state_of(connection):
    return Connection.objects.for_list().get(pk=connection.pk).status


def mistyped(secret):
    return secret[:10] + ("a" if secret[10] != "a" else "b") + secret[11:]


def test_the_page_is_open_to_everybody_and_kept_by_nobody():
    answer = Client().get(PAGE)

    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    "around",
    ["{}", "Look: {}. Sorry!", '{{"secret": "{}"}}', "SECRET_KEY:{};\r\n", "x{}y", "<b>{}</b>"],
)
def test_a_secret_inside_other_text_ends_its_keys_at_once(connected, software, around):
    assert software.me().status_code == 200

    assert paste(around.format(connected[1].secret.reveal())).status_code == 200

    answer = software.me()
    assert (answer.status_code, answer.json()["code"]) == (401, "ERRIAU6000007")
    assert answer.json()["reason"] == "found"


def test_the_connection_and_the_overview_say_it_and_new_keys_revive_it(connected, member):
    connection, pair = connected
    paste(pair.secret.reveal())
    browser = signed_in(member)

    assert state_of(connection) == Connection.Status.KEYS_ENDED
    assert (
        "Somebody found the Secret and ended it" in browser.get(connection.url("connection")).text
    )
    assert "were found and ended: Bookkeeping" in browser.get("/").text
    assert "Keys ended" in browser.get("/connections/").text

    new = services.create_new_keys(connection=connection, by=member, op_id="1" * 32)
    assert Software(new, connection.organisation).me().status_code == 200
    assert state_of(connection) == Connection.Status.ACTIVE
    assert "were found and ended" not in browser.get("/").text


def test_owner_and_administrators_get_one_mail_each_without_the_secret(connected, member):
    connection, pair = connected
    boss = UserFactory(administrator=True, environment=member.environment)
    UserFactory(environment=member.environment)
    Mail.objects.all().delete()

    for _ in range(2):
        paste(pair.secret.reveal())

    mails = list(Mail.objects.all())
    assert sorted(mail.to for mail in mails) == sorted([member.email, boss.email])
    assert all(connection.url("new-keys") in mail.body for mail in mails)
    assert SECRET.search("".join(mail.body + mail.html for mail in mails)) is None


def test_the_log_of_each_side_has_one_event_without_an_actor():
    asker = UserFactory(advanced=True, environment__accountant=True)
    mandate = let_in(asker)
    _connection, pair = connect(asker, mandate.organisation)
    stranger = signed_in(MembershipFactory(user__administrator=True).user)

    for _ in range(2):
        stranger.post(PAGE, {"text": pair.secret.reveal()})

    events = Event.objects.filter(action=Action.KEYS_FOUND)
    sides = {asker.environment_id, mandate.organisation.environment_id}
    assert {event.environment_id for event in events} == sides
    assert [(event.actor, event.actor_name) for event in events] == [(None, "")] * 2
    assert {event.details["app_key"] for event in events} == {pair.app_key}


def revoked(connection):
    services.revoke(connection=connection, by=connection.owner)


def superseded(connection):
    services.create_new_keys(connection=connection, by=connection.owner, op_id="1" * 32)


def everything_about(connection):
    return [
        list(model.objects.order_by("pk").values()) for model in (Connection, KeySet, Event, Mail)
    ]


@pytest.mark.parametrize("ended", [revoked, superseded])
def test_keys_that_are_dead_already_change_nothing(connected, ended):
    connection, pair = connected
    ended(connection)
    before = everything_about(connection)

    paste(pair.secret.reveal())

    assert everything_about(connection) == before


def test_the_answer_does_not_tell_whether_a_secret_was_one_of_ours(connected):
    ours, dead = connected[1].secret.reveal(), connect()
    revoked(dead[0])
    tried = [ours, keys.make_pair().secret.reveal(), ours, dead[1].secret.reveal()]

    answers = [paste(secret) for secret in tried]

    pages = {answer.text.replace(token_of(answer), "") for answer in answers}
    assert len(pages) == 1
    assert {answer.status_code for answer in answers} == {200}


def token_of(answer):
    return str(answer.context["csrf_token"])


def test_a_mistyped_secret_is_no_secret_and_ends_nothing(connected, software):
    answer = paste(mistyped(connected[1].secret.reveal()))

    assert answer.status_code == 422
    assert NOT_READ in answer.text
    assert software.me().status_code == 200


def test_an_app_key_ends_nothing(connected, software):
    assert paste(connected[1].app_key).status_code == 422
    assert software.me().status_code == 200


def test_many_at_once_are_all_ended():
    many = [connect() for _ in range(3)]
    text = "\n".join(pair.secret.reveal() for _connection, pair in many)

    page = paste(text).text

    assert "We read 3 Secrets" in page
    assert {state_of(connection) for connection, _pair in many} == {Connection.Status.KEYS_ENDED}


def test_a_suspended_connection_is_ended_too_and_taken_over_with_new_keys(connected, member):
    connection, pair = connected
    boss = MembershipFactory(organisation=connection.organisation, user__administrator=True).user
    change_role(user=member, role="basic", by=boss)
    paste(pair.secret.reveal())

    assert not connection.key_sets.live().exists()
    assert state_of(connection) == Connection.Status.SUSPENDED
    new = services.take_over(connection=connection, by=boss, op_id="1" * 32)
    assert Software(new, connection.organisation).me().status_code == 200


def test_an_address_may_paste_60_times_an_hour():
    secret = keys.make_pair().secret.reveal()
    here = {"REMOTE_ADDR": "192.0.2.1"}

    answers = [paste(secret if n % 2 else "nothing", **here).status_code for n in range(62)]

    assert set(answers[:60]) == {200, 422}
    assert answers[60:] == [429, 429]
    assert paste(secret, REMOTE_ADDR="192.0.2.2").status_code == 200
    assert Client().get(PAGE, **here).status_code == 200


def test_what_is_over_the_limit_ends_nothing(connected, software):
    for _ in range(60):
        paste("nothing")

    assert paste(connected[1].secret.reveal()).status_code == 429
    assert software.me().status_code == 200


def test_nothing_that_was_pasted_is_stored_or_logged(connected, caplog):
    caplog.set_level("DEBUG")
    ours, other = connected[1].secret.reveal(), keys.make_pair().secret.reveal()

    for secret in (ours, other, mistyped(other)):
        page = paste(f"remarkable {secret}").text
        assert secret not in page

    kept = everything_stored() + caplog.text
    assert "remarkable" not in kept
    for secret in (ours, other, mistyped(other)):
        assert secret not in kept
        assert secret[-20:] not in kept


HOSTILE = [
    "",
    " ",
    "\0",
    "kps_" * 1024,
    "kps_" + "x" * 4092,
    ("kps_" + "a" * 38) * 97,
    "<script>alert(1)</script>",
    "\u202e\ufeff\ud7ff\U0001f511" * 100,
    "€" * 100_000,
    "\r\n" * 2048,
    "{{ secret }}{% url 'home' %}",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_a_sentence(text):
    answer = paste(text)

    assert answer.status_code == 422
    assert NOT_READ in answer.text
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_refused(method):
    assert getattr(Client(), method)(PAGE).status_code == 405


def test_without_its_token_the_form_is_refused(connected, software):
    client = Client(enforce_csrf_checks=True)

    assert client.post(PAGE, {"text": connected[1].secret.reveal()}).status_code == 403
    assert software.me().status_code == 200


def test_keys_are_found_under_an_older_pepper_and_under_no_wrong_one(connected, settings):
    old, new = settings.PEPPERS, b"n" * 32
    secret = connected[1].secret
    number = max(old.keys) + 1

    settings.PEPPERS = Peppers(number, {**old.keys, number: new})
    assert KeySet.objects.of_secret(secret).count() == 1
    settings.PEPPERS = Peppers(old.current, dict.fromkeys(old.keys, new))
    assert not KeySet.objects.of_secret(secret).exists()
    settings.PEPPERS = Peppers(number, {number: old.get(old.current)})
    assert not KeySet.objects.of_secret(secret).exists()


def test_the_tag_is_neither_the_secret_nor_its_digest(connected):
    key_set = connected[0].key_sets.get()

    assert len(key_set.leak_tag) == 64
    assert key_set.leak_tag != key_set.secret_digest
    assert key_set.leak_tag not in connected[1].secret.reveal()


def test_the_search_is_one_query_however_many_keys_there_are(django_assert_num_queries):
    _connection, pair = [connect() for _ in range(3)][-1]

    with django_assert_num_queries(1):
        assert KeySet.objects.of_secret(pair.secret).count() == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_who_paste_at_the_same_time_end_it_once(connected):
    Mail.objects.all().delete()
    start, ends = threading.Barrier(4), []

    def end():
        start.wait(20)
        ends.append(services.end_found(secret=connected[1].secret))
        db.close()

    threads = [threading.Thread(target=end, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert sorted(ends) == [False, False, False, True]
    assert Event.objects.filter(action=Action.KEYS_FOUND).count() == 1
    assert Mail.objects.count() == 1
    assert connected[0].key_sets.get().retired_at <= timezone.now()


def test_the_page_is_told_on_the_page_for_vendors():
    assert f'href="{reverse("connections:found")}"' in Client().get("/vendors/").text
