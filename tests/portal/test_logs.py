"""What is in a log line, what never is, and how many lines a flood makes."""

import json
import logging

import pytest

from connections import keys
from portal.logs import JsonLine, Line, current_request_id

HOSTILE = ["\n2026-01-01 INFO forged", "\x1b[31mred", "\u2028", "\x00", "\ud800", '"}{', "é" * 5000]
LOGGER = logging.Logger(
    "portal"
)  # beside the others: pytest cannot hand its own record of these on


@pytest.fixture
def lines():
    """What a logger writes with each of our two formatters."""
    kept = {"text": [], "json": []}

    class Keep(logging.Handler):
        def emit(self, record):
            kept["text"].append(Line("{request_id} {message}", style="{").format(record))
            kept["json"].append(JsonLine().format(record))

    LOGGER.addHandler(Keep())
    yield kept
    LOGGER.handlers.clear()


def test_a_line_names_its_request_and_masks_secrets_in_tracebacks_too(lines):
    secret = keys.make_pair().secret.reveal()
    token = current_request_id.set("req_1")
    try:
        raise ValueError(secret)
    except ValueError:
        LOGGER.exception("failed with %s", secret)
    finally:
        current_request_id.reset(token)

    said = json.loads(lines["json"][0])
    assert (said["request_id"], said["message"]) == ("req_1", "failed with [masked]")
    assert "ValueError: [masked]" in said["traceback"]
    assert secret not in lines["json"][0] + lines["text"][0]


def test_whatever_is_logged_stays_one_line(lines):
    for text in HOSTILE:
        LOGGER.warning("heard %s", text)

    heard = [json.loads(line)["message"] for line in lines["json"]]
    assert heard == [f"heard {text}" for text in HOSTILE]
    assert all(line.isprintable() for line in lines["json"] + lines["text"])


def test_a_flood_of_refusals_makes_few_lines_and_tells_how_many_it_left_out(client, db, caplog):
    few = logging.getLogger("django.request").filters[0]
    few._seen.clear()
    for _ in range(500):
        client.get("/api/v1/me")
    assert len(caplog.records) == few.MOST
    assert caplog.records[0].getMessage() == "401 GET api/v1/me"

    named = Line("{request_id}", style="{").format(caplog.records[0])
    assert named == caplog.records[0].request.id

    few._minute -= 1
    client.get("/invitations/key-of-a-link/")

    last = caplog.records[-1].getMessage()
    assert last == "410 GET invitations/<str:token>/ (not written before: 480 × 401)"
