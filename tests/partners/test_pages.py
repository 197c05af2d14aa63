"""The pages of the room: what they cost, what they keep, what they tell (R31, R33)."""

import uuid
from datetime import timedelta

import pytest
import time_machine
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Organisation
from accounts.roles import Role
from partners import services
from partners.models import AuthorisationRequest
from tests.factories import AppFactory, MembershipFactory, UserFactory, ask, connect, let_in


def queries(browser, url):
    browser.get(url)
    with CaptureQueriesContext(database) as captured:
        assert browser.get(url).status_code == 200
    return len(captured)


class World:
    """An accountancy with its administrator, and a client with its own; `more` adds a row everywhere."""

    def __init__(self, boss, member):
        self.boss, self.member = boss, member
        self.client = member.user.environment

    def more(self):
        """A second organisation, person, connection, and requests of every kind."""
        place = MembershipFactory(user=self.member.user, organisation__environment=self.client)
        mandate = let_in(self.boss, place)
        colleague = UserFactory(advanced=True, environment=self.boss.environment)
        services.assign(mandate=mandate, users=[self.boss, colleague], by=self.boss)
        connect(colleague, place.organisation)
        connect(self.boss, self.first.organisation)
        old = ask(self.boss)
        AuthorisationRequest.objects.filter(pk=old.pk).update(
            sent_at=timezone.now() - timedelta(days=8)
        )
        waiting = ask(client=self.member)
        services.resend(request=waiting, by=waiting.asked_by)
        let_in(client=self.member)

    def begin(self):
        self.first = let_in(self.boss, self.member)
        self.waiting = ask(client=self.member)
        self.more()


PAGES = {
    "sent": ("boss", lambda w: reverse("partners:sent")),
    "remind": ("boss", lambda w: reverse("partners:remind")),
    "request": ("boss", lambda w: w.first.requests.first().get_absolute_url()),
    "client": ("boss", lambda w: w.first.get_absolute_url()),
    "clients": ("boss", lambda w: reverse("connections:clients")),
    "partners of the accountant": ("boss", lambda w: reverse("partners:partners")),
    "partnership of the accountant": ("boss", lambda w: w.first.partnership.get_absolute_url()),
    "end": (
        "boss",
        lambda w: reverse("connections:end-partnership", args=[w.first.partnership.uuid]),
    ),
    "received": ("member", lambda w: reverse("partners:received")),
    "consent": ("member", lambda w: reverse("partners:consent", args=[w.waiting.uuid])),
    "partners of the client": ("member", lambda w: reverse("partners:partners")),
    "partnership of the client": ("member", lambda w: w.first.partnership.get_absolute_url()),
    "home": ("member", lambda w: reverse("home")),
    "upload": ("boss", lambda w: reverse("partners:upload")),
}


@pytest.mark.parametrize("page", PAGES)
def test_more_rows_cost_no_more_queries(browser_of, boss, member, page):
    world = World(boss, member)
    world.begin()
    who, url = PAGES[page]
    browser = browser_of(boss if who == "boss" else member.user)

    few = queries(browser, url(world))
    for _ in range(2):
        world.more()

    assert queries(browser, url(world)) == few


@pytest.mark.parametrize("name", ["sent", "received", "partners"])
def test_lists_answer_htmx_with_their_rows_only(browser_of, asked, member, boss, name):
    browser = browser_of(member.user if name == "received" else boss)

    answer = browser.get(reverse(f"partners:{name}"), headers={"HX-Request": "true"})

    assert answer.status_code == 200
    assert "<html" not in answer.text


@pytest.mark.parametrize("status", [*AuthorisationRequest.Status])
def test_lists_are_narrowed_by_status(browser_of, boss, member, status):
    declined, pending = ask(boss, member), ask(boss, member)
    services.decline(request=declined, by=member.user)

    for name, reader in (("sent", boss), ("received", member.user)):
        answer = browser_of(reader).get(reverse(f"partners:{name}"), {"status": status})
        expected = {"declined": [declined], "pending": [pending]}.get(status, [])
        assert answer.context["page"].rows == expected


@pytest.mark.parametrize("name", ["sent", "received"])
def test_in_lists_one_past_its_date_is_expired_and_not_pending(browser_of, boss, member, name):
    """Whether or not the job has been there."""
    sent = ask(boss, member)
    AuthorisationRequest.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    browser = browser_of(boss if name == "sent" else member.user)

    found = [
        browser.get(reverse(f"partners:{name}"), {"status": status}).context["page"].rows
        for status in ("pending", "expired")
    ]

    assert found == [[], [sent]]


def test_the_way_in_leads_accountants_to_what_they_sent_and_others_to_what_waits(
    browser_of, asker, member
):
    url = reverse("partners:authorisations")

    ways = [browser_of(user).get(url)["Location"] for user in (asker, member.user)]

    assert ways == [reverse("partners:sent"), reverse("partners:received")]


# What waits


@pytest.mark.parametrize("role", Role)
def test_everybody_of_the_client_is_told_what_waits(browser_of, asker, member, role):
    colleague = UserFactory(role=role, environment=member.user.environment)
    ask(asker, member), ask(client=member)
    services.withdraw(request=ask(asker, member), by=asker)

    page = browser_of(colleague).get(reverse("home"))

    assert "2 authorisation requests wait for your answer." in page.text
    item = next(i for i in page.context["frame"].menu if i.label == "Authorisations")
    assert item.count == 2


def test_what_is_answered_or_past_waits_no_more(browser_of, asker, member):
    services.decline(request=ask(asker, member), by=member.user)
    ask(asker, member)

    with time_machine.travel(timezone.now() + timedelta(days=22)):
        page = browser_of(member.user).get(reverse("home"))

    assert "for your answer" not in page.text


def test_the_asker_is_told_nothing_waits(browser_of, asked, asker):
    assert "for your answer" not in browser_of(asker).get(reverse("home")).text


# What is typed stays


@pytest.fixture
def typed(member):
    app = AppFactory(functions=["SendDocument", "GetInboxDocument"])
    return {
        "op_id": str(uuid.uuid4()),
        "client_name": "Jansen & Zn.",
        "email": member.user.email,
        "app": app.pk,
        "country": "NL",
        "registration_number": member.organisation.registration_number,
        "pays": "client",
        "functions": ["GetInboxDocument"],
        "note": "Say <yes>.",
        "language": "nl",
    }


NEW = reverse("partners:new")


def kept(answer, typed):
    """Whether the form that came back has all that was typed."""
    form = answer.context["form"]
    assert 'value="Jansen &amp; Zn."' in answer.text
    assert "Say &lt;yes&gt;." in answer.text
    return all(
        form[name].value() in (value, str(value))
        for name, value in typed.items()
        if name in form.fields
    )


def test_a_request_typed_rightly_is_sent_once(browser_of, asker, typed):
    browser = browser_of(asker)

    answers = [browser.post(NEW, typed) for _click in range(2)]

    sent = AuthorisationRequest.objects.get()
    assert [answer["Location"] for answer in answers] == [sent.get_absolute_url()] * 2
    assert (sent.functions, sent.accountant_pays) == (["GetInboxDocument"], False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "nobody"},
        {"registration_number": "123"},
        {"country": "XX"},
        {"app": "0"},
        {"pays": "nobody"},
        {"language": "xx"},
        {"functions": ["x"]},
        {"op_id": "x"},
        {"note": "x" * 1001 + " Say <yes>."},
    ],
)
def test_a_wrong_form_answers_422_with_all_that_was_typed(browser_of, asker, typed, wrong):
    typed |= wrong

    answer = browser_of(asker).post(NEW, typed)

    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == list(wrong)
    assert kept(answer, typed)
    assert not AuthorisationRequest.objects.exists()


def test_what_is_pending_answers_409_and_offers_to_replace_it(browser_of, asker, typed):
    browser = browser_of(asker)
    browser.post(NEW, typed)
    typed["op_id"] = str(uuid.uuid4())

    answer = browser.post(NEW, typed)
    assert answer.status_code == 409
    assert kept(answer, typed)
    assert 'name="replace" value="1"' in answer.text
    browser.post(NEW, typed | {"replace": "1"})

    statuses = AuthorisationRequest.objects.order_by("pk").values_list("status", flat=True)
    assert list(statuses) == ["replaced", "pending"]


def test_what_is_refused_answers_409_with_the_reason(browser_of, asker, typed):
    for wrong, word in (
        ({"email": asker.email}, "belongs to a colleague"),
        ({"functions": []}, "Tick at least one API function"),
    ):
        answer = browser_of(asker).post(NEW, typed | wrong)

        assert answer.status_code == 409
        assert word in answer.text
        assert kept(answer, typed | wrong)


def test_a_client_already_leads_to_its_page(browser_of, asker, member, typed):
    mandate = let_in(asker, member)

    answer = browser_of(asker).post(NEW, typed)

    assert answer.status_code == 409
    assert mandate.get_absolute_url() in answer.text


def test_asking_again_begins_with_what_was_asked(browser_of, asker, member):
    sent = ask(asker, member, functions=["SendDocument"], note="As before", language="nl")

    form = browser_of(asker).get(NEW, {"again": sent.uuid}).context["form"]

    assert form["email"].value() == sent.email
    assert form["functions"].value() == ["SendDocument"]
    assert (form["note"].value(), form["language"].value()) == ("As before", "nl")


@pytest.mark.parametrize("again", ["x", "-" * 36, "0" * 36, f"{uuid.UUID(int=7)}", "stranger's"])
def test_what_cannot_be_asked_again_gives_nothing_away(browser_of, asker, again):
    if again == "stranger's":
        again = str(ask().uuid)

    answer = browser_of(asker).get(NEW, {"again": again})

    assert answer.status_code in {200, 404}
    assert "example.com" not in answer.text.replace(asker.email, "")


@pytest.mark.parametrize("name", ["new", "remind", "functions", "upload"])
@pytest.mark.parametrize("lacks", ["right", "role"])
def test_who_may_not_send_reads_why(browser_of, asker, name, lacks):
    if lacks == "right":
        asker.environment.accountant_right = False
        asker.environment.save()
    else:
        asker.role = Role.BASIC
        asker.save()

    answer = browser_of(asker).get(reverse(f"partners:{name}"))

    assert answer.status_code == 403
    assert [line.ok for line in answer.context["lines"]].count(False) == 1


@pytest.mark.parametrize("name", ["resend", "withdraw"])
def test_a_second_click_answers_409(browser_of, asked, asker, name):
    services.withdraw(request=asked, by=asker)

    answer = browser_of(asker).post(reverse(f"partners:{name}", args=[asked.uuid]))

    assert answer.status_code == 409
    assert "not pending any more" in answer.text


def test_colleagues_see_only_what_they_sent_or_may_enter(browser_of, asked, asker, boss):
    colleague = UserFactory(advanced=True, environment=asker.environment)

    answers = [
        browser_of(user).get(asked.get_absolute_url()).status_code
        for user in (asker, boss, colleague)
    ]

    assert answers == [200, 200, 404]


def test_reminding_says_whom_and_then_reminds(browser_of, asked, asker):
    url = reverse("partners:remind")
    AuthorisationRequest.objects.update(sent_at=timezone.now() - timedelta(days=8))
    browser = browser_of(asker)

    assert asked.client_name in browser.get(url).text
    counts = [browser.post(url, follow=True).text.count("is reminded") for _click in range(2)]

    assert counts == [1, 0]
    assert asked.links.count() == 2


def test_what_another_client_allows_is_not_told_on_a_consent(browser_of, asker, member):
    mandate = let_in(asker, functions=["SendDocument"])
    number = mandate.registration_number
    asked = ask(asker, member, registration_number=number)

    answer = browser_of(member.user).get(reverse("partners:consent", args=[asked.uuid]))

    assert answer.context["allowed"] == []


def test_the_end_says_what_stops_before_it_ends(browser_of, asker, member):
    mandate = let_in(asker, member)
    made, _pair = connect(asker, mandate.organisation, name="Of the accountant")
    connect(member.user, mandate.organisation, name="Our own")
    url = reverse("connections:end-partnership", args=[mandate.partnership.uuid])

    answer = browser_of(member.user).get(url)

    assert list(answer.context["connections"]) == [made]
    assert "Our own" not in answer.text
    mandate.refresh_from_db()
    assert mandate.is_active


@pytest.mark.parametrize("role", [Role.BASIC, Role.ADVANCED])
def test_only_administrators_end_partnerships_and_choose_people(browser_of, asker, member, role):
    mandate = let_in(asker, member)
    for side in (asker.environment, member.user.environment):
        browser = browser_of(UserFactory(role=role, environment=side))
        urls = [
            reverse("connections:end-partnership", args=[mandate.partnership.uuid]),
            reverse("partners:colleagues", args=[mandate.uuid]),
            reverse("partners:assign"),
            reverse(
                "partners:partner-functions",
                args=[mandate.partnership.uuid, mandate.organisation.organisation_id],
            ),
        ]
        assert [browser.post(url).status_code for url in urls] == [403] * 4


def test_several_clients_are_assigned_from_the_portfolio(browser_of, asker, boss):
    mandates = [let_in(asker), let_in(asker)]
    colleague = UserFactory(environment=asker.environment)
    stranger = let_in()
    ticked = [mandate.uuid for mandate in (*mandates, stranger)]

    browser_of(boss).post(reverse("partners:assign"), {"client": ticked, "user": colleague.pk})

    entered = Organisation.objects.reachable_by(colleague)
    assert set(entered) == {mandate.organisation for mandate in mandates}


def test_a_blocked_environment_asks_for_nothing(asker, member):
    asker.environment.blocked_at = timezone.now()
    asker.environment.save()

    with pytest.raises(services.Refused):
        ask(asker, member)
