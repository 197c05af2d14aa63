"""Several people at the same instant: one outcome, and a state that agrees with itself.

Threads with connections of their own against the real services, on whichever database the tests run.
ROUNDS says how often each race is run.
"""

import os
import uuid
from collections import Counter
from datetime import timedelta

import pytest
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from accounts.mail.models import Mail
from accounts.models import Membership
from connections import services as connections
from connections.invoices.models import Invoice
from connections.models import Access, Connection, KeySet
from partners import refusals, services
from partners.models import AuthorisationRequest, Mandate, Partnership
from tests import racing
from tests.factories import (
    AppFactory,
    MembershipFactory,
    UserFactory,
    ask,
    connect,
    organisation_at,
)
from tests.invoices.documents import invoice
from tests.racing import refusals_among
from tests.software import Software

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
ROUNDS = int(os.environ.get("ROUNDS", "3"))
Status = AuthorisationRequest.Status


def race(*runners):
    ends = racing.race(*runners)
    agree()
    return ends


def agree():
    """What is true after every race, whoever won."""
    made = Connection.objects.live().filter(mandate__isnull=False)
    assert not made.exclude(mandate__in=Mandate.objects.active()).exists()
    assert not KeySet.objects.live().filter(connection__revoked_at__isnull=False).exists()
    ways_in = Mandate.objects.active().filter(
        organisation=OuterRef("organisation"), accountant=OuterRef("user__environment")
    )
    strangers = Membership.objects.exclude(user__environment=F("organisation__environment"))
    assert not strangers.exclude(Exists(ways_in)).exists()
    assert not Mandate.objects.active().filter(partnership__ended_at__isnull=False).exists()


class World:
    """An accountancy, a client, and a pending request between them; new in every round."""

    def __init__(self):
        self.asker = UserFactory(advanced=True, environment__accountant=True)
        environment = self.asker.environment
        self.colleagues = UserFactory.create_batch(2, advanced=True, environment=environment)
        self.member = MembershipFactory(user__administrator=True)
        self.app = AppFactory()
        self.request = ask(self.asker, self.member, self.app)

    def accept(self):
        return services.accept(
            request=self.request, functions=self.request.functions, by=self.member.user
        )

    def decline(self):
        services.decline(request=self.request, by=self.member.user)

    def withdraw(self):
        services.withdraw(request=self.request, by=self.asker)

    def resend(self):
        services.resend(request=self.request, by=self.asker)

    def let_in(self):
        partnership = self.accept()
        self.request.mandate.refresh_from_db()
        return partnership

    def end(self, by=None):
        by = by or self.member.user
        connections.end_partnership(partnership=self.partnerships.get(), by=by)

    def state(self):
        self.request.refresh_from_db()
        return self.request.status, self.partnerships.active().count()

    @property
    def partnerships(self):
        return Partnership.objects.of(self.asker.environment)

    @property
    def live(self):
        return Connection.objects.live().filter(organisation=self.member.organisation)


def in_rounds(test):
    """Run it ROUNDS times, each in a new world."""

    def rounds(settings):
        settings.EMAIL_BACKEND = "accounts.mail.backend.OutboxBackend"
        for _round in range(ROUNDS):
            test(World())

    rounds.__name__, rounds.__doc__ = test.__name__, test.__doc__
    return rounds


@in_rounds
def test_of_sixteen_accepts_one_counts(world):
    ends = race(*[world.accept] * 16)

    assert Counter(refusals_among(ends)) == {refusals.NotPending: 15}
    assert world.state() == (Status.ACTIVE, 1)
    assert Membership.objects.filter(user=world.asker).count() == 1


@in_rounds
def test_accept_against_withdraw(world):
    accepted, withdrawn = race(world.accept, world.withdraw)

    assert refusals_among([accepted, withdrawn]) == [refusals.NotPending]
    assert world.state() in {(Status.ACTIVE, 1), (Status.WITHDRAWN, 0)}
    assert (world.request.status == Status.ACTIVE) == isinstance(accepted, Partnership)


@in_rounds
def test_accept_against_decline(world):
    accepted, declined = race(world.accept, world.decline)

    assert refusals_among([accepted, declined]) == [refusals.NotPending]
    assert world.state() in {(Status.ACTIVE, 1), (Status.DECLINED, 0)}
    assert (world.request.status == Status.ACTIVE) == isinstance(accepted, Partnership)


@in_rounds
def test_accept_against_sending_again(world):
    accepted, sent = race(world.accept, world.resend)

    assert isinstance(accepted, Partnership)
    assert set(refusals_among([sent])) <= {refusals.NotPending}
    assert world.state() == (Status.ACTIVE, 1)


@in_rounds
def test_accept_against_the_end_of_an_earlier_partnership(world):
    """Two organisations of one client: the second is accepted while the partnership ends."""
    second = MembershipFactory(
        user=world.member.user, organisation__environment=world.member.user.environment
    )
    asked_for_second = ask(world.asker, second, world.app)
    world.let_in()

    def accept_second():
        return services.accept(
            request=asked_for_second, functions=["SendDocument"], by=world.member.user
        )

    accepted, ended = race(accept_second, world.end)

    assert refusals_among([accepted, ended]) == []
    mandates = world.asker.environment.mandates.active()
    assert mandates.count() == world.partnerships.active().count()


@in_rounds
def test_both_sides_end_at_once(world):
    world.let_in()
    boss = UserFactory(administrator=True, environment=world.asker.environment)

    ends = race(world.end, lambda: world.end(boss), world.end, lambda: world.end(boss))

    assert Counter(refusals_among(ends)) == {refusals.PartnershipEnded: 3}


@in_rounds
def test_the_end_against_creating_keys(world):
    world.let_in()
    apps = AppFactory.create_batch(3)

    def create(app):
        return lambda: connect(world.asker, world.member.organisation, app)

    ends = race(*map(create, apps), world.end)

    assert set(refusals_among(ends)) <= {connections.OutOfReach}
    assert not world.live.exists()
    assert not Membership.objects.filter(user=world.asker).exists()


@in_rounds
def test_the_end_against_new_keys_and_other_accesses(world):
    world.let_in()
    made, _pair = connect(world.asker, world.member.organisation, world.app)
    own, _pair = connect(world.member.user, world.member.organisation)

    def new_keys():
        connections.create_new_keys(connection=made, by=world.asker, op_id=uuid.uuid4())

    def accesses():
        connections.change_accesses(
            connection=made, access=Access.CHOSEN, functions=["SendDocument"], by=world.asker
        )

    ends = race(new_keys, accesses, world.end)

    assert set(refusals_among(ends)) <= {connections.OutOfReach}
    assert world.live.get() == own


@in_rounds
def test_the_end_against_assigning_people(world):
    world.let_in()

    def assign():
        services.assign(mandate=world.request.mandate, users=world.colleagues, by=world.asker)

    def assign_to_many():
        return services.assign_to_many(
            mandates=world.asker.environment.mandates.all(),
            user=world.colleagues[0],
            by=world.asker,
        )

    ends = race(assign, assign_to_many, world.end)

    assert set(refusals_among(ends)) <= {refusals.PartnershipEnded}
    assert not Membership.objects.filter(user__environment=world.asker.environment).exists()


@in_rounds
def test_the_end_against_what_the_client_changes(world):
    world.let_in()
    by = world.member.user
    mandate = world.request.mandate

    ends = race(
        lambda: services.change_functions(mandate=mandate, functions=["SendDocument"], by=by),
        lambda: services.remove_person(mandate=mandate, user=world.asker, by=by),
        world.end,
    )

    assert set(refusals_among(ends)) <= {refusals.PartnershipEnded}
    assert world.state() == (Status.ENDED, 0)


@in_rounds
def test_the_same_form_sent_twice_at_once_asks_once(world):
    op_id = uuid.uuid4()

    def again():
        return ask(world.asker, world.member, op_id=op_id, app=world.other)

    world.other = AppFactory()
    ends = race(*[again] * 4)

    assert Counter(refusals_among(ends)) == {refusals.AlreadySent: 3}
    assert AuthorisationRequest.objects.filter(op_id=op_id).count() == 1


@in_rounds
def test_two_forms_at_once_leave_one_pending_request(world):
    def replace():
        return ask(world.asker, world.member, world.app, replace=True)

    ends = race(replace, replace, world.accept, world.resend)

    assert set(refusals_among(ends)) <= {refusals.NotPending, refusals.AlreadyClient}
    assert world.asker.environment.sent_requests.pending().count() <= 1


@in_rounds
def test_two_accountants_who_ask_each_other_at_once_are_both_let_in(world):
    world.member.user.environment.accountant_right = True
    world.member.user.environment.save()
    back = MembershipFactory(organisation__environment=world.asker.environment, user=world.asker)
    counter = ask(world.member.user, back)

    def accept_back():
        return services.accept(request=counter, functions=counter.functions, by=world.asker)

    ends = race(world.accept, accept_back)

    assert refusals_among(ends) == []
    assert world.partnerships.active().count() == 2


@in_rounds
def test_jobs_of_several_workers_do_each_thing_once(world):
    world.asker.environment.sent_requests.update(expires_at=F("sent_at"))

    ends = race(*[services.expire_due] * 4, world.withdraw)

    # One that somebody else holds at that moment is passed over until the next time.
    assert sum(end for end in ends if isinstance(end, int)) + services.expire_due() == 1
    assert world.state() == (Status.EXPIRED, 0)


@in_rounds
def test_the_end_against_invoices_on_their_way(world):
    """A call that was let in may end; none is let in afterwards, and nobody waits for ever."""
    world.let_in()
    address = f"0106:{world.member.organisation.registration_number}"
    world.member.organisation.addresses.get_or_create(value=address)
    _made, pair = connect(world.asker, world.member.organisation, world.app)
    customer = organisation_at(f"0088:{uuid.uuid4().hex[:13]}").addresses.get().value

    def send(number):
        software = Software(pair, world.member.organisation)
        document = invoice(number=number, supplier=address, customer=customer, company="")
        return lambda: software.send(document).status_code

    assert send("first")() == 201
    ends = race(*map(send, "ABC"), world.end)

    assert set(ends[:3]) <= {201, 401}
    sent = Invoice.objects.filter(sender=world.member.organisation)
    assert sent.count() == 1 + ends.count(201)
    assert send("D")() == 401


@in_rounds
def test_two_requests_accepted_at_once_allow_both(world):
    other = ask(world.asker, world.member, AppFactory(functions=["GetInboxDocument"]))

    def accept(request, functions):
        return lambda: services.accept(request=request, functions=functions, by=world.member.user)

    ends = race(accept(world.request, ["SendDocument"]), accept(other, other.functions))

    assert refusals_among(ends) == []
    mandate = world.asker.environment.mandates.get()
    assert set(mandate.functions) == {"SendDocument", "GetInboxDocument"}
    assert world.partnerships.count() == 1


@in_rounds
def test_reminding_against_answers(world):
    others = [ask(world.asker) for _ in range(2)]
    week = timezone.now() - timedelta(days=8)
    world.asker.environment.sent_requests.update(sent_at=week)

    def remind():
        return services.remind(by=world.asker)

    ends = race(remind, remind, world.accept, world.withdraw)

    assert set(refusals_among(ends)) <= {refusals.NotPending}
    assert ends[0] + ends[1] in {len(others), len(others) + 1}
    assert {request.links.count() for request in others} == {2}


@in_rounds
def test_administrators_are_told_once_however_many_look_at_once(world):
    def look():
        services.tell_administrators(request=world.request, by=world.member.user)

    race(*[look] * 4)

    told = Mail.objects.filter(to=world.member.user.email)
    assert told.count() == 2  # the request itself, and that it waits
