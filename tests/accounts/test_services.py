"""Every service that changes something leaves exactly one line in the activity log."""

import inspect

import pytest

from accounts import services
from accounts.events.models import Action, Event
from accounts.models import Organisation, User
from accounts.roles import Role
from tests.accounts.test_invitations import link
from tests.factories import PASSWORD, OrganisationFactory, UserFactory

READING = {"invited_user", "invitation_token"}
PARTS = {
    "new_login",
    "mail_invitation",
}  # of services here and of accounts.staff, which write the line
TWO_LINES = {"delete_account"}  # a second one says that the name is erased: tests/leaving
CHANGES = {
    "sign_up": (
        lambda w: services.sign_up(user=User(email="new@example.org"), environment_name="New"),
        Action.ENVIRONMENT_CREATED,
    ),
    "invite": (lambda w: invite(w), Action.USER_INVITED),
    "resend_invitation": (
        lambda w: services.resend_invitation(user=w.invited, by=w.boss),
        Action.USER_INVITED,
    ),
    "accept_invitation": (lambda w: accept(w), Action.USER_JOINED),
    "join": (lambda w: services.join(user=w.invited), Action.USER_JOINED),
    "change_role": (
        lambda w: services.change_role(user=w.user, role=Role.ADVANCED, by=w.boss),
        Action.USER_ROLE_CHANGED,
    ),
    "block": (lambda w: services.block(user=w.user, by=w.boss), Action.USER_BLOCKED),
    "unblock": (lambda w: services.unblock(user=w.blocked, by=w.boss), Action.USER_UNBLOCKED),
    "remove": (lambda w: services.remove(user=w.user, by=w.boss), Action.USER_REMOVED),
    "set_organisations": (
        lambda w: services.set_organisations(
            user=w.user, organisations=[w.organisation], by=w.boss
        ),
        Action.USER_ORGANISATIONS_CHANGED,
    ),
    "change_profile": (
        lambda w: services.change_profile(user=w.user, language="nl"),
        Action.PROFILE_CHANGED,
    ),
    "note_login_change": (
        lambda w: services.note_login_change(user=w.user, method="password_changed"),
        Action.LOGIN_CHANGED,
    ),
    "add_organisation": (
        lambda w: services.add_organisation(
            organisation=Organisation(name="New", registration_number="12345678"), by=w.boss
        ),
        Action.ORGANISATION_ADDED,
    ),
    "change_organisation": (
        lambda w: services.change_organisation(
            organisation=w.organisation, by=w.boss, changed=["name"]
        ),
        Action.ORGANISATION_CHANGED,
    ),
}


class World:
    def __init__(self):
        self.boss = UserFactory(administrator=True)
        environment = self.boss.environment
        self.user = UserFactory(environment=environment)
        self.invited = UserFactory(environment=environment, invited=True)
        self.blocked = UserFactory(environment=environment, blocked=True)
        self.organisation = OrganisationFactory(environment=environment)


def invite(world):
    services.invite(
        environment=world.boss.environment,
        email="new@example.org",
        role=Role.BASIC,
        organisations=[],
        by=world.boss,
    )


def accept(world):
    services.resend_invitation(user=world.invited, by=world.boss)
    services.accept_invitation(
        token=link().split("/")[2],
        first_name="Noor",
        last_name="Bakker",
        password=PASSWORD,
        language="en",
    )


def services_of(module):
    return {
        name
        for name, member in inspect.getmembers(module, inspect.isfunction)
        if inspect.unwrap(member).__module__ == module.__name__ and not name.startswith("_")
    }


def test_the_table_names_every_service():
    assert set(CHANGES) | READING | PARTS | TWO_LINES == services_of(services)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_leaves_one_event(name):
    change, action = CHANGES[name]
    world = World()

    change(world)

    assert Event.objects.filter(action=action).count() == 1
    assert Event.objects.latest("pk").action == action
    assert Event.objects.latest("pk").environment


@pytest.mark.parametrize("name", ["block", "unblock", "change_role", "set_organisations"])
def test_doing_it_twice_leaves_no_second_event(name):
    change, action = CHANGES[name]
    world = World()

    change(world)
    change(world)

    assert Event.objects.filter(action=action).count() == 1


@pytest.mark.parametrize("name", ["block", "unblock", "change_role", "remove", "set_organisations"])
def test_who_was_removed_meanwhile_is_left_alone(name):
    world = World()
    services.remove(user=User.objects.get(pk=world.user.pk), by=world.boss)
    services.remove(user=User.objects.get(pk=world.blocked.pk), by=world.boss)
    events = Event.objects.count()

    with pytest.raises(services.RemovedMeanwhile):
        CHANGES[name][0](world)

    assert Event.objects.count() == events
