"""Many invoices re-offered at once: a job that the worker does, told on its page (R50)."""

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts import services as accounts
from accounts.roles import Role
from connections import services as connections
from connections.invoices import reoffers, services
from connections.invoices.models import Invoice, Offer, Reoffer
from connections.models import Access
from portal.management.commands import work
from tests.factories import MembershipFactory, UserFactory, connect, let_in
from tests.invoices.documents import invoice
from tests.invoices.test_pages import at, signed_in

pytestmark = pytest.mark.django_db


def send(seller, number="A", **values):
    return services.send(xml=invoice(number=number, **values), through=seller)[0]


def send_many(seller, buyer, number):
    """Whole rows at once: received and offered to nobody."""
    now = timezone.now()
    return Invoice.objects.bulk_create(
        Invoice(
            kind="Invoice",
            number=f"M-{place}",
            issue_date=now.date(),
            currency="EUR",
            total=1,
            sender=seller.organisation,
            sender_name="The supplier",
            receiver=buyer.organisation,
            sent_through=seller,
            status="received",
        )
        for place in range(number)
    )


def reoffer(connection, *, to=None, by=None):
    return reoffers.reoffer(
        invoices=Invoice.objects.received_by(connection.organisation),
        organisation=connection.organisation,
        connections=[connection] if to is None else to,
        by=by or connection.owner,
    )


def states(job):
    return sorted(job.lines.values_list("state", flat=True))


@pytest.fixture
def big(seller, buyer, monkeypatch):
    """A re-offer of five invoices where two are done right away, and two at a time."""
    monkeypatch.setattr(reoffers, "RIGHT_AWAY", 2)
    send_many(seller, buyer, 5)
    return reoffer(buyer)


@pytest.mark.django_db(transaction=True)
def test_many_are_left_to_the_worker(buyer, big):
    assert (big.finished_at, states(big)) == (None, ["waiting"] * 5)

    work.done(work.ALWAYS)

    big.refresh_from_db()
    assert big.finished_at
    assert states(big) == ["offered"] * 5
    assert Offer.objects.ready().filter(connection=buyer).count() == 5


def test_it_goes_on_where_it_was_ended(big):
    reoffers.reoffer_next(limit=2)
    before = states(big)

    while reoffers.reoffer_next(limit=2):
        pass

    assert before == ["offered"] * 2 + ["waiting"] * 3
    assert states(big) == ["offered"] * 5
    assert Offer.objects.count() == 5


def test_what_software_has_confirmed_since_is_not_offered_a_second_time(seller, buyer, big):
    first, last = Invoice.objects.earliest("pk"), Invoice.objects.latest("pk")
    reoffers.reoffer_next(limit=2)
    for fetched in (first, last):
        services.confirm(invoice=fetched, through=buyer)

    while reoffers.reoffer_next(limit=2):
        pass

    waiting = Offer.objects.ready().values_list("invoice", flat=True)
    assert not {first.pk, last.pk} & set(waiting)
    assert len(waiting) == 3


def test_every_re_offer_gets_its_share(seller, buyer, big):
    second = reoffer(buyer)

    reoffers.reoffer_next(limit=2)

    assert [states(job).count("offered") for job in (big, second)] == [1, 1]


def test_only_the_chosen_connections_are_offered_it(seller, buyer):
    chosen, other = (connect(buyer.owner, name=name)[0] for name in ("Chosen", "Other"))
    sent = send(seller)
    Offer.objects.all().delete()

    job = reoffer(buyer, to=[chosen])

    assert list(job.connections.all()) == [chosen]
    assert list(sent.offers.values_list("connection__name", flat=True)) == ["Chosen"]


def test_connections_that_cannot_be_offered_anything_are_no_choice(seller, buyer):
    send(seller)
    may_not_fetch = connect(buyer.owner, access=Access.CHOSEN, functions=[])[0]
    for to in ([], [revoked(connect(buyer.owner, name="Old")[0])], [may_not_fetch], [seller]):
        with pytest.raises(reoffers.NoConnectionChosen):
            reoffer(buyer, to=to)

    assert not Reoffer.objects.exists()


def revoked(connection):
    connections.revoke(connection=connection, by=connection.owner)
    return connection


def test_a_connection_revoked_meanwhile_is_told_with_each_invoice(buyer, big):
    revoked(buyer)

    reoffers.reoffer_next(limit=9)

    assert states(big) == ["nothing connected"] * 5
    assert not Offer.objects.exists()


@pytest.mark.parametrize("loss", ["role", "membership", "blocked"])
def test_who_lost_the_right_meanwhile_offers_nothing_more(buyer, big, loss):
    administrator = UserFactory(administrator=True, environment=buyer.organisation.environment)
    if loss == "role":
        accounts.change_role(user=buyer.owner, role=Role.BASIC, by=administrator)
    elif loss == "blocked":
        accounts.block(user=buyer.owner, by=administrator)
    else:
        buyer.owner.memberships.all().delete()

    reoffers.reoffer_next(limit=9)

    assert states(big) == ["no access"] * 5
    assert not Offer.objects.exists()


def test_a_partner_that_may_fetch_no_more_offers_nothing_more(seller, buyer, monkeypatch):
    monkeypatch.setattr(reoffers, "RIGHT_AWAY", 0)
    member = MembershipFactory(organisation=buyer.organisation, user__administrator=True)
    mandate = let_in(client=member)
    theirs = connect(mandate.requests.get().asked_by, organisation=buyer.organisation)[0]
    send(seller)
    job = reoffer(theirs)

    connections.end_partnership(partnership=mandate.partnership, by=member.user)
    reoffers.reoffer_next()

    assert states(job) == ["no access"]


def test_at_most_so_many_the_oldest_first(seller, buyer, monkeypatch):
    monkeypatch.setattr(reoffers, "MOST_AT_ONCE", 2)
    sent = [send(seller, number) for number in "ABC"]

    job = reoffer(buyer)

    assert [line.invoice for line in job.lines.order_by("pk")] == sent[:2]


# The pages


def test_the_choice_is_offered_where_there_is_one(seller, buyer):
    visitor, sent = signed_in(buyer.owner), send(seller)
    pages = at("received-of", buyer), at("reoffer", buyer), at("invoice", buyer, uuid=sent.uuid)

    one = [visitor.get(page).text.count('type="checkbox" name="connection"') for page in pages]
    connect(buyer.owner, name="Second")
    two = [visitor.get(page).text.count('type="checkbox" name="connection"') for page in pages]

    assert (one, two) == ([0, 0, 0], [2, 2, 2])


def test_without_a_choice_nothing_is_offered(seller, buyer):
    sent, visitor = send(seller), signed_in(buyer.owner)

    ticked = visitor.post(at("reoffer", buyer), {"invoice": sent.uuid}, follow=True)
    everything = visitor.post(at("reoffer", buyer), {"everything": "on"})

    assert "Choose at least one connection" in ticked.text
    assert (everything.status_code, "Choose at least one" in everything.text) == (422, True)
    assert not Reoffer.objects.exists()


def test_a_big_one_shows_its_progress_and_is_found_again(buyer, big):
    visitor = signed_in(buyer.owner)
    page = big.get_absolute_url()

    running = visitor.get(page)
    listed = visitor.get(at("received-of", buyer)).text
    part = visitor.get(page, headers={"HX-Request": "true", "HX-Target": "progress"}).text
    while reoffers.reoffer_next():
        pass
    done = visitor.get(page, headers={"HX-Request": "true", "HX-Target": "progress"}).text

    assert "0 of 5 done" in running.text
    assert page in listed
    assert ("<html" in part, "every 2s" in part, "every 2s" in done) == (False, True, False)
    assert "5 invoices are offered again." in done
    assert page not in visitor.get(at("received-of", buyer)).text
    assert page in visitor.get(at("reoffer", buyer)).text


def test_the_result_names_what_was_refused_and_why(seller, buyer):
    send(seller), send(seller)
    url = at("reoffer", buyer)

    answer = signed_in(buyer.owner).post(url, {"everything": "on", "connection": 1}, follow=True)
    refused = signed_in(buyer.owner).get(answer.redirect_chain[0][0] + "?refused")

    assert "1 invoice was refused" in answer.text
    assert "It is a duplicate. Mark it as original first." in answer.text
    assert [line.state for line in refused.context["page"].rows] == ["duplicate"]


def test_one_that_is_refused_is_told_on_its_page(seller, buyer):
    own = services.send(
        xml=invoice(supplier="0192:987654325", customer="0088:7300010000001", company=""),
        through=buyer,
    )[0]
    ticked = {"back": "", "invoice": own.uuid, "connection": 1}

    answer = signed_in(buyer.owner).post(at("reoffer", buyer), ticked, follow=True)

    assert "You sent it." in answer.text


def test_the_software_is_seen_fetching(seller, buyer):
    send(seller, "A"), send(seller, "B")
    job = reoffer(buyer)
    services.confirm(invoice=Invoice.objects.earliest("pk"), through=buyer)

    page = signed_in(buyer.owner).get(job.get_absolute_url())

    assert page.context["fetched"] == [(buyer, 1)]
    assert "1 of 2 retrieved since" in page.text


def test_a_re_offer_of_somebody_else_is_404(seller, buyer):
    send(seller)
    job = reoffer(buyer)
    url = reverse(
        "invoices:reoffered",
        kwargs={"organisation": seller.organisation.organisation_id, "job": job.uuid},
    )

    assert signed_in(seller.owner).get(url).status_code == 404


@pytest.mark.parametrize("rows", [1, 60])
def test_its_page_costs_the_same_however_many(seller, buyer, rows, django_assert_num_queries):
    send_many(seller, buyer, rows)
    url = reoffer(buyer).get_absolute_url()
    visitor = signed_in(buyer.owner)
    visitor.get(url)

    with django_assert_num_queries(12):
        assert visitor.get(url).status_code == 200
