import math
import os
import subprocess
import time
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from accounts.mail.models import Mail
from accounts.mail.services import queue
from portal import health, waiting


@pytest.fixture(autouse=True)
def nothing_is_remembered():
    health.migrations_are_applied.cache_clear()
    health._last_write["at"] = -math.inf
    yield
    health.migrations_are_applied.cache_clear()


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_strangers_hear_that_all_is_well(client, db, path):
    answer = client.get(path)

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_not_ready_without_the_database_and_silent_about_the_reason(client, db, monkeypatch):
    def refuse():
        raise OperationalError("could not connect to db.internal as koppel")

    monkeypatch.setitem(health.NEEDED, "database", refuse)

    answer = client.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json() == {"status": "failing", "check": "database"}


def test_not_ready_before_the_last_migration_and_ready_after_it(client, db):
    row = MigrationRecorder.Migration.objects.filter(app="accounts").latest("applied")
    row.delete()
    before = client.get("/health/ready")
    row.save(force_insert=True)

    assert (before.status_code, before.json()["check"]) == (503, "migrations")
    assert client.get("/health/ready").status_code == 200


def test_live_asks_nothing_of_the_database(client, django_assert_num_queries, db):
    with django_assert_num_queries(0):
        assert client.get("/health/live").status_code == 200


def test_ready_costs_few_queries_once_the_migrations_are_known(
    client, django_assert_num_queries, db
):
    client.get("/health/ready")

    with django_assert_num_queries(2 + len(waiting.PROMPT)):
        client.get("/health/ready")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_not_ready_while_the_disk_is_full(client, db, settings, tmp_path):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "koppel", tmp_path], check=True)
    try:
        settings.PORTAL_DATA = tmp_path
        answer = client.get("/health/ready")
    finally:
        subprocess.run(["umount", tmp_path], check=True)

    assert (answer.status_code, answer.json()["check"]) == (503, "disk")


def test_what_is_asked_often_is_written_seldom(client, db):
    for _ in range(3):
        client.get("/health/ready")

    with connection.cursor() as cursor:
        cursor.execute("SELECT expires FROM portal_cache WHERE cache_key = 'health'")
        first = cursor.fetchall()
        health._last_write["at"] -= health.WRITTEN_EVERY
        client.get("/health/ready")
        cursor.execute("SELECT expires FROM portal_cache WHERE cache_key = 'health'")
        assert cursor.fetchall() > first


def test_mails_that_nobody_sends_call_for_somebody(client, db):
    with transaction.atomic():
        queue("account_deleted", to="a@b.example", language="en")
    assert client.get("/health/ready").json() == {"status": "ok"}
    Mail.objects.update(send_after=timezone.now() - timedelta(minutes=11))

    answer = client.get("/health/ready")

    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "attention", "checks": ["worker"]},
    )


def test_a_night_without_a_backup_calls_for_somebody(client, db, settings, tmp_path):
    settings.PORTAL_BACKUPS = tmp_path / "backups"
    assert client.get("/health/ready").json() == {"status": "ok"}
    settings.PORTAL_BACKUPS.mkdir()
    assert client.get("/health/ready").json()["checks"] == ["backup"]

    backup = settings.PORTAL_BACKUPS / "koppel-20261122T030000Z.sqlite3"
    backup.touch()
    assert client.get("/health/ready").json()["checks"] == ["backup"]  # it was cut short
    backup.with_name(f"{backup.name}.json").touch()
    assert client.get("/health/ready").json() == {"status": "ok"}
    yesterday = time.time() - 27 * 3600
    os.utime(backup, (yesterday, yesterday))

    assert client.get("/health/ready").json()["checks"] == ["backup"]
