import sqlite3

import pytest
from django.db import connection

from portal import checks


@pytest.mark.parametrize(
    ("version", "ids"),
    [((3, 40, 1), ["portal.W001"]), ((3, 51, 2), ["portal.W001"]), ((3, 51, 3), [])],
)
def test_an_sqlite_that_can_damage_the_database_is_reported(monkeypatch, version, ids):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    monkeypatch.setattr(connection, "vendor", "sqlite")

    assert [warning.id for warning in checks.sqlite_is_recent(databases=["default"])] == ids


def test_another_database_has_nothing_to_fear(monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 40, 1))
    monkeypatch.setattr(connection, "vendor", "postgresql")

    assert checks.sqlite_is_recent(databases=["default"]) == []
