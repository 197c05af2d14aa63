"""What the portal knows about a person: all of it in one file, and none of it left after the deletion.

A canary is a word that stands nowhere else. The person plants one in whatever takes something personal.
"""

import io
import json
import zipfile
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.sessions.models import Session
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection as database
from django.db import models
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import services
from accounts.events.models import Event
from accounts.events.services import chain_waiting
from accounts.events.verifying import verdicts
from accounts.forgetting import MAILS_KEPT, forget_mails, forget_sessions
from accounts.mail.models import Mail, Notice
from accounts.mail.services import NOTICES_KEPT, forget_notices, send_due
from accounts.models import User
from connections.invoices import services as invoices
from connections.models import KeySet
from partners import imports
from partners import services as partners
from tests.accounts.test_admin import desk as desk
from tests.factories import (
    PASSWORD,
    AppFactory,
    MembershipFactory,
    UserFactory,
    ask,
    connect,
    organisation_at,
)
from tests.invoices.conftest import CUSTOMER
from tests.invoices.documents import invoice

DOWNLOAD = reverse("accounts:download-data")
NAME, ADDRESS = "Zilverspreeuw", "zilverspreeuw@canary.example"
TOTP_SECRET = "JBSWY3DPEHPK3PXP"


@pytest.fixture
def person():
    """Somebody of an accountancy with a colleague who is administrator, after some busy months."""
    place = MembershipFactory(
        organisation=organisation_at(CUSTOMER, environment__accountant_right=True),
        user__administrator=True,
        user__with_login=True,
        user__email=ADDRESS,
        user__first_name="Vera",
        user__last_name=NAME,
    )
    person, organisation = place.user, place.organisation
    colleague = MembershipFactory(organisation=organisation, user__administrator=True).user
    services.change_role(user=person, role="advanced", by=colleague)
    services.change_role(user=person, role="administrator", by=colleague)
    person.refresh_from_db()
    services.change_profile(user=person, first_name="Canarina")
    services.invite(
        environment=person.environment,
        email="invited-canary@example.com",
        role="basic",
        organisations=[],
        by=person,
    )
    connect(person, name="Connection canary")
    _sign_in(person)
    _ask_and_answer(person, place)
    seller, _pair = connect(organisation=organisation_at("0088:7300010000001"))
    received, _new = invoices.send(xml=invoice(company=""), through=seller)
    invoices.set_status(invoice=received, status="rejected", note="Note canary", by=person)
    LogEntry.objects.log_actions(
        UserFactory(staff=True).pk,
        [person],
        CHANGE,
        change_message=f"now {NAME}",
        single_object=True,
    )
    person.refresh_from_db()
    return person


def _sign_in(person):
    EmailAddress.objects.create(user=person, email="second-canary@example.com", verified=False)
    browser = Client(headers={"user-agent": "Browser canary"}, REMOTE_ADDR="203.0.113.77")
    browser.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    TOTP.activate(person, TOTP_SECRET)
    key = {"name": "Security key canary", "passwordless": True, "credential": {}}
    Authenticator.objects.create(user=person, type=Authenticator.Type.WEBAUTHN, data=key)


def _ask_and_answer(person, place):
    ask(person, client_name="Client canary", email="client-canary@example.com", note="Asked canary")
    received = ask(client=place, note="Received canary")
    partners.accept(request=received, functions=received.functions, by=person)
    text = f"client name;email;package;registration number\nX;x@example.com;{AppFactory().name};1\n"
    imports.judge(file=SimpleUploadedFile("canary-file.csv", text.encode()), by=person)


@pytest.fixture
def visitor(browser_of, person):
    return browser_of(person)


def files_of(answer):
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    return {name: archive.read(name).decode() for name in archive.namelist()}


CANARIES = {
    "profile.json": ["Canarina", NAME, ADDRESS, "administrator"],
    "email_addresses.json": [ADDRESS, "second-canary@example.com"],
    "organisations.json": ["KPNL"],
    "sessions.json": ["Browser canary", "203.0.113.77"],
    "login_methods.json": ["password", "totp", "Security key canary"],
    "activity.json": ["user.profile_changed", "connection.created", "Connection canary"],
    "activity_about_you.json": ["user.role_changed"],
    "invitations.json": ["invited-canary@example.com"],
    "mails.json": ["is connected to", ADDRESS],
    "notices.json": ["is connected to", "Connection canary"],
    "authorisation_requests.json": ["Client canary", "Asked canary", "Received canary"],
    "request_files.json": ["canary-file.csv"],
    "connections.json": ["Connection canary"],
    "invoice_statuses.json": ["Note canary", "rejected"],
    "re_offers.json": [],
    "README.txt": ["Canarina"],
}


def test_the_file_has_everything_that_is_known(visitor, person):
    answer = visitor.post(DOWNLOAD)

    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    files = files_of(answer)
    assert files.keys() == CANARIES.keys()
    for name, canaries in CANARIES.items():
        assert [canary for canary in canaries if canary not in files[name]] == [], name
    assert all(json.loads(text) is not None for name, text in files.items() if "json" in name)


def test_the_file_has_no_secret_and_nothing_to_make_one_from(visitor, person):
    text = "".join(files_of(visitor.post(DOWNLOAD)).values())

    keys = KeySet.objects.filter(connection__owner=person).get()
    totp = Authenticator.objects.get(user=person, type=Authenticator.Type.TOTP)
    forbidden = [person.password, keys.secret_digest, keys.leak_tag, TOTP_SECRET, "kps_"]
    forbidden += [totp.data["secret"], get_adapter().decrypt(totp.data["secret"])]
    forbidden += UserSession.objects.values_list("session_key", flat=True)
    assert [secret for secret in forbidden if secret in text] == []


def test_every_column_that_may_hold_something_personal_is_judged():
    """Whoever adds a reference to people, or an address, says here what becomes of it (docs/privacy.md)."""
    found = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.concrete_fields
        if field.related_model is User or isinstance(field, models.EmailField)
        if model._meta.app_label != "books"  # the demonstration, which knows no people
    }

    assert found == GOES | REFERS | OTHERS_WROTE


# Rows or values that go with the person.
GOES = {
    "accounts.User.email",
    "accounts.Membership.user",
    "account.EmailAddress.email",
    "account.EmailAddress.user",
    "mfa.Authenticator.user",
    "usersessions.UserSession.user",
    "mail.Mail.to",
    "mail.Notice.user",
    "partners.Mandate_kept_out.user",
    "accounts.User_groups.user",
    "accounts.User_user_permissions.user",
}
# The number of a row that no longer says who it was.
REFERS = {
    "accounts.Environment.integrations_by",
    "accounts.Membership.created_by",
    "admin.LogEntry.user",
    "autopilot.SigningSecret.created_by",
    "connections.Connection.created_by",
    "connections.Connection.deleted_by",
    "connections.Connection.owner",
    "connections.Connection.paused_by",
    "connections.Connection.revoked_by",
    "connections.FurtherOrganisation.added_by",
    "connections.Gateway.created_by",
    "connections.Gateway.ended_by",
    "connections.KeySet.created_by",
    "connections.KeySet.retired_by",
    "events.Event.actor",
    "invoices.Offer.offered_by",
    "invoices.Reoffer.by",
    "invoices.StatusChange.by",
    "partners.AuthorisationRequest.answered_by",
    "partners.AuthorisationRequest.asked_by",
    "partners.Batch.by",
    "partners.Partnership.ended_by",
}
# What accountants wrote down about their clients; of requests that are over it goes too.
OTHERS_WROTE = {
    "partners.ActivationLink.email",
    "partners.AuthorisationRequest.email",
    "partners.Mandate.email",
}


def places_of(*texts):
    """Every column of the database in which one of these texts stands; in bytes and sessions too."""
    found = set()
    with database.cursor() as cursor:
        for table in database.introspection.table_names():
            if table.endswith("_text"):
                continue  # an index of trigrams, which shows the texts of its table
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 (a name of a table)
            names = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for name, value in zip(names, row, strict=True):
                    value = bytes(value) if isinstance(value, memoryview) else value
                    text = str(value).encode("unicode_escape").decode() + str(value)
                    if any(t.lower() in text.lower() for t in texts):
                        found.add(f"{table}.{name}")
    for session in Session.objects.all():
        if any(text.lower() in str(session.get_decoded()).lower() for text in texts):
            found.add("django_session.session_data")
    return found


def test_after_the_deletion_no_table_says_who_it_was(person, settings, tmp_path):
    settings.PORTAL_DATA = tmp_path
    chain_waiting()
    before = places_of(NAME, ADDRESS)

    services.delete_account(user=person)

    assert len(before) >= 10, before
    told = {"mail_mail.to", "mail_mail.subject", "mail_mail.body", "mail_mail.html"}
    told |= {"mail_notice.title", "mail_notice.text"}
    assert places_of(NAME, ADDRESS) - told == {"partners_mandate.email"}
    while send_due():
        pass
    Mail.objects.update(sent_at=timezone.now() - MAILS_KEPT - timedelta(minutes=1))
    forget_mails()
    Notice.objects.update(created_at=timezone.now() - NOTICES_KEPT - timedelta(minutes=1))
    forget_notices()
    assert places_of(NAME, ADDRESS) == {"partners_mandate.email"}
    chain_waiting()
    assert {verdict.fault for verdict in verdicts()} == {""}
    assert Event.objects.filter(actor=person).exists()


def test_support_forgets_who_was_removed_by_an_administrator(person, desk):
    services.remove(user=person, by=UserFactory(environment=person.environment))
    working = UserFactory()
    Mail.objects.all().delete()

    desk.post(
        reverse("admin:accounts_user_changelist"),
        {"action": "forget", "confirmed": "yes", "_selected_action": [person.pk, working.pk]},
    )

    assert places_of(f"Canarina {NAME}") <= {"mail_notice.text", "mail_notice.title"}
    working.refresh_from_db()
    assert working.removed_at is None


def test_what_an_accountant_wrote_down_stays_the_accountants(member, asker):
    """Its list of clients, and a request that still waits."""
    User.objects.filter(pk=member.user.pk).update(email=ADDRESS)
    member.refresh_from_db()
    EmailAddress.objects.create(user=member.user, email=ADDRESS, verified=True)
    UserFactory(administrator=True, environment=member.user.environment)
    ask(asker, member)

    services.delete_account(user=User.objects.get(pk=member.user.pk))
    Mail.objects.all().delete()

    assert places_of(ADDRESS) == {
        "partners_mandate.email",
        "partners_authorisationrequest.email",
        "partners_activationlink.email",
    }


def test_nobody_downloads_but_the_person_with_a_fresh_sign_in(person, browser_of):
    stale = Client()
    stale.force_login(person)

    assert Client().post(DOWNLOAD).url.startswith(reverse("account_login"))
    assert stale.post(DOWNLOAD).url.startswith(reverse("account_reauthenticate"))
    stranger = browser_of(UserFactory(administrator=True)).post(DOWNLOAD)
    assert NAME not in "".join(files_of(stranger).values())


def test_a_request_to_an_address_that_is_not_proved_is_not_in_the_file(person, browser_of):
    spy = UserFactory(administrator=True)
    EmailAddress.objects.create(user=spy, email=ADDRESS.replace("z", "y"), verified=False)
    ask(email=ADDRESS.replace("z", "y"), note="Spied canary")

    assert "Spied canary" not in "".join(files_of(browser_of(spy).post(DOWNLOAD)).values())


def test_after_the_password_the_download_goes_on(person):
    stale = Client()
    stale.force_login(person)
    stale.post(DOWNLOAD)

    page = {"password": PASSWORD, "next": DOWNLOAD}
    answer = stale.post(reverse("account_reauthenticate"), page)

    assert "profile.json" in files_of(answer)


def test_support_staff_get_their_data_too(browser_of):
    staff = UserFactory(staff=True)

    files = files_of(browser_of(staff).post(DOWNLOAD))

    assert json.loads(files["profile.json"])["email"] == staff.email


def test_a_download_is_an_event(visitor, person):
    visitor.post(DOWNLOAD)

    assert Event.objects.filter(action="user.data_downloaded", actor=person).count() == 1


def test_sessions_that_are_over_are_forgotten_with_where_they_came_from(person):
    Session.objects.update(expire_date=timezone.now() - timedelta(days=1))
    UserSession.objects.update(last_seen_at=timezone.now() - timedelta(days=31))

    assert forget_sessions() > 0

    assert not UserSession.objects.exists()
    assert forget_sessions() == 0


def test_mails_that_wait_are_kept(person):
    waiting = Mail.objects.filter(sent_at=None).count()
    Mail.objects.update(created_at=timezone.now() - timedelta(days=90))

    assert waiting > 0
    assert forget_mails() == 0
    assert Mail.objects.filter(sent_at=None).count() == waiting
