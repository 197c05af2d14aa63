"""docs/autopilot.md does what it says."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.conf import settings
from django.utils import timezone

from connections.autopilot import pushing, services
from tests.autopilot.conftest import switched_on

DOCS = Path(settings.BASE_DIR, "docs", "autopilot.md").read_text()


@pytest.fixture
def is_from_the_portal():
    names = {}
    exec(re.search(r"```python\n(.*?)```", DOCS, re.DOTALL)[1], names)  # noqa: S102 (ours, as the reader does)
    return names["is_from_the_portal"]


def keys_of(thing):
    return {key: keys_of(value) for key, value in thing.items()} if isinstance(thing, dict) else 0


@pytest.mark.django_db
def test_the_sample_verifies_what_is_pushed_and_nothing_else(
    member, package, arrive, is_from_the_portal
):
    connection, old = switched_on(member, package.url)
    new = services.new_signing_secret(
        connection=connection, by=member.user, op_id="b2fca0c7-0a5a-4b65-9d4f-5f5d1d2f4f11"
    )
    arrive("1")
    pushing.push_next()
    headers, body = package.got[0]

    assert is_from_the_portal(headers, body, old.reveal())
    assert is_from_the_portal(headers, body, new.reveal())
    assert not is_from_the_portal(headers, body + b" ", new.reveal())
    assert not is_from_the_portal({**headers, "webhook-id": "msg_1"}, body, new.reveal())
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        assert not is_from_the_portal(headers, body, new.reveal())


@pytest.mark.django_db
def test_the_body_has_the_fields_of_the_documentation(autopilot, package, arrive):
    told = json.loads(re.search(r"```json\n(.*?)```", DOCS, re.DOTALL)[1])
    arrive("1")

    pushing.push_next()

    assert keys_of(package.messages[0]) == keys_of(told)
