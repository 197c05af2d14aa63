"""The portfolio: clients × packages, one word in each cell (R35)."""

import csv
import io
from datetime import timedelta

import pytest
import time_machine
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from connections import portfolio
from connections import services as connections
from connections.portfolio import Word, cells
from partners import services
from partners.models import AuthorisationRequest, Mandate, MandateApp
from tests.factories import AppFactory, MembershipFactory, UserFactory, ask, connect, let_in
from tests.software import Software

CLIENTS = reverse("connections:clients")
LATER = timedelta(days=15)


@pytest.fixture
def app():
    return AppFactory(name="Yuki")


# Each sets a client up and answers its mandate.


def no_request(asker, app):
    asked = ask(asker, app=app)
    services.withdraw(request=asked, by=asker)
    return asked.mandate


def expired(asker, app):
    asked = ask(asker, app=app)
    AuthorisationRequest.objects.filter(pk=asked.pk).update(expires_at=timezone.now())
    return asked.mandate


def ended(asker, app):
    mandate = let_in(asker, app=app)
    connections.end_partnership(partnership=mandate.partnership, by=asker)
    return mandate


def pending(asker, app):
    return ask(asker, app=app).mandate


def declined(asker, app):
    member = MembershipFactory(user__administrator=True)
    asked = ask(asker, member, app)
    services.decline(request=asked, by=member.user)
    return asked.mandate


def without_keys(asker, app):
    return let_in(asker, app=app)


def revoked(asker, app):
    mandate = let_in(asker, app=app)
    made, _pair = connect(asker, mandate.organisation, app)
    connections.revoke(connection=made, by=asker)
    return mandate


def never_used(asker, app):
    mandate = let_in(asker, app=app)
    connect(asker, mandate.organisation, app)
    return mandate


def healthy(asker, app):
    mandate = let_in(asker, app=app)
    _made, pair = connect(asker, mandate.organisation, app)
    Software(pair, mandate.organisation).me()
    return mandate


def healthy_by_the_client(asker, app):
    member = MembershipFactory(user__administrator=True)
    _own, pair = connect(member.user, member.organisation, app)
    Software(pair, member.organisation).me()
    return let_in(asker, member, app=app)


def silent(asker, app):
    with time_machine.travel(timezone.now() - LATER):
        return healthy(asker, app)


def suspended(asker, app):
    mandate = healthy(asker, app)
    services.assign(mandate=mandate, users=[], by=asker)
    return mandate


def still_calling(asker, app):
    mandate = let_in(asker, app=app)
    made, pair = connect(asker, mandate.organisation, app)
    connections.revoke(connection=made, by=asker)
    Software(pair, mandate.organisation).me()
    return mandate


def still_calling_after_the_end(asker, app):
    mandate = let_in(asker, app=app)
    _made, pair = connect(asker, mandate.organisation, app)
    connections.end_partnership(partnership=mandate.partnership, by=asker)
    Software(pair, mandate.organisation).me()
    return mandate


WORDS = {
    no_request: Word.NO_REQUEST,
    expired: Word.NO_REQUEST,
    ended: Word.NO_REQUEST,
    pending: Word.PENDING,
    declined: Word.DECLINED,
    without_keys: Word.WITHOUT_KEYS,
    revoked: Word.WITHOUT_KEYS,
    never_used: Word.NEVER_USED,
    healthy: Word.HEALTHY,
    healthy_by_the_client: Word.HEALTHY,
    silent: Word.SILENT,
    suspended: Word.SUSPENDED,
    still_calling: Word.STILL_CALLING,
    still_calling_after_the_end: Word.STILL_CALLING,
}


@pytest.mark.parametrize("set_up", WORDS)
def test_each_cell_has_the_word_that_fits(asker, app, set_up):
    mandate = set_up(asker, app)

    assert [cell.word for cell in cells(mandate=mandate)] == [WORDS[set_up]]


@pytest.fixture
def everybody(asker, boss, app):
    """A client for each of the set-ups."""
    return {set_up(asker, app): word for set_up, word in WORDS.items()}


def shown(answer):
    return {mandate.pk for mandate in answer.context["page"].rows}


def test_the_filter_by_word_finds_exactly_those(browser_of, boss, everybody):
    for word in Word:
        found = shown(browser_of(boss).get(CLIENTS, {"word": word}))

        assert found == {m.pk for m, theirs in everybody.items() if theirs == word}, word


def test_all_words_are_on_the_page(browser_of, boss, everybody):
    page = browser_of(boss).get(CLIENTS).text

    for word in set(WORDS.values()):
        assert str(word.label) in page


def test_the_page_counts_every_word_of_all_clients(boss, everybody):
    counted = dict(portfolio.counts(Mandate.objects.seen_by(boss)))

    assert sum(counted.values()) == MandateApp.objects.count()
    assert set(counted) == set(WORDS.values())


@pytest.mark.parametrize(
    ("query", "headers"), [("?words=1", {}), ("", {"HX-Request": "true", "HX-Target": "words"})]
)
def test_words_are_counted_after_the_page_or_by_a_link(browser_of, boss, everybody, query, headers):
    browser = browser_of(boss)

    first, words = browser.get(CLIENTS).text, browser.get(CLIENTS + query, headers=headers).text

    assert 'hx-trigger="load"' in first
    assert 'hx-trigger="load"' not in words
    for word in set(WORDS.values()):
        counted = f"{word.label} <b>{list(everybody.values()).count(word)}</b>"
        assert (counted in first, counted in words) == (False, True)


def test_a_word_and_a_package_are_asked_together(browser_of, boss, asker, app):
    both = let_in(asker, app=app)
    member = MembershipFactory(user__administrator=True)
    other = AppFactory(functions=["SendDocument"])
    let_in(asker, member, app=other)

    answers = [
        shown(browser_of(boss).get(CLIENTS, {"word": Word.WITHOUT_KEYS, "package": package.pk}))
        for package in (app, other)
    ]

    assert answers[0] == {both.pk}
    assert len(answers[1]) == 1


@pytest.mark.parametrize(
    "value",
    [
        lambda mandate: mandate.name,
        lambda mandate: mandate.email,
        lambda mandate: mandate.registration_number,
        lambda mandate: mandate.organisation.organisation_id.lower(),
    ],
)
def test_a_client_is_found_by_whatever_names_it(browser_of, boss, asker, value):
    mandate, _other = let_in(asker), let_in(asker)

    assert shown(browser_of(boss).get(CLIENTS, {"q": value(mandate)})) == {mandate.pk}


def test_the_filter_by_colleague_finds_whom_that_one_asked_or_may_enter(browser_of, boss, asker):
    asked, entered = ask(asker).mandate, let_in(boss)
    services.assign(mandate=entered, users=[asker], by=boss)
    let_in(boss)

    found = shown(browser_of(boss).get(CLIENTS, {"colleague": asker.pk}))

    assert found == {asked.pk, entered.pk}


def test_only_administrators_see_the_clients_of_colleagues(browser_of, boss, asker):
    mine, others = ask(asker).mandate, let_in(boss)
    let_in()

    pages = [shown(browser_of(user).get(CLIENTS)) for user in (asker, boss)]
    details = [browser_of(asker).get(m.get_absolute_url()).status_code for m in (mine, others)]

    assert pages == [{mine.pk}, {mine.pk, others.pk}]
    assert details == [200, 404]


def test_clients_of_another_accountant_are_nowhere(browser_of, boss):
    other = let_in()
    browser = browser_of(boss)

    assert shown(browser.get(CLIENTS)) == set()
    assert browser.get(other.get_absolute_url()).status_code == 404
    assert len(lines(browser.get(reverse("connections:clients-csv")))) == 1


def queries(browser, url):
    browser.get(url)
    with CaptureQueriesContext(database) as captured:
        assert browser.get(url).status_code == 200
    return len(captured)


@pytest.mark.parametrize("name", ["clients", "clients-csv"])
def test_thirty_clients_cost_as_many_queries_as_one(browser_of, boss, asker, app, name):
    browser, url = browser_of(boss), reverse(f"connections:{name}")
    ask(asker, app=app)
    one = queries(browser, url)
    for set_up in list(WORDS) * 2:
        set_up(asker, app)

    assert queries(browser, url) == one


def test_what_does_not_fit_on_a_page_is_on_the_next(browser_of, boss, asker, app):
    first = ask(asker, app=app)
    values = {"accountant": asker.environment, "country": "NL"}
    Mandate.objects.bulk_create(
        Mandate(**values, name=f"Client {n:03}", email="a@b.nl", registration_number=f"9{n:07}")
        for n in range(60)
    )
    browser = browser_of(boss)

    page = browser.get(CLIENTS)
    rest = browser.get(f"{CLIENTS}?{page.context['page'].query}")

    assert (len(shown(page)), len(shown(rest))) == (50, 11)
    assert first.mandate_id in shown(page) | shown(rest)
    assert not shown(page) & shown(rest)


# The file


def lines(answer):
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


def test_the_file_has_a_line_for_each_client_and_package(browser_of, boss, everybody):
    header, *found = lines(browser_of(boss).get(reverse("connections:clients-csv")))

    assert len(header) == 7
    assert sorted(line[5] for line in found) == sorted(str(w.label) for w in everybody.values())


def test_the_file_follows_the_filters(browser_of, boss, everybody):
    answer = browser_of(boss).get(reverse("connections:clients-csv"), {"word": Word.SILENT})

    assert [line[5] for line in lines(answer)[1:]] == [str(Word.SILENT.label)]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_no_cell_of_the_file_is_a_formula(browser_of, boss, asker, name):
    ask(asker, client_name=name)

    line = lines(browser_of(boss).get(reverse("connections:clients-csv")))[1]

    assert line[0] == f"'{name}"


def test_after_the_end_nothing_of_the_clients_connections_is_told(browser_of, boss, asker, app):
    member = MembershipFactory(user__administrator=True)
    mandate = let_in(asker, member, app=app)
    connections.end_partnership(partnership=mandate.partnership, by=boss)
    _own, pair = connect(member.user, member.organisation, app)
    Software(pair, member.organisation).me()

    line = lines(browser_of(boss).get(reverse("connections:clients-csv")))[1]

    assert line[3:] == ["", "Yuki", str(Word.NO_REQUEST.label), ""]
    cell = cells(mandate=mandate).get()
    assert (cell.number, cell.last_used_at) == (None, None)


# One client


@pytest.mark.parametrize("set_up", WORDS)
def test_the_page_of_a_client_opens_whatever_the_state(browser_of, boss, asker, app, set_up):
    mandate = set_up(asker, app)

    answers = [browser_of(who).get(mandate.get_absolute_url()).status_code for who in (boss, asker)]

    assert answers == [
        200,
        404 if set_up is suspended else 200,
    ]  # whoever was taken out sees no more


@pytest.mark.parametrize(
    ("set_up", "role", "ok"),
    [
        (pending, {"administrator": True}, [False, True]),
        (ended, {"administrator": True}, [False, True]),
        (without_keys, {"administrator": True}, [True, True, False]),
    ],
)
def test_the_page_of_a_client_says_what_is_missing(browser_of, asker, app, set_up, role, ok):
    mandate = set_up(asker, app)
    person = UserFactory(environment=asker.environment, **role)

    answer = browser_of(person).get(mandate.get_absolute_url())

    assert [line.ok for line in answer.context["checklist"]] == ok
    assert list(answer.context["connections"]) == []


def test_who_may_enter_finds_the_connections_there(browser_of, asker, app):
    mandate = healthy(asker, app)

    answer = browser_of(asker).get(mandate.get_absolute_url())

    assert [c.app for c in answer.context["connections"]] == [app]
