"""Creating, renewing, revoking and deleting connections."""

import uuid

import pytest
from django.db import IntegrityError, transaction

from accounts.events.models import Action, Event
from accounts.mail.models import Mail
from connections import services
from connections.keys import KeyPair
from connections.models import Access, App, Connection, KeySet
from tests.factories import AppFactory, MembershipFactory, connect
from tests.software import Software

pytestmark = pytest.mark.django_db
ASKED = ["SendDocument", "GetInboxDocuments"]


@pytest.fixture
def member():
    return MembershipFactory(user__advanced=True)


@pytest.fixture
def connected(member):
    return connect(member.user)


def works(pair, connection):
    return Software(pair, connection.organisation).me().status_code == 200


def actions():
    return list(Event.objects.values_list("action", flat=True).order_by("pk"))


def test_new_keys_end_the_old_ones_in_the_same_instant(connected):
    connection, old = connected

    new = services.create_new_keys(connection=connection, by=connection.owner, op_id=uuid.uuid4())

    assert [works(pair, connection) for pair in (old, new)] == [False, True]
    assert old.app_key != new.app_key


def test_the_same_form_makes_keys_once(connected):
    connection, _pair = connected
    op_id = uuid.uuid4()
    pair = services.create_new_keys(connection=connection, by=connection.owner, op_id=op_id)

    with pytest.raises(services.AlreadyCreated) as already:
        services.create_new_keys(connection=connection, by=connection.owner, op_id=op_id)

    assert already.value.key_set.app_key == pair.app_key
    assert works(pair, connection)


def test_the_form_of_somebody_else_tells_nothing(connected):
    other, _pair = connect()
    op_id = other.key_sets.get().op_id

    with pytest.raises(services.AlreadyCreated) as already:
        services.create_new_keys(connection=connected[0], by=connected[0].owner, op_id=op_id)

    assert already.value.key_set is None


def test_a_second_connection_with_the_same_package_is_refused(connected, member):
    connection, pair = connected

    with pytest.raises(services.AlreadyConnected) as already:
        connect(member.user, app=connection.app)

    assert already.value.connection == connection
    assert works(pair, connection)


def test_the_same_package_may_serve_another_administration(connected, member):
    other, _pair = connect(member.user, app=connected[0].app, administration="Second books")

    assert (connected[0].number, other.number) == (1, 2)


def test_revoking_is_for_ever(connected):
    connection, pair = connected

    services.revoke(connection=connection, by=connection.owner)

    assert not works(pair, connection)
    with pytest.raises(services.Ended):
        services.create_new_keys(connection=connection, by=connection.owner, op_id=uuid.uuid4())
    with pytest.raises(services.Ended):
        services.revoke(connection=connection, by=connection.owner)


def test_after_revoking_a_new_connection_can_be_made(connected, member):
    services.revoke(connection=connected[0], by=member.user)

    again, pair = connect(member.user, app=connected[0].app)

    assert works(pair, again)


def test_only_a_revoked_connection_is_deleted_and_its_history_stays(connected, member):
    connection, _pair = connected
    with pytest.raises(services.NotRevoked):
        services.delete(connection=connection, by=member.user)
    services.revoke(connection=connection, by=member.user)

    for _click in range(2):
        services.delete(connection=connection, by=member.user)

    assert not Connection.objects.listed().exists()
    assert actions() == [
        Action.CONNECTION_CREATED,
        Action.CONNECTION_REVOKED,
        Action.CONNECTION_DELETED,
    ]


def test_a_key_is_given_nothing_that_the_app_does_not_ask_or_the_owner_lacks(member):
    member.accesses = ["SendDocument", "GetOutboxDocuments"]
    member.save()

    connection, _pair = connect(
        member.user,
        app=AppFactory(functions=ASKED),
        access=Access.CHOSEN,
        functions=[*ASKED, "GetOutboxDocuments"],
    )

    assert connection.functions == ["SendDocument"]


def test_a_copy_of_the_owners_accesses_does_not_grow(member):
    member.accesses = ["SendDocument"]
    member.save()
    connection, _pair = connect(member.user, app=AppFactory(functions=ASKED), access=Access.OWNERS)

    member.accesses = ASKED
    member.save()

    assert Connection.objects.for_list().get().rights.effective() == {"SendDocument"}
    assert connection.functions == ["SendDocument"]


def test_all_accesses_grow_and_shrink_with_the_owner(member):
    connect(member.user, app=AppFactory(functions=ASKED))
    now = []
    for accesses in (None, ["SendDocument"], ASKED):
        member.accesses = accesses
        member.save()
        now.append(sorted(Connection.objects.for_list().get().rights.effective()))

    assert now == [sorted(ASKED), ["SendDocument"], sorted(ASKED)]


def test_changed_accesses_hold_for_the_same_keys(connected):
    connection, pair = connected

    services.change_accesses(
        connection=connection, access=Access.CHOSEN, functions=["SendDocument"], by=connection.owner
    )

    functions = Software(pair, connection.organisation).me().json()["functions"]
    assert functions == [{"function": "SendDocument", "scope": "SEND_DOC"}]


def test_keys_of_an_owner_who_is_gone_are_not_renewed(connected):
    connection, _pair = connected
    connection.owner.memberships.all().delete()
    colleague = MembershipFactory(organisation=connection.organisation, user__advanced=True).user

    with pytest.raises(services.OwnerGone):
        services.create_new_keys(connection=connection, by=colleague, op_id=uuid.uuid4())


def test_a_suspended_connection_is_taken_over_with_new_keys(connected):
    connection, old = connected
    connection.owner.memberships.all().delete()
    by = MembershipFactory(organisation=connection.organisation, user__administrator=True).user

    new = services.take_over(connection=connection, by=by, op_id=uuid.uuid4())

    assert [works(pair, connection) for pair in (old, new)] == [False, True]
    assert Connection.objects.get().owner == by
    assert Action.CONNECTION_TAKEN_OVER in actions()


def test_taking_over_gives_nothing_that_the_new_owner_lacks(member):
    connection, _pair = connect(member.user, access=Access.CHOSEN, functions=ASKED)
    member.delete()
    place = MembershipFactory(
        organisation=connection.organisation, user__administrator=True, accesses=["SendDocument"]
    )

    services.take_over(connection=connection, by=place.user, op_id=uuid.uuid4())

    assert Connection.objects.for_list().get().rights.effective() == {"SendDocument"}


def test_a_connection_is_not_taken_over_by_the_owner_it_has(connected):
    connection, pair = connected

    with pytest.raises(services.OwnsAlready):
        services.take_over(connection=connection, by=connection.owner, op_id=uuid.uuid4())

    assert works(pair, connection)


def test_an_administrator_hands_a_connection_over_to_a_colleague_with_new_keys(connected):
    connection, pair = connected
    by = MembershipFactory(organisation=connection.organisation, user__administrator=True).user
    colleague = MembershipFactory(
        organisation=connection.organisation, user__advanced=True, accesses=["SendDocument"]
    ).user

    new = services.take_over(connection=connection, owner=colleague, by=by, op_id=uuid.uuid4())

    assert Connection.objects.get().owner == colleague
    assert not works(pair, connection)
    assert works(new, connection)
    assert Connection.objects.for_list().get().opened == {"SendDocument"}


def test_owner_and_administrators_hear_of_every_change_once(connected):
    connection, _pair = connected
    colleague = MembershipFactory(organisation=connection.organisation, user__administrator=True)
    administrator = colleague.user
    Mail.objects.all().delete()

    services.create_new_keys(connection=connection, by=administrator, op_id=uuid.uuid4())
    services.revoke(connection=connection, by=administrator)

    told = sorted(Mail.objects.values_list("to", flat=True))
    assert told == sorted([administrator.email, connection.owner.email] * 2)


def test_what_fails_leaves_nothing_behind(connected, monkeypatch):
    connection, pair = connected
    before = (actions(), Mail.objects.count())
    monkeypatch.setattr(services.keys, "mail", lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        services.create_new_keys(connection=connection, by=connection.owner, op_id=uuid.uuid4())

    assert (actions(), Mail.objects.count()) == before
    assert works(pair, connection)


def test_an_own_app_has_a_name_of_its_own(member):
    environment = member.organisation.environment
    values = {"environment": environment, "functions": ASKED, "by": member.user}
    services.create_own_app(name="Webshop", **values)

    with pytest.raises(services.NameTaken):
        services.create_own_app(name="WEBSHOP", **values)

    assert App.objects.filter(environment=environment).count() == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda c: services.create_new_keys(connection=c, by=c.owner, op_id=uuid.uuid4()),
        lambda c: services.change_accesses(connection=c, access=Access.OWNERS, by=c.owner),
        lambda c: services.revoke(connection=c, by=c.owner),
        lambda c: services.create_own_app(
            environment=c.organisation.environment, name="New", functions=ASKED, by=c.owner
        ),
        lambda c: services.change_own_app(
            app=AppFactory(environment=c.organisation.environment),
            name="Other",
            functions=ASKED,
            by=c.owner,
        ),
    ],
)
def test_every_change_leaves_one_event_with_its_actor(connected, change):
    connection, _pair = connected
    before = Event.objects.count()

    change(connection)

    assert Event.objects.count() == before + 1
    assert Event.objects.latest("pk").actor == connection.owner


def test_the_database_itself_keeps_one_live_set(connected):
    old = connected[0].key_sets.get()
    second = {"connection": old.connection, "version": 2, "app_key": "kpa_2", "pepper": 1}

    with pytest.raises(IntegrityError), transaction.atomic():
        KeySet.objects.create(
            **second, secret_digest="0" * 64, op_id=uuid.uuid4(), created_by=old.created_by
        )


def test_a_digest_copied_into_another_row_opens_nothing(connected):
    connection, mine = connected
    victim, theirs = connect()

    victim.key_sets.update(secret_digest=connection.key_sets.get().secret_digest)

    assert not works(KeyPair(theirs.app_key, mine.secret), victim)
