"""How far the logs had come, noted outside of the database: or nobody could tell that an end was cut off."""

import json
import os
from collections import defaultdict

from django.conf import settings
from django.utils import timezone

from accounts.events import chain


def path():
    return settings.PORTAL_DATA / "anchors.jsonl"


def note(environment_id, number, link) -> None:
    """Note that the log of this environment has the check value `link` in place `number`."""
    _append(environment_id, number, link)


def restart(environment_id, number, link) -> None:
    """Note, sealed, that a backup was put back: the log goes on from here, whatever was noted before.

    Nothing is lost by that: the check value of a place stands for all lines before it.
    """
    _append(environment_id, number, link, restored=_sealed(environment_id, number, link))


def _sealed(*place):
    return chain.sealed("restored", *place)


def _append(environment_id, number, link, **more):
    at = timezone.now().isoformat(timespec="seconds")
    line = {"at": at, "environment": environment_id, "number": number, "link": link, **more}
    file = os.open(path(), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, (json.dumps(line) + "\n").encode())  # at once, so that workers never mix
    finally:
        os.close(file)


def noted() -> dict[int, dict[int, str]]:
    """The anchors of each environment: number and check value. A last line that was cut short is left out."""
    found = defaultdict(dict)
    if path().exists():
        with path().open(encoding="utf-8") as file:
            for line in file:
                if line.endswith("}\n"):
                    anchor = json.loads(line)
                    place = anchor["environment"], anchor["number"], anchor["link"]
                    if anchor.get("restored") == _sealed(*place):
                        found[anchor["environment"]].clear()
                    found[anchor["environment"]][anchor["number"]] = anchor["link"]
    return found
