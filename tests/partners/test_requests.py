"""Asking, sending again, withdrawing and reminding: the accountant's side (R29, R30, R33, R35)."""

import hashlib
import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.apps import apps
from django.core import serializers
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.mail.models import Mail
from accounts.models import Plan
from partners import refusals, services
from partners.models import ActivationLink, AuthorisationRequest, Mandate
from tests.factories import (
    AppFactory,
    OrganisationFactory,
    UserFactory,
    ask,
    let_in,
)
from tests.partners.conftest import newest_link

Status = AuthorisationRequest.Status


def later(**duration):
    return time_machine.travel(timezone.now() + timedelta(**duration))


def without_right(asker, member):
    asker.environment.accountant_right = False
    asker.environment.save()
    return {}


def in_the_free_plan(asker, member):
    asker.environment.plan = Plan.INVOICE_PORTAL
    asker.environment.save()
    return {}


def to_a_colleague(asker, member):
    return {"email": UserFactory(environment=asker.environment).email.upper()}


def for_ones_own_organisation(asker, member):
    own = OrganisationFactory(environment=asker.environment)
    return {"registration_number": own.registration_number}


def for_nothing(asker, member):
    return {"functions": []}


def for_what_the_package_does_not_ask(asker, member):
    return {"app": AppFactory(functions=["SendDocument"]), "functions": ["GetInboxDocument"]}


def for_what_is_allowed(asker, member):
    let_in(asker, member)
    return {}


def for_what_is_pending(asker, member):
    return {"app": ask(asker, member).app}


def with_the_same_form(asker, member):
    return {"op_id": ask(asker, member).op_id}


REFUSED = [
    (without_right, refusals.NoAccountantRight),
    (in_the_free_plan, refusals.NoAccountantRight),
    (to_a_colleague, refusals.OwnAddress),
    (for_ones_own_organisation, refusals.OwnOrganisation),
    (for_nothing, refusals.NothingAsked),
    (for_what_the_package_does_not_ask, refusals.NothingAsked),
    (for_what_is_allowed, refusals.AlreadyClient),
    (for_what_is_pending, refusals.AlreadyAsked),
    (with_the_same_form, refusals.AlreadySent),
]


@pytest.mark.parametrize(
    ("how", "refusal"), REFUSED, ids=[how.__name__ for how, _refusal in REFUSED]
)
def test_what_cannot_be_asked_is_refused_and_sends_nothing(asker, member, how, refusal):
    values = how(asker, member)
    before = AuthorisationRequest.objects.count(), Mail.objects.count()

    with pytest.raises(refusal):
        ask(asker, member, **values)

    assert (AuthorisationRequest.objects.count(), Mail.objects.count()) == before


def test_a_request_is_stored_as_it_was_asked(asker, member):
    sent = ask(asker, member, note="As we spoke.", accountant_pays=False, language="nl")

    sent = AuthorisationRequest.objects.get(pk=sent.pk)
    assert (sent.status, sent.asked_by, sent.accountant) == ("pending", asker, asker.environment)
    assert (sent.note, sent.accountant_pays, sent.language) == ("As we spoke.", False, "nl")
    assert sent.expires_at - sent.sent_at == pytest.approx(timedelta(days=21), abs=timedelta(0, 5))
    mandate = sent.mandate
    assert (mandate.registration_number, mandate.is_active) == (
        member.organisation.registration_number,
        False,
    )
    assert mandate.apps.get().request == sent


def test_only_what_the_package_asks_for_can_be_asked(asker, member):
    app = AppFactory(functions=["SendDocument", "GetOutboxDocuments"])

    sent = ask(asker, member, app=app, functions=["GetInboxDocument", "SendDocument"])

    assert sent.functions == ["SendDocument"]


def test_the_address_counts_without_capitals(asker, member, browser_of):
    sent = ask(asker, member, email=member.user.email.upper())

    assert sent.email == member.user.email
    assert services.may_answer(sent, member.user)


IN_MAY = datetime(2027, 5, 3, 12, tzinfo=UTC)


@pytest.mark.parametrize(("language", "day"), [("en", "24 May 2027"), ("nl", "24 mei 2027")])
def test_the_mail_to_a_newcomer_is_in_the_chosen_language(asker, language, day):
    with time_machine.travel(IN_MAY):
        sent = ask(asker, email="new@example.org", language=language, note="As we spoke.")

    mail = Mail.objects.get(to=sent.email)
    assert day in mail.body
    assert "http://localhost:8000" + newest_link() in mail.body
    assert "As we spoke." in mail.body


def test_the_mail_to_somebody_known_is_in_that_persons_language(asker, member):
    member.user.language = "nl"
    member.user.save()

    with time_machine.travel(IN_MAY):
        ask(asker, member, language="en")

    assert "24 mei 2027" in Mail.objects.get(to=member.user.email).body


def test_the_token_is_nowhere_in_the_database_but_in_the_mail(asked):
    token = newest_link().split("/")[3]
    everything = [
        serializers.serialize("json", model._base_manager.all())
        for model in apps.get_models()
        if model is not Mail
    ]

    assert token not in "".join(everything)
    assert ActivationLink.objects.get().digest == hashlib.sha256(token.encode()).hexdigest()
    assert token not in json.dumps(list(Mail.objects.exclude(to=asked.email).values("body")))


def test_the_database_keeps_a_second_pending_request_out(asked):
    with pytest.raises(IntegrityError), transaction.atomic():
        AuthorisationRequest.objects.create(
            op_id=uuid.uuid4(),
            **{
                name: getattr(asked, name)
                for name in (
                    "accountant",
                    "mandate",
                    "app",
                    "asked_by",
                    "client_name",
                    "email",
                    "language",
                    "accountant_pays",
                    "functions",
                    "expires_at",
                )
            },
        )


@pytest.mark.parametrize(
    ("most", "refusal"),
    [
        ("REQUEST_MAILS_PER_DAY", refusals.TooManyMails),
        ("REQUEST_MAILS_PER_ADDRESS_AND_DAY", refusals.TooManyMailsToOne),
    ],
)
def test_mails_are_counted_and_the_count_ends_after_a_day(asker, member, settings, most, refusal):
    setattr(settings, most, 2)
    sent = ask(asker, member)
    services.resend(request=sent, by=asker)

    for again in (
        lambda: ask(asker, member),
        lambda: services.resend(request=sent, by=asker),
    ):
        with pytest.raises(refusal):
            again()
    with later(hours=25):
        services.resend(request=sent, by=asker)


def test_the_count_of_one_address_and_environment_leaves_others_alone(asker, member, settings):
    settings.REQUEST_MAILS_PER_ADDRESS_AND_DAY = 1
    settings.REQUEST_MAILS_PER_DAY = 2
    ask(asker, member)

    ask(asker)
    ask(client=member)


def test_a_request_of_the_same_kind_replaces_the_pending_one_when_said(asker, member, client):
    first = ask(asker, member)
    old_link = newest_link()

    second = ask(asker, member, app=first.app, replace=True)

    first.refresh_from_db()
    assert (first.status, second.status) == (Status.REPLACED, Status.PENDING)
    assert second.mandate == first.mandate
    assert second.mandate.apps.get().request == second
    assert client.get(old_link).status_code == 410
    assert client.get(newest_link()).status_code == 200


def test_one_past_its_date_is_asked_again_without_a_word(asker, member):
    first = ask(asker, member)

    with later(days=22):
        second = ask(asker, member, app=first.app)
        first.refresh_from_db()

        assert (first.status, second.state) == (Status.EXPIRED, Status.PENDING)


def test_another_package_or_address_is_another_request(asker, member):
    first = ask(asker, member)

    ask(asker, member, app=first.app, email="other@example.org")
    ask(asker, member)

    assert AuthorisationRequest.objects.open().count() == 3
    assert Mandate.objects.count() == 1


def test_sending_again_renews_link_and_date(asked, asker, client):
    old_link = newest_link()

    with later(days=20):
        services.resend(request=asked, by=asker)
        answers = [client.get(link) for link in (old_link, newest_link())]
    with later(days=40):
        asked.refresh_from_db()
        assert asked.is_pending

    assert [answer.status_code for answer in answers] == [410, 200]
    assert answers[0].context["newest"].created_at > answers[0].context["asked"].created_at
    assert "sent the request again" in answers[0].text


def test_withdrawing_kills_the_link(asked, asker, client):
    services.withdraw(request=asked, by=asker)

    answer = client.get(newest_link())
    assert answer.status_code == 410
    assert "withdrew the request" in answer.text


def withdrawn(asked, member):
    services.withdraw(request=asked, by=asked.asked_by)


def accepted(asked, member):
    services.accept(request=asked, functions=asked.functions, by=member.user)


def declined(asked, member):
    services.decline(request=asked, by=member.user)


def replaced(asked, member):
    ask(asked.asked_by, member, app=asked.app, replace=True)


@pytest.mark.parametrize("end", [withdrawn, accepted, declined, replaced])
@pytest.mark.parametrize("service", ["resend", "withdraw"])
def test_only_a_pending_request_is_sent_again_or_withdrawn(asked, asker, member, end, service):
    end(asked, member)
    mails = Mail.objects.count()

    with pytest.raises(refusals.NotPending):
        getattr(services, service)(request=asked, by=asker)

    assert Mail.objects.count() == mails


@pytest.mark.parametrize("service", ["resend", "withdraw"])
def test_past_its_date_it_is_neither_sent_again_nor_withdrawn(asked, asker, service):
    with later(days=22), pytest.raises(refusals.NotPending):
        getattr(services, service)(request=asked, by=asker)


def test_nothing_is_sent_again_without_the_accountant_right(asked, asker, member):
    without_right(asker, member)

    for again in (
        lambda: services.resend(request=asked, by=asker),
        lambda: services.remind(by=asker),
    ):
        with pytest.raises(refusals.NoAccountantRight):
            again()
    services.withdraw(request=asked, by=asker)


def test_only_what_waits_for_more_than_a_week_is_reminded(asked, asker):
    with later(days=6):
        young = ask(asker)
    with later(days=7, minutes=1):
        assert services.remind(by=asker) == 1
        assert services.remind(by=asker) == 0

    assert [asked.links.count(), young.links.count()] == [2, 1]


def test_people_remind_those_whom_they_asked_and_administrators_everybody(asked, asker, boss):
    other = UserFactory(advanced=True, environment=asker.environment)
    ask(UserFactory(advanced=True, environment__accountant=True))

    with later(days=8):
        found = [services.to_be_reminded(user).count() for user in (asker, other, boss)]

    assert found == [1, 0, 1]


def test_reminding_leaves_out_who_has_had_enough(asked, asker, settings):
    other = ask(asker)
    with later(days=8):
        settings.REQUEST_MAILS_PER_ADDRESS_AND_DAY = 1
        ask(asker, email=asked.email)

        assert services.remind(by=asker) == 1

    assert [asked.links.count(), other.links.count()] == [1, 2]
