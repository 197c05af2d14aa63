"""A log that was taken along proves itself, with nothing but a script (R53)."""

import csv
import json
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location

import pytest
from django.conf import settings
from django.db import transaction

from accounts import services
from accounts.events.models import Action, Event
from accounts.events.services import chain_waiting, erase_name, record, retire
from accounts.roles import Role
from tests.factories import UserFactory

SCRIPT = settings.BASE_DIR / "scripts/verify_export.py"
spec = spec_from_file_location("verify_export", SCRIPT)
script = module_from_spec(spec)
spec.loader.exec_module(script)
ACTIVITY = "/activity/?about=gravenhage"
NASTY = ['=1+1;"', "'=1", "''s-Gravenhage", "two\r\nlines", "Zoë,\u2028é", ""]


@pytest.fixture(autouse=True)
def _own_anchors(settings, tmp_path):
    settings.PORTAL_DATA = tmp_path


@pytest.fixture
def log(environment, administrator, organisation):
    """Six chained lines, of which every second is about an organisation."""
    for turn, text in enumerate(NASTY):
        organisation.name = text
        with transaction.atomic():
            record(
                Action.ORGANISATION_CHANGED,
                by=administrator if turn else None,
                subject=organisation,
                environment=environment,
                organisation=organisation if turn % 2 else None,
                changed={"name": text},
            )
    chain_waiting()
    return Event.objects.chained()


@pytest.fixture
def download(office, tmp_path):
    """Download the log as a file of this kind."""

    def downloaded(kind, query=None, **headers):
        answer = office.get(f"/activity/activity.{kind}", query or {}, headers=headers)
        assert f"activity.{kind}" in answer["Content-Disposition"]
        path = tmp_path / f"activity.{kind}"
        path.write_bytes(b"".join(answer.streaming_content))
        return path

    return downloaded


KINDS = pytest.mark.parametrize("kind", ["csv", "jsonl"])


def check_value(event):
    return f"{event.number}-{event.link}"


@KINDS
def test_the_script_follows_the_chain_without_anything_of_ours(log, download, kind):
    command = [sys.executable, "-I", str(SCRIPT), str(download(kind)), check_value(log[5])]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.stdout == f"6 lines are unbent. The last check value is {check_value(log[5])}\n"
    assert done.returncode == 0


def test_everybody_gets_the_script(client):
    answer = client.get("/activity/verify_export.py")

    assert answer.content == SCRIPT.read_bytes()


@KINDS
def test_the_script_names_the_row_that_was_bent(log, download, kind):
    path = download(kind)
    path.write_bytes(path.read_bytes().replace(b"organisation.changed", b"organisation.chang3d", 3))
    path.write_bytes(path.read_bytes().replace(b"organisation.chang3d", b"organisation.changed", 2))

    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(path)], capture_output=True, text=True, check=False
    )

    assert done.stderr == f"Row {4 if kind == 'csv' else 3}: line 3 was changed.\n"
    assert done.returncode == 1


@KINDS
def test_no_byte_can_be_bent(log, download, kind):
    path = download(kind)
    whole, value = path.read_bytes(), check_value(log[5])
    before = list(script.rows_of(str(path)))

    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + b"z" + whole[place + 1 :])
        try:
            script.verify(str(path), value)
        except script.Bent:
            continue
        assert list(script.rows_of(str(path))) == before, place  # quotes that nothing needs


@pytest.fixture
def rewritten(download):
    """The downloaded file with its rows put together anew, the way `change` says."""

    def rewrite(kind, change):
        path = download(kind)
        if kind == "jsonl":
            path.write_text("\n".join(change(path.read_text().splitlines())))
        else:
            with path.open(encoding="utf-8-sig", newline="") as file:
                header, *rows = csv.reader(file)
            with path.open("w", newline="") as file:
                csv.writer(file).writerows([header, *change(rows)])
        return str(path)

    return rewrite


@KINDS
def test_rows_cannot_be_exchanged(log, rewritten, kind):
    path = rewritten(kind, lambda rows: [*rows[:2], rows[3], rows[2], *rows[4:]])

    with pytest.raises(script.Bent, match="line 3 (is missing|stands after line 4)"):
        script.verify(path)


def test_rows_cannot_be_taken_out(log, rewritten):
    with pytest.raises(script.Bent, match="Row 3: line 3 is missing"):
        script.verify(rewritten("jsonl", lambda rows: rows[:2] + rows[3:]))

    table = rewritten("csv", lambda rows: rows[:2] + rows[3:])

    assert "1 lines are left out, so the file alone cannot tell" in script.verify(table)


@KINDS
def test_a_file_without_its_last_rows_does_not_hold_their_check_value(log, rewritten, kind):
    path = rewritten(kind, lambda rows: rows[:4])

    assert script.verify(path, check_value(log[3])).startswith("4 lines are unbent.")
    with pytest.raises(script.Bent, match="not of that log"):
        script.verify(path, check_value(log[5]))


@KINDS
def test_a_check_value_noted_before_or_after_says_whether_it_is_that_log(log, download, kind):
    path = str(download(kind))

    assert script.verify(path, check_value(log[2])) == script.verify(path, check_value(log[5]))
    assert "may have been written anew" in script.verify(path)
    with pytest.raises(script.Bent, match="not of that log"):
        script.verify(path, f"6-{'0' * 64}")


def test_what_a_filter_finds_is_proved_with_all_of_the_chain(log, download, organisation):
    path = download("jsonl", {"organisation": organisation.pk})
    lines = [json.loads(line) for line in path.read_text().splitlines()]

    assert [line["number"] for line in lines if "at" in line] == [2, 4, 6]
    assert [set(line) for line in lines if "at" not in line] == [script.LEFT_OUT] * 3
    assert script.verify(str(path), check_value(log[4])).startswith("3 lines are unbent.")


def test_a_table_of_what_a_filter_finds_says_what_it_cannot_prove(log, download, organisation):
    path = download("csv", {"organisation": organisation.pk})

    assert [line["number"] for _row, line in script.rows_of(str(path))] == [2, 4, 6]
    assert "\n2 lines are left out, so the file alone cannot tell" in script.verify(str(path))


def test_excel_in_dutch_reads_and_computes_nothing(log, office, administrator, download):
    administrator.language = "nl"
    administrator.save()

    path = download("csv")

    assert path.read_text().startswith("\ufeffnumber;at;actor;")
    assert ";'=1+1" in path.read_text() or ";\"'=1+1" in path.read_text()
    names = [line["subject_name"] for _row, line in script.rows_of(str(path))]
    assert names == NASTY
    assert script.verify(str(path))


@KINDS
def test_erased_names_and_retired_lines_leave_a_file_that_verifies(
    log, download, environment, administrator, colleague, kind
):
    services.change_role(user=colleague, role=Role.ADVANCED, by=administrator)
    services.remove(user=colleague, by=administrator)
    chain_waiting()
    erase_name(user=colleague)
    retire(environment=environment, before=log[1].at)
    chain_waiting()

    path = download(kind)

    assert "Piet" not in path.read_text()
    assert script.verify(str(path)).startswith("9 lines are unbent.")


def test_nothing_can_be_put_where_a_value_was_erased(log, rewritten, administrator, colleague):
    services.change_role(user=colleague, role=Role.ADVANCED, by=administrator)
    erase_name(user=colleague)
    chain_waiting()
    path = rewritten(
        "jsonl", lambda rows: [row.replace('name":"",', 'name":"Ann",') for row in rows[6:]]
    )

    with pytest.raises(script.Bent, match="Row 1: a value was erased, but stands there."):
        script.verify(path)


@KINDS
def test_nobody_reads_the_log_of_others(log, browser_of, colleague, kind):
    assert browser_of(colleague).get(f"/activity/activity.{kind}").status_code == 403

    other = browser_of(UserFactory(administrator=True)).get(f"/activity/activity.{kind}")

    assert b"".join(other.streaming_content).count(b"\n") == (kind == "csv")


@KINDS
def test_a_long_log_leaves_with_as_few_queries(log, office, django_assert_num_queries, kind):
    answer = office.get(f"/activity/activity.{kind}")

    with django_assert_num_queries(3):
        assert b"".join(answer.streaming_content)


def test_the_page_says_the_check_value_and_how_to_download_what_it_shows(log, office):
    page = office.get(ACTIVITY).content.decode()

    assert f'value="{check_value(log[5])}"' in page
    assert 'href="/activity/activity.csv?about=gravenhage"' in page
    assert [event.number for event in office.get(ACTIVITY).context["page"].rows] == [3]
