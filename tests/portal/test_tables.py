"""Files for spreadsheet programs: what opens them, and what must not compute in them."""

import csv
import io

import pytest
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from portal.tables import csv_answer, neutral, original


def text_of(answer):
    return b"".join(answer.streaming_content).decode()


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_what_would_be_a_formula_stays_a_text_and_can_be_read_back(begin):
    text = f"{begin}HYPERLINK(1)"

    assert neutral(text) == f"'{text}"
    assert original(neutral(text)) == text


@pytest.mark.parametrize("cell", ["", "Bakery", "a=b", "'t Hoekje", -5, None])
def test_other_cells_stay_as_they_are(cell):
    assert neutral(cell) == cell


@pytest.mark.parametrize("text", ["", "Bakery", "a=b", "'t Hoekje", "'", "''=1", "=1"])
def test_only_the_apostrophe_before_a_formula_is_taken_off(text):
    assert original(text) == text


def test_a_text_that_comes_in_the_language_of_the_reader_is_neutral_too():
    assert neutral(_("=1")) == "'=1"


@pytest.mark.parametrize(("language", "delimiter"), [("en", ","), ("nl", ";")])
def test_excel_reads_the_file(language, delimiter):
    with translation.override(language):
        answer = csv_answer("clients.csv", ["Name", "Number"], [["Café; de, Hoek", 5]])
    text = text_of(answer)

    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="clients.csv"'
    assert text[0] == "\ufeff"
    rows = csv.reader(io.StringIO(text[1:], newline=""), delimiter=delimiter)
    assert list(rows) == [["Name", "Number"], ["Café; de, Hoek", "5"]]


def test_every_row_of_a_long_table_leaves_in_the_language_of_the_reader():
    def rows():
        for number in range(1001):
            yield [number, translation.get_language()]

    with translation.override("nl"):
        answer = csv_answer("long.csv", ["Nummer", "Taal"], rows())
    lines = text_of(answer).splitlines()

    assert lines[1:] == [f"{number};nl" for number in range(1001)]


def test_names_of_files_cannot_break_the_header():
    answer = csv_answer('a"; \r\nX: "é.csv', ["A"], [])

    assert "\n" not in answer["Content-Disposition"]
