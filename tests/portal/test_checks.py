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


@pytest.mark.parametrize(
    ("base_url", "https", "proxies", "ids"),
    [
        ("http://localhost:8000", False, 0, []),
        ("http://portal.lan:8000", False, 0, ["portal.W002"]),
        ("https://portal.example.org", True, 0, ["portal.W003"]),
        ("https://portal.example.org", True, 1, []),
    ],
)
def test_keys_in_clear_and_endless_redirects_are_reported(settings, base_url, https, proxies, ids):
    settings.PORTAL_BASE_URL, settings.PORTAL_HTTPS = base_url, https
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies

    assert [warning.id for warning in checks.secrets_travel_encrypted()] == ids
