"""From the invitation to the first sign-in."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import services
from accounts.events.models import Action, Event
from accounts.mail.models import Mail
from accounts.models import Organisation, User
from accounts.roles import Role
from tests.factories import PASSWORD, MembershipFactory, OrganisationFactory, UserFactory

ADDRESS = "nieuw@example.org"
ANSWER = {"first_name": "Noor", "last_name": "Bakker", "password": PASSWORD}


@pytest.fixture
def invited(environment, organisation, administrator):
    return services.invite(
        environment=environment,
        email=ADDRESS,
        role=Role.ADVANCED,
        organisations=[organisation],
        by=administrator,
    )


def link():
    """The link in the newest mail."""
    body = Mail.objects.latest("pk").body
    return re.search(r"http://localhost:8000(/invitations/\S+)", body)[1]


def test_from_the_invitation_to_the_first_sign_in(office, client, organisation):
    office.post(
        reverse("accounts:invite"),
        {"email": ADDRESS, "role": Role.ADVANCED, "organisations": [organisation.organisation_id]},
    )
    assert Mail.objects.get(to=ADDRESS).subject == "Join Bakery Jansen on Koppel"
    assert "Bakery Jansen" in client.get(link()).content.decode()

    answer = client.post(link(), ANSWER)

    user = User.objects.get(email=ADDRESS)
    assert answer["Location"] == reverse("home")
    assert client.get(reverse("accounts:profile")).context["user"] == user
    assert (str(user), user.role, user.status) == ("Noor Bakker", Role.ADVANCED, "active")
    assert [m.organisation for m in user.memberships.all()] == [organisation]
    assert Event.objects.filter(action=Action.USER_JOINED, actor=user).count() == 1


def test_who_accepts_is_welcomed_once_and_told_what_there_is_to_see(client, invited, organisation):
    client.post(link(), ANSWER)

    said = [str(message) for message in client.get(reverse("home")).context["messages"]]
    assert said == [f"Welcome, Noor! You see: {organisation.name}"]


def test_mail_and_page_of_an_invitation_name_the_organisations(client, invited, organisation):
    for text in (Mail.objects.get().body, client.get(link()).text):
        assert f"You will see: {organisation.name}\n" in text.replace("</p>", "\n")


def test_an_invitation_to_no_organisation_says_so(client, environment, administrator):
    services.invite(
        environment=environment, email=ADDRESS, role=Role.BASIC, organisations=[], by=administrator
    )

    sentence = "An administrator still has to make you a member of an organisation."
    assert sentence in Mail.objects.get().body
    assert sentence in client.get(link()).text


def test_of_many_organisations_ten_are_named(environment, colleague):
    for number in range(11):
        place = OrganisationFactory(environment=environment, name=f"Shop {number:02}")
        MembershipFactory(user=colleague, organisation=place)

    words = Organisation.objects.reachable_by(colleague).in_words()
    assert words.startswith("Shop 00, Shop 01, ")
    assert words.endswith(", Shop 09, …")


def expire(user, administrator, traveller):
    traveller.move_to(timezone.now() + timedelta(days=14, minutes=1))


def resend(user, administrator, traveller):
    services.resend_invitation(user=user, by=administrator)


def use(user, administrator, traveller):
    Client().post(link(), ANSWER)


def block(user, administrator, traveller):
    services.block(user=user, by=administrator)


def remove(user, administrator, traveller):
    services.remove(user=user, by=administrator)


@pytest.mark.parametrize("death", [expire, resend, use, block, remove])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_dead_link_says_so_and_opens_nothing(client, invited, administrator, death, method):
    dead = link()
    with time_machine.travel(timezone.now()) as traveller:
        death(invited, administrator, traveller)
        before = User.objects.get(pk=invited.pk).password

        answer = getattr(client, method)(dead, {**ANSWER, "password": "quite another sentence"})

    assert answer.status_code == 410
    assert "This invitation has expired" in answer.content.decode()
    assert reverse("account_login") in answer.content.decode()
    assert User.objects.get(pk=invited.pk).password == before


@pytest.mark.parametrize("token", ["x", "a:b:c", "%00", "é", "x" * 3000])
def test_a_made_up_link_is_as_dead(client, token):
    assert client.get(f"/invitations/{token}/").status_code == 410


def test_the_link_lives_almost_14_days(client, invited):
    url = link()

    with time_machine.travel(timezone.now() + timedelta(days=13, hours=23)):
        assert client.get(url).status_code == 200


def test_the_newest_link_works_after_resending(office, client, invited):
    office.post(reverse("accounts:user-resend", args=[invited.pk]))

    assert client.get(link()).status_code == 200


def test_another_role_leaves_the_link_alive(client, invited, administrator):
    services.change_role(user=invited, role=Role.BASIC, by=administrator)

    assert client.get(link()).status_code == 200
    assert Mail.objects.count() == 1


def test_who_has_joined_cannot_be_invited_again(office, colleague):
    answer = office.post(reverse("accounts:user-resend", args=[colleague.pk]))

    assert answer.status_code == 409
    assert not Mail.objects.exists()


@pytest.mark.parametrize("address", ["taken@example.org", "TAKEN@Example.org"])
def test_an_address_with_a_login_is_refused_and_what_was_typed_stays(office, address):
    UserFactory(email="taken@example.org")

    answer = office.post(reverse("accounts:invite"), {"email": address, "role": Role.ADVANCED})

    assert answer.status_code == 409
    assert answer.context["form"].errors["email"] == [
        "taken@example.org has a login already and cannot be invited."
    ]
    assert address in answer.content.decode()
    assert not Mail.objects.exists()


@pytest.mark.parametrize(
    "data",
    [
        {"email": "no address", "role": "basic"},
        {"email": "a\0@example.org", "role": "basic"},
        {"email": f"{'x' * 300}@example.org", "role": "basic"},
        {"email": ADDRESS, "role": "owner"},
        {"email": ADDRESS, "role": "basic", "organisations": ["999999"]},
        {"email": ADDRESS, "role": "basic", "organisations": ["x"]},
    ],
)
def test_a_wrong_invitation_invites_nobody(office, data):
    assert office.post(reverse("accounts:invite"), data).status_code == 422
    assert not User.objects.filter(joined_at=None).exists()


def test_organisations_of_others_cannot_be_given(office):
    data = {
        "email": ADDRESS,
        "role": Role.BASIC,
        "organisations": [OrganisationFactory().organisation_id],
    }

    assert office.post(reverse("accounts:invite"), data).status_code == 422


@pytest.mark.parametrize("password", ["", "short", "password1234", ADDRESS])
def test_a_poor_password_is_refused(client, invited, password):
    answer = client.post(link(), {**ANSWER, "password": password})

    assert answer.status_code == 422
    assert User.objects.get(pk=invited.pk).status == User.Status.INVITED


def test_more_fields_than_asked_give_nothing_more(client, invited):
    client.post(link(), {**ANSWER, "role": Role.ADMINISTRATOR, "is_staff": "1", "email": "x@y.nl"})

    user = User.objects.get(pk=invited.pk)
    assert (user.role, user.is_staff, user.email) == (Role.ADVANCED, False, ADDRESS)


def test_accepting_signs_out_whoever_was_signed_in(office, invited):
    office.post(link(), ANSWER)

    assert office.get(reverse("accounts:profile")).context["user"] == invited


def test_the_invite_page_says_what_each_role_sees(office):
    page = office.get(reverse("accounts:invite")).text

    assert "Basic user: sees organisations and their invoices." in page
    assert "With none ticked, the person sees nothing yet." in page
