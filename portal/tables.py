"""Tables that people download and open in a spreadsheet program."""

import csv
import io
from itertools import islice

from django.http import StreamingHttpResponse
from django.utils import translation
from django.utils.functional import Promise
from django.utils.http import content_disposition_header

FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
)  # with these a spreadsheet program begins to compute
ROWS_AT_ONCE = 200


def csv_answer(name, header, rows):
    """Answer with a CSV file `name` for Excel in the language of now: its mark, its separator, no formulas.

    `rows` may be a generator: it is asked row by row while the answer leaves, in the same language.
    """
    language = translation.get_language() or "en"
    return StreamingHttpResponse(
        _chunks(header, iter(rows), language),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": content_disposition_header(True, name)},
    )


def neutral(cell):
    """A text that would be a formula gets an apostrophe in front, so that it stays a text."""
    if isinstance(cell, Promise):
        cell = str(cell)
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def original(text):
    """Take off the apostrophe that `neutral` puts in front."""
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA) else text


def _chunks(header, rows, language):
    """The middleware has left the person's language when this runs, hence the language around each chunk."""
    delimiter = ";" if language.startswith("nl") else ","
    written, some = "\ufeff", [header]
    while some:
        with translation.override(language):
            text = io.StringIO(written, newline="")
            text.seek(0, io.SEEK_END)
            writer = csv.writer(text, delimiter=delimiter)
            writer.writerows([neutral(cell) for cell in row] for row in some)
            some = list(islice(rows, ROWS_AT_ONCE))
        yield text.getvalue()
        written = ""
