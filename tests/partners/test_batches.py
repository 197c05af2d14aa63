"""Many requests from a file: read, judged, sent once, mended (R30, R33)."""

import csv
import io
import threading
import uuid
from contextlib import contextmanager

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, connections
from django.db.models.signals import pre_save
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from accounts.events import chain
from accounts.events.models import Action, Event
from accounts.mail.models import Mail
from accounts.roles import Role
from partners import imports, services
from partners.models import AuthorisationRequest, Batch, BatchLine, Mandate, Partnership
from partners.refusals import NoAccountantRight
from portal.tables import neutral
from tests.factories import (
    AppFactory,
    EnvironmentFactory,
    MembershipFactory,
    OrganisationFactory,
    UserFactory,
    let_in,
)

HEADER = "client name;email;package;registration number"
State = BatchLine.State
requests = AuthorisationRequest.objects


@pytest.fixture
def app():
    return AppFactory(name="Bookwise")


@pytest.fixture
def accountant(app):
    return UserFactory(advanced=True, environment__accountant_right=True)


@pytest.fixture
def desk(browser_of, accountant):
    """The browser of the accountant."""
    return browser_of(accountant)


def file_of(text, name="clients.csv"):
    raw = text if isinstance(text, bytes) else text.encode()
    return SimpleUploadedFile(name, raw)


def table(*rows, header=HEADER):
    return "\n".join([header, *rows])


def rows_of(number, first=0):
    return [f"Client {n};c{n}@example.org;Bookwise;{n:08}" for n in range(first, first + number)]


def judged(text, by):
    return imports.judge(file=file_of(text), by=by)


def verdict_on(row, by, header=HEADER):
    line = judged(table(row, header=header), by).lines.get()
    assert (line.state == State.WRONG) == bool(line.verdict)
    return line.verdict


def started(number, by):
    batch = judged(table(*rows_of(number)), by)
    imports.start(batch=batch, by=by)
    return batch


def send_all():
    while imports.send_next():
        pass


def states(batch):
    return list(batch.lines.order_by("number").values_list("state", flat=True))


def asked(by, app, number="00000001", email="c1@example.org"):
    return services.ask(
        client_name="Client 1",
        email=email,
        country="NL",
        registration_number=number,
        app=app,
        accountant_pays=True,
        functions=app.functions,
        language="en",
        op_id=uuid.uuid4(),
        by=by,
    )


def queries(act):
    with CaptureQueriesContext(connection) as captured:
        act()
    return len(captured)


# Reading


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_files_of_every_spreadsheet_program_are_read(encoding, delimiter):
    text = table("Café de Zon;a@example.org;Bookwise;00000001").replace(";", delimiter)

    (row,) = imports.read(file_of(text.encode(encoding)))

    assert (row.number, row.cells["client_name"]) == (2, "Café de Zon")


@pytest.mark.parametrize(
    "header",
    [
        "Klantnaam;E-mail;Softwarepakket;Registratienummer",
        " CLIENT NAME ; Email;Software package;KvK",
        '"client name";e-mail;package;registration number;;',
    ],
)
def test_headers_are_known_in_both_languages(header):
    (row,) = imports.read(file_of(table(*rows_of(1), header=header)))

    assert row.cells["client_name"] == "Client 0"
    assert row.cells["registration_number"] == "00000000"


def test_columns_stand_in_any_order_and_empty_lines_are_passed_over():
    text = "\r\n".join(
        ["registration number,package,client name,email", ",,,", "1,B,First,a", "", "2,B,Second,b"]
    )

    rows = imports.read(file_of(text))

    assert [(row.number, row.cells["client_name"]) for row in rows] == [(3, "First"), (5, "Second")]


BROKEN = {
    "empty": b" ",
    "nul": table("A\0;a@example.org;Bookwise;00000001"),
    "picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0",
    "wide without its mark": table(*rows_of(1)).encode("utf-16-le"),
    "half a character": b"\xff\xfe;",
    "only quotes": '"' * 101,
    "quote that stays open": table('"Bakery;a@example.org;Bookwise;1', *rows_of(3)),
    "one huge line": "x" * 1_000_000,
    "one huge cell": table("y" * 200_000 + ";a@example.org;Bookwise;1"),
    "many cells": "a," * 500_000,
    "too large": b"x" * (imports.MOST_BYTES + 1),
    "header only": HEADER,
    "no header": rows_of(2)[0],
    "a column missing": "client name;email;package\na;b;c",
    "a column twice": table(*rows_of(1), header=f"{HEADER};kvk"),
    "an unknown column": table(*rows_of(1), header=f"{HEADER};iban"),
    "too many lines": table(*["a;b;c;d"] * 10_001),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_file_that_cannot_be_read_is_told_at_the_field(desk, broken):
    answer = desk.post(reverse("partners:upload"), {"file": file_of(broken)})

    (error,) = answer.context["form"].errors["file"]
    assert answer.status_code == 422
    assert str(error).endswith(".")
    assert str(error) in answer.context["form"]["file"].errors
    assert not Batch.objects.exists()


def test_ten_thousand_lines_are_read():
    assert len(imports.read(file_of(table(*["a;b;c;d"] * 10_000)))) == 10_000


def test_without_a_file_the_page_says_so(desk):
    assert desk.post(reverse("partners:upload"), {}).status_code == 422


# Judging


def test_a_good_line_is_ready_with_all_that_is_asked(accountant, app):
    header = f"{HEADER};country;who pays;note;language"
    row = "  De   Zon ;A@Example.org;bookWISE;0.123.456.789;be;klant;Hello;nl"

    line = judged(table(row, header=header), accountant).lines.get()

    assert (line.number, line.state, line.verdict) == (2, State.READY, "")
    assert line.values["ask"] == {
        "client_name": "De Zon",
        "email": "a@example.org",
        "app": app.pk,
        "country": "BE",
        "registration_number": "0123456789",
        "accountant_pays": False,
        "note": "Hello",
        "language": "nl",
    }


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (";a@example.org;Bookwise;00000001", "Enter the name of the client."),
        (f"{'x' * 151};a@example.org;Bookwise;00000001", "Shorten the name"),
        ("A;;Bookwise;00000001", "Enter the email address"),
        ("A;a@;Bookwise;00000001", '"a@" is no email address'),
        (f"A;{'x' * 250}@example.org;Bookwise;00000001", "is no email address"),
        ("A;a@example.org;;00000001", "Enter the name of the software package."),
        ("A;a@example.org;Bokwise;00000001", 'Did you mean "Bookwise"?'),
        ("A;a@example.org;Zzz;00000001", "Enter the name as it stands under New request."),
        ("A;a@example.org;Bookwise;", "Enter the registration number."),
        ("A;a@example.org;Bookwise;123456", "A KvK number has 8 digits."),
        (
            "A;a@example.org;Bookwise;1234567",
            "Excel may have taken a leading zero: 01234567. Correct the number.",
        ),
        ("A;a@example.org;Bookwise;00000001;FR", '"FR" is no country that can be used.'),
        ("A;a@example.org;Bookwise;00000001;;bank", 'Who pays is "we" or "client", not "bank".'),
        (f"A;a@example.org;Bookwise;00000001;;;{'x' * 1001}", "Shorten the note"),
        ("A;a@example.org;Bookwise;00000001;;;;fr", 'The language is "en" or "nl", not "fr".'),
        ("A;a@example.org;Bookwise;00000001;;;;;surplus", "more cells than the header"),
    ],
)
def test_what_is_wrong_is_said_with_its_mend(accountant, row, verdict):
    assert verdict in verdict_on(row, accountant, f"{HEADER};country;who pays;note;language")


def test_all_that_is_wrong_with_a_line_is_said_at_once(accountant):
    verdict = verdict_on(f";{'x' * 3000};{'y' * 3000};1", accountant)

    assert "name of the client" in verdict
    assert "KvK" in verdict
    assert len(verdict) <= 500


def test_a_line_that_is_there_twice_is_sent_once(accountant):
    first, other = rows_of(2)

    batch = judged(table(first, other, first.upper()), accountant)

    assert states(batch) == [State.READY, State.READY, State.WRONG]
    assert batch.lines.get(number=4).verdict == "The same as line 2. Take one out."


def test_nobody_asks_oneself(accountant):
    own = OrganisationFactory(environment=accountant.environment)
    colleague = UserFactory(environment=accountant.environment)

    assert "colleague" in verdict_on(f"A;{colleague.email};Bookwise;00000009", accountant)
    assert "your own environment" in verdict_on(
        f"A;a@example.org;Bookwise;{own.registration_number}", accountant
    )


def test_who_was_asked_already_is_not_asked_again(accountant, app):
    asked(accountant, app)

    verdict = verdict_on(rows_of(1, first=1)[0], accountant)

    assert "Asked on" in verdict
    assert "Resend" in verdict


def test_who_allows_all_already_is_not_asked(accountant, app):
    organisation = OrganisationFactory(registration_number="00000001")
    mandate = asked(accountant, app).mandate
    Mandate.objects.filter(pk=mandate.pk).update(
        organisation=organisation,
        partnership=Partnership.objects.create(
            accountant=accountant.environment, client=organisation.environment
        ),
        functions=app.functions,
        given_at=timezone.now(),
    )

    assert "is your client already" in verdict_on(rows_of(1, first=1)[0], accountant)


def test_who_allowed_less_is_not_asked_for_all_by_a_file(accountant, app):
    client = MembershipFactory(user__administrator=True)
    let_in(accountant, client, app=app, functions=["SendDocument"])
    number = client.organisation.registration_number

    verdict = verdict_on(f"Client;c@example.org;Bookwise;{number}", accountant)

    assert "allowed less" in verdict


def test_what_others_asked_is_no_hindrance(accountant, app):
    asked(UserFactory(advanced=True, environment__accountant_right=True), app)

    assert verdict_on(rows_of(1, first=1)[0], accountant) == ""


def test_thirty_lines_are_judged_by_as_many_queries_as_three(accountant):
    few, many = table(*rows_of(3)), table(*rows_of(30))

    assert queries(lambda: judged(few, accountant)) == queries(lambda: judged(many, accountant))


def test_nothing_is_sent_before_somebody_says_so(accountant):
    judged(table(*rows_of(2)), accountant)

    assert imports.send_next() == 0
    assert not requests.exists()


# Sending


def test_every_line_is_sent_once_however_often_the_worker_comes(accountant):
    batch = started(3, accountant)

    send_all()
    send_all()

    assert states(batch) == [State.SENT] * 3
    assert sorted(Mail.objects.values_list("to", flat=True)) == [
        f"c{n}@example.org" for n in range(3)
    ]
    assert Batch.objects.get().finished_at


def test_a_second_click_starts_nothing_anew(accountant, desk):
    batch = judged(table(*rows_of(2)), accountant)

    for _click in range(2):
        desk.post(reverse("partners:batch-send", args=[batch.uuid]))

    assert Event.objects.get(action=Action.REQUESTS_STARTED).details == {"requests": 2}


def test_sending_needs_the_right(accountant):
    batch = judged(table(*rows_of(1)), accountant)
    accountant.environment.accountant_right = False

    with pytest.raises(NoAccountantRight):
        imports.start(batch=batch, by=accountant)


class Killed(BaseException):
    pass


def test_a_worker_that_dies_in_the_middle_loses_nothing_and_sends_nothing_twice(
    accountant, monkeypatch
):
    batch = started(3, accountant)
    save, saved = BatchLine.save, []

    def die_at_the_second(line, **options):
        saved.append(line)
        if len(saved) == 2:
            raise Killed
        save(line, **options)

    monkeypatch.setattr(BatchLine, "save", die_at_the_second)
    with pytest.raises(Killed):
        imports.send_next()
    assert (requests.count(), Mail.objects.count()) == (1, 1)

    send_all()

    assert states(batch) == [State.SENT] * 3
    assert (requests.count(), Mail.objects.count()) == (3, 3)


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_no_line_twice(accountant):
    batch = started(10, accountant)

    def work():
        send_all()
        connections.close_all()

    workers = [threading.Thread(target=work) for _worker in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    send_all()

    assert states(batch) == [State.SENT] * 10
    assert (requests.count(), Mail.objects.count()) == (10, 10)
    assert Batch.objects.get().finished_at


def test_a_line_that_was_sent_but_not_marked_is_marked_only(accountant):
    batch = started(1, accountant)
    send_all()
    batch.lines.update(state=State.READY, request=None)
    Batch.objects.update(finished_at=None)

    send_all()

    assert batch.lines.get().request == requests.get()


def test_what_was_asked_meanwhile_is_refused_and_the_rest_goes_on(accountant, app):
    batch = started(3, accountant)
    asked(accountant, app)

    send_all()

    assert states(batch) == [State.SENT, State.REFUSED, State.SENT]
    assert "the request is pending" in batch.lines.get(state=State.REFUSED).verdict


def test_a_package_that_is_offered_no_more_is_refused(accountant, app):
    batch = started(1, accountant)
    app.published = False
    app.save()

    send_all()

    assert "not offered any more" in batch.lines.get().verdict


def test_a_fault_of_ours_at_one_line_leaves_nothing_half_done_and_stops_no_other(
    accountant, monkeypatch
):
    batch = started(2, accountant)
    sign, failed = chain.sign, []

    def fail_once(event):
        if not failed:
            failed.append(event)
            raise ZeroDivisionError
        return sign(event)

    monkeypatch.setattr(chain, "sign", fail_once)
    send_all()

    assert states(batch) == [State.REFUSED, State.SENT]
    assert "the fault is ours" in batch.lines.first().verdict
    assert (requests.count(), Mail.objects.count()) == (1, 1)


def test_beyond_the_most_of_a_day_the_rest_waits_for_tomorrow(accountant, desk, settings):
    settings.REQUEST_MAILS_PER_DAY = 2
    batch = started(3, accountant)

    send_all()
    page = desk.get(batch.get_absolute_url()).text

    assert states(batch) == [State.SENT, State.SENT, State.READY]
    assert "The rest follows by itself" in page
    assert imports.send_next() == 0

    settings.REQUEST_MAILS_PER_DAY = 3
    send_all()
    assert states(batch) == [State.SENT] * 3


def test_a_file_that_waits_does_not_hold_up_that_of_another(accountant, settings):
    settings.REQUEST_MAILS_PER_DAY = 1
    waiting = started(2, accountant)
    other = started(1, UserFactory(advanced=True, environment__accountant_right=True))

    for _time in range(3):
        imports.send_next(limit=1)

    assert states(waiting) == [State.SENT, State.READY]
    assert states(other) == [State.SENT]


@pytest.mark.parametrize(
    "change",
    [{"role": Role.BASIC}, {"is_active": False}, {"environment": None}],
    ids=["role", "blocked", "gone"],
)
def test_who_may_not_send_any_more_sends_nothing_more(accountant, change):
    batch = started(2, accountant)
    for name, value in change.items():
        setattr(accountant, name, value)
    accountant.save()

    send_all()

    assert states(batch) == [State.REFUSED] * 2
    assert "may not send requests any more" in batch.lines.first().verdict
    assert Batch.objects.get().finished_at


def test_refusals_speak_the_language_of_who_uploaded(accountant, app):
    batch = started(2, accountant)
    asked(accountant, app)
    accountant.language = "nl"
    accountant.save()

    with noted_languages() as languages:
        send_all()

    assert batch.lines.filter(state=State.REFUSED).count() == 1
    assert languages == {"nl"}


@contextmanager
def noted_languages():
    """The languages that were spoken while lines were stored."""
    languages = set()

    def note(**_signal):
        languages.add(translation.get_language())

    pre_save.connect(note, sender=BatchLine)
    try:
        yield languages
    finally:
        pre_save.disconnect(note, sender=BatchLine)


# Pages

PAGES = ["batch", "batch-send", "batch-mend"]


@pytest.mark.parametrize("name", PAGES)
def test_files_of_others_are_404(browser_of, accountant, name):
    batch = judged(table(*rows_of(1)), accountant)
    stranger = UserFactory(administrator=True, environment__accountant_right=True)
    colleague = UserFactory(advanced=True, environment=accountant.environment)
    method = "post" if name == "batch-send" else "get"

    for user in (stranger, colleague):
        answer = getattr(browser_of(user), method)(reverse(f"partners:{name}", args=[batch.uuid]))
        assert answer.status_code == 404
    assert not Batch.objects.sending().exists()


def test_administrators_see_the_files_of_their_people(browser_of, accountant):
    batch = judged(table(*rows_of(1)), accountant)
    browser = browser_of(UserFactory(administrator=True, environment=accountant.environment))

    assert browser.get(batch.get_absolute_url()).status_code == 200
    assert list(browser.get(reverse("partners:upload")).context["batches"]) == [batch]


@pytest.mark.parametrize("name", ["upload", "template"])
def test_environments_without_the_right_get_the_checklist(browser_of, name):
    browser = browser_of(UserFactory(advanced=True, environment=EnvironmentFactory()))

    assert browser.get(reverse(f"partners:{name}")).status_code == 403


def test_an_upload_leads_to_the_judgement_and_sends_nothing(desk):
    answer = desk.post(
        reverse("partners:upload"), {"file": file_of(table(*rows_of(2), ";;;9"))}, follow=True
    )

    assert "Send 2 requests" in answer.text
    assert "Enter the name of the client." in answer.text
    assert not requests.exists()


def test_progress_fetches_itself_until_all_is_done(accountant, desk):
    batch = started(3, accountant)
    imports.send_next(limit=2)
    asked_by_htmx = {"HX-Request": "true", "HX-Target": "progress"}

    part = desk.get(batch.get_absolute_url(), headers=asked_by_htmx).text
    assert part.lstrip().startswith('<section id="progress"')
    assert "2 of 3 done" in part
    assert "every 2s" in part

    send_all()
    part = desk.get(batch.get_absolute_url(), headers=asked_by_htmx).text
    assert "3 requests were sent." in part
    assert "every 2s" not in part


@pytest.mark.parametrize(
    ("state", "found"),
    [("", [2, 3, 4]), ("ready", [2, 4]), ("wrong", [3]), ("sent", []), ("x\0", [2, 3, 4])],
)
def test_lines_are_found_by_state(accountant, desk, state, found):
    first, last = rows_of(2)
    batch = judged(table(first, "A;;;", last), accountant)

    page = desk.get(batch.get_absolute_url(), {"state": state}).context["page"]

    assert [line.number for line in page.rows] == found


def test_the_lines_go_on_where_the_page_ends(accountant, desk):
    batch = judged(table(*rows_of(60)), accountant)

    first = desk.get(batch.get_absolute_url(), {"state": "ready"}).context["page"]
    second = desk.get(f"{batch.get_absolute_url()}?{first.query}").context["page"]

    assert [line.number for line in (*first.rows, *second.rows)] == list(range(2, 62))


def test_three_lines_cost_the_page_no_more_queries_than_one(accountant, desk):
    one, three = started(1, accountant), judged(table(*rows_of(3, first=1)), accountant)
    imports.start(batch=three, by=accountant)
    send_all()
    desk.get(one.get_absolute_url())

    assert queries(lambda: desk.get(one.get_absolute_url())) == queries(
        lambda: desk.get(three.get_absolute_url())
    )


@pytest.mark.parametrize("language", ["en", "nl"])
def test_the_template_can_be_uploaded_as_it_is(accountant, desk, language):
    accountant.language = language
    accountant.save()

    text = b"".join(desk.get(reverse("partners:template")).streaming_content)

    assert set(states(judged(text, accountant))) == {State.READY}


@pytest.mark.parametrize("language", ["en", "nl"])
def test_what_was_not_sent_is_downloaded_mended_and_uploaded(accountant, desk, app, language):
    accountant.language = language
    accountant.save()
    asked(accountant, app, number="00000007")
    batch = judged(table(*rows_of(1), "=Bad;b@example.org;Bokwise;00000005"), accountant)

    answer = desk.get(reverse("partners:batch-mend", args=[batch.uuid]))
    text = b"".join(answer.streaming_content).decode()
    rows = list(csv.reader(io.StringIO(text[1:]), delimiter=";" if language == "nl" else ","))
    mended = imports.judge(file=file_of(text.replace("Bokwise", "Bookwise", 1)), by=accountant)

    assert [row[0] for row in rows[1:]] == [neutral("=Bad")]
    assert "Bookwise" in rows[1][-1]
    assert states(mended) == [State.READY]
    assert mended.lines.get().values["ask"]["client_name"] == "=Bad"


def test_what_stood_beyond_the_header_is_in_the_file_to_mend(accountant, desk):
    batch = judged(table("A;a@example.org;Bookwise;00000001;lost"), accountant)

    answer = desk.get(reverse("partners:batch-mend", args=[batch.uuid]))

    assert b"lost" in b"".join(answer.streaming_content)
