"""The desk of support: who gets in, and what can be done there."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.urls import reverse

from accounts import services
from accounts.mail.models import Mail
from tests.factories import EnvironmentFactory, MembershipFactory, UserFactory, connect

LISTS = ["accounts_user", "accounts_environment", "accounts_organisation"]
LISTS += ["events_event", "mail_mail"]


@pytest.fixture
def desk(browser_of):
    """The browser of support staff with a second factor."""
    staff = UserFactory(staff=True)
    Authenticator.objects.create(user=staff, type=Authenticator.Type.TOTP, data={})
    return browser_of(staff)


@pytest.fixture
def history(administrator, organisation):
    """Some of everything."""
    member = MembershipFactory(organisation=organisation).user
    services.change_role(user=member, role="advanced", by=administrator)
    return member


def test_strangers_are_sent_to_the_sign_in_page(client):
    answer = client.get(reverse("admin:index"), follow=True)

    assert answer.redirect_chain[-1][0].startswith(reverse("account_login"))


def test_people_of_environments_stay_out(office):
    assert office.get(reverse("admin:index"), follow=True).status_code == 403


@pytest.mark.parametrize("has_codes", [False, True])
def test_staff_without_a_second_factor_are_sent_to_get_one(browser_of, has_codes):
    staff = UserFactory(staff=True)
    if has_codes:
        RecoveryCodes.activate(staff)

    answer = browser_of(staff).get(reverse("admin:accounts_user_changelist"), follow=True)

    assert answer.redirect_chain[-1][0] == reverse("mfa_index")
    assert "The support desk needs two-step sign-in." in answer.content.decode()


@pytest.mark.parametrize("name", LISTS)
def test_lists_and_pages_open_and_nothing_but_staff_can_be_added(desk, history, name):
    listed = desk.get(reverse(f"admin:{name}_changelist"), {"q": "sanne"})
    row = listed.context["cl"].model.objects.latest("pk")

    assert listed.status_code == 200
    assert desk.get(reverse(f"admin:{name}_change", args=[row.pk])).status_code == 200
    assert desk.get(reverse(f"admin:{name}_add")).status_code == (200 if "user" in name else 403)
    assert desk.post(reverse(f"admin:{name}_delete", args=[row.pk])).status_code == 403


@pytest.mark.parametrize("name", ["events_event", "mail_mail"])
def test_the_past_cannot_be_changed(desk, history, name):
    listed = desk.get(reverse(f"admin:{name}_changelist"), {"q": "sanne"})
    row = listed.context["cl"].model.objects.first()

    answer = desk.post(reverse(f"admin:{name}_change", args=[row.pk]), {"to": "x@example.org"})

    assert answer.status_code == 403


@pytest.mark.parametrize("of", ["email", "organisation_id", "registration_number"])
def test_what_a_customer_reads_out_leads_to_the_environment(desk, history, organisation, of):
    EnvironmentFactory()
    read_out = history.email if of == "email" else getattr(organisation, of)

    found = desk.get(reverse("admin:accounts_environment_changelist"), {"q": read_out})

    assert [row.pk for row in found.context["cl"].result_list] == [organisation.environment_id]


def test_neither_password_nor_text_of_mails_is_shown(desk, history):
    user = desk.get(reverse("admin:accounts_user_change", args=[history.pk])).content.decode()
    mail = Mail.objects.get()
    page = desk.get(reverse("admin:mail_mail_change", args=[mail.pk])).content.decode()

    assert history.password not in user or not history.password
    assert "password" not in user.partition("<main")[2]
    assert mail.body.splitlines()[2] not in page


def test_support_gives_the_plan(desk, environment):
    url = reverse("admin:accounts_environment_change", args=[environment.pk])

    desk.post(url, {"name": environment.name, "plan": "enterprise", "accountant_right": "on"})

    environment.refresh_from_db()
    assert (environment.plan, environment.accountant_right) == ("enterprise", True)


@pytest.mark.parametrize(("plan", "hears"), [("invoice_portal", True), ("enterprise", False)])
def test_whose_keys_stop_by_another_plan_hears_it(desk, environment, organisation, plan, hears):
    owner = MembershipFactory(organisation=organisation, user__advanced=True).user
    connect(owner)
    url = reverse("admin:accounts_environment_change", args=[environment.pk])

    asked = desk.post(url, {"name": environment.name, "plan": plan})

    environment.refresh_from_db()
    assert environment.plan == ("basic" if hears else plan)
    if hears:
        assert "Bookkeeping" in asked.text
        desk.post(url, dict(asked.context["posted"]))
        environment.refresh_from_db()
        assert environment.plan == plan
    assert owner.notices.filter(template="accesses_lost").exists() is hears


def test_role_and_address_are_not_changed_at_the_desk(desk, history):
    url = reverse("admin:accounts_user_change", args=[history.pk])
    nothing = {f"memberships-{name}_FORMS": "0" for name in ("TOTAL", "INITIAL")}
    names = {"first_name": "Noor", "last_name": "Bakker", "language": "nl"}

    desk.post(
        url, {**nothing, **names, "email": "x@y.nl", "role": "administrator", "is_staff": "on"}
    )

    before = history.email, "advanced", False
    history.refresh_from_db()
    assert (history.email, history.role, history.is_staff) == before
    assert history.first_name == "Noor"
