"""The outbox: written with the change, sent at least once, by as many workers as there are (R54)."""

from datetime import timedelta

import pytest
import time_machine
from django.core import mail as delivered
from django.core.mail import send_mail
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from accounts import services
from accounts.mail import services as outbox
from accounts.mail.models import Mail
from accounts.roles import Role
from tests.factories import UserFactory


@pytest.fixture
def waiting():
    """A mail that waits for a worker."""
    return Mail.objects.create(
        to="a@example.org", sender="Koppel <k@example.org>", subject="S", body="B"
    )


@pytest.fixture
def broken_post(settings):
    """A post office that takes nothing."""
    settings.DELIVERY_BACKEND = "tests.accounts.test_mail.Broken"


class Broken:
    def __init__(self, **options):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def send_messages(self, messages):
        raise ConnectionRefusedError("nobody there")


def test_a_mail_is_sent_once(waiting):
    assert [outbox.send_due(), outbox.send_due()] == [1, 0]

    assert [(m.to, m.subject, m.body) for m in delivered.outbox] == [(["a@example.org"], "S", "B")]
    assert Mail.objects.get().sent_at


def test_two_workers_do_not_send_the_same_mail(waiting):
    """Both have read the same row; the second finds it taken."""
    first, second = Mail.objects.get(), Mail.objects.get()

    assert [outbox._take(first), outbox._take(second)] == [True, False]


def test_what_a_dead_worker_had_taken_is_sent_after_its_lease(waiting):
    outbox._take(Mail.objects.get())
    assert outbox.send_due() == 0

    with time_machine.travel(timezone.now() + outbox.LEASE + timedelta(seconds=1)):
        assert outbox.send_due() == 1


def test_a_failure_is_tried_again_later(waiting, broken_post, settings):
    outbox.send_due()
    mail = Mail.objects.get()
    assert (mail.sent_at, mail.attempts) == (None, 1)
    assert mail.last_error == "ConnectionRefusedError: nobody there"
    assert mail.send_after > timezone.now() + timedelta(seconds=30)

    settings.DELIVERY_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    with time_machine.travel(mail.send_after):
        outbox.send_due()

    assert len(delivered.outbox) == 1
    assert Mail.objects.get().last_error == ""


def test_after_20_attempts_it_is_given_up_and_kept(waiting, broken_post):
    for attempt in range(outbox.MOST_ATTEMPTS + 3):
        with time_machine.travel(timezone.now() + attempt * timedelta(hours=12), tick=False):
            outbox.send_due()

    mail = Mail.objects.get()
    assert (mail.attempts, bool(mail.given_up_at), mail.sent_at) == (20, True, None)


def test_one_bad_mail_does_not_hold_up_the_next(waiting):
    Mail.objects.create(to="b@example.org", sender="broken\nsender", subject="S", body="B")

    outbox.send_due()

    assert [message.to for message in delivered.outbox] == [["a@example.org"]]
    assert Mail.objects.get(to="b@example.org").last_error.startswith("BadHeaderError")


def test_a_mail_goes_with_the_change_that_failed(administrator, colleague):
    with transaction.atomic():
        services.change_role(user=colleague, role=Role.ADVANCED, by=administrator)
        transaction.set_rollback(True)

    assert not Mail.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_mail_outside_of_a_transaction_is_refused(colleague, administrator):
    with pytest.raises(RuntimeError):
        outbox.queue(
            "role_changed", to="a@example.org", language="en", user=colleague, by=administrator
        )


def test_mails_of_other_packages_take_the_same_way():
    send_mail("S", "B", "k@example.org", ["a@example.org", "b@example.org"])

    assert [mail.to for mail in Mail.objects.order_by("pk")] == ["a@example.org", "b@example.org"]
    assert delivered.outbox == []


@pytest.mark.django_db(transaction=True)  # the worker closes connections, even inside a transaction
def test_the_worker_empties_the_outbox_and_ends_when_told_once(waiting):
    call_command("work", once=True)

    assert len(delivered.outbox) == 1


MAILS = {
    "invitation": lambda user, by: services.resend_invitation(user=user, by=by),
    "role_changed": lambda user, by: services.change_role(user=user, role=Role.ADVANCED, by=by),
    "user_blocked": lambda user, by: services.block(user=user, by=by),
    "user_removed": lambda user, by: services.remove(user=user, by=by),
}


@pytest.mark.parametrize("name", MAILS)
@pytest.mark.parametrize("language", ["en", "nl"])
def test_a_mail_greets_explains_and_leads_to_the_portal(administrator, environment, name, language):
    administrator.last_name = "d'Hondt & Zn"
    invited = name == "invitation"
    user = UserFactory(environment=environment, invited=invited, language=language)

    MAILS[name](user, administrator)

    mail = Mail.objects.get()
    assert mail.to == user.email
    assert 10 < len(mail.subject) < 80
    assert mail.body.splitlines()[0].endswith(",")
    assert ("Sanne" in mail.body.splitlines()[0]) == (not invited)
    assert mail.body.rstrip().endswith("http://localhost:8000")
    assert "Sanne d'Hondt & Zn" in mail.body
    assert "\n\n\n" not in mail.body


def test_only_the_address_of_the_portal_becomes_a_link(settings):
    settings.PORTAL_BASE_URL = "https://portal.example"
    foreign = ["https://portal.example@evil.example/x", "https://portal.example.evil.example/"]

    html = outbox.as_html("S", "\n\n".join([*foreign, "https://portal.example/users/"]))

    assert html.count("href=") == 1
    assert 'href="https://portal.example/users/"' in html


@pytest.mark.django_db(transaction=True)  # the worker closes connections, even inside a transaction
def test_a_worker_goes_on_when_the_mail_server_refuses(waiting, settings):
    settings.DELIVERY_BACKEND = "tests.accounts.test_mail.Closed"

    call_command("work", "--once", pause=0)

    assert Mail.objects.get().attempts == 1


class Closed(Broken):
    def __enter__(self):
        raise ConnectionRefusedError("nobody there")
