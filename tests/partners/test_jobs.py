"""What happens by itself: warnings and expiry (R30). Whatever runs twice does it once."""

from datetime import timedelta

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from accounts import services as accounts
from accounts.events.models import Action, Event
from accounts.mail.models import Mail
from accounts.models import User
from partners import services
from partners.models import AuthorisationRequest
from tests.factories import ask

Status = AuthorisationRequest.Status


@pytest.fixture
def three(asker):
    """Three pending requests of one person; their mails are gone."""
    sent = [ask(asker) for _ in range(3)]
    Mail.objects.all().delete()
    return sent


def after(**duration):
    return time_machine.travel(timezone.now() + timedelta(**duration))


def told():
    return sorted(Mail.objects.values_list("to", flat=True))


@pytest.mark.parametrize(("days", "warned"), [(15, 0), (16.1, 3), (20.9, 3), (21.1, 0)])
def test_the_asker_is_warned_once_in_the_last_five_days_in_one_mail(three, asker, days, warned):
    with after(days=days):
        assert [services.warn_due(), services.warn_due()] == [warned, 0]

    assert told() == [asker.email] * bool(warned)


@pytest.mark.parametrize(("days", "expired"), [(20.9, 0), (21.1, 3)])
def test_after_three_weeks_requests_expire_once_with_one_mail(three, asker, days, expired):
    with after(days=days):
        assert [services.expire_due(), services.expire_due()] == [expired, 0]

    assert told() == [asker.email] * bool(expired)
    assert AuthorisationRequest.objects.filter(status=Status.EXPIRED).count() == expired
    assert Event.objects.filter(action=Action.REQUEST_EXPIRED).count() == expired


def test_what_was_sent_again_is_warned_of_again(three, asker):
    with after(days=17):
        services.warn_due()
        services.resend(request=three[0], by=asker)
    with after(days=30):
        assert services.warn_due() == 0
    with after(days=34):
        assert services.warn_due() == 1


@pytest.mark.parametrize("job", [services.warn_due, services.expire_due])
@pytest.mark.parametrize("left", [accounts.block, accounts.remove])
def test_administrators_hear_where_the_asker_has_left(three, asker, boss, left, job):
    left(user=asker, by=boss)
    Mail.objects.all().delete()

    with after(days=17 if job is services.warn_due else 22):
        assert job() == 3

    assert told() == [boss.email]


@pytest.mark.parametrize("job", [services.warn_due, services.expire_due])
def test_each_asker_gets_one_mail_about_theirs(three, asker, job):
    other = ask()
    Mail.objects.all().delete()

    with after(days=17 if job is services.warn_due else 22):
        job()

    assert told() == sorted([asker.email, other.asked_by.email])
    mail = Mail.objects.get(to=other.asked_by.email)
    assert other.client_name in mail.body
    assert three[0].client_name not in mail.body


def test_what_is_answered_or_withdrawn_does_not_expire(three, asker):
    services.withdraw(request=three[0], by=asker)
    services.decline(request=three[1], by=User.objects.get(email=three[1].email))

    with after(days=22):
        assert services.expire_due() == 1

    statuses = [AuthorisationRequest.objects.get(pk=sent.pk).status for sent in three]
    assert statuses == [Status.WITHDRAWN, Status.DECLINED, Status.EXPIRED]


def test_before_the_job_has_been_there_it_counts_as_expired_already(three):
    with after(days=21.1):
        sent = AuthorisationRequest.objects.get(pk=three[0].pk)

        assert (sent.status, sent.state, sent.is_pending) == (Status.PENDING, Status.EXPIRED, False)
        assert not AuthorisationRequest.objects.open().exists()


@pytest.mark.django_db(transaction=True)  # the worker closes connections, even inside a transaction
def test_the_worker_does_it(three, asker):
    with after(days=17):
        call_command("work", "--once")
        warned = Mail.objects.get()
        assert warned.sent_at
    with after(days=22):
        call_command("work", "--once")
        call_command("work", "--once")

    assert Mail.objects.count() == 2
    assert AuthorisationRequest.objects.filter(status=Status.EXPIRED).count() == 3
