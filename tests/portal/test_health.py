import pytest
from django.db import OperationalError
from django.db.migrations.recorder import MigrationRecorder

from portal import health


@pytest.fixture(autouse=True)
def nothing_is_remembered():
    health.migrations_are_applied.cache_clear()
    yield
    health.migrations_are_applied.cache_clear()


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_strangers_hear_that_all_is_well(client, db, path):
    answer = client.get(path)

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_not_ready_without_the_database_and_silent_about_the_reason(client, db, monkeypatch):
    def refuse():
        raise OperationalError("could not connect to db.internal as koppel")

    monkeypatch.setattr(health, "database_answers", refuse)

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


def test_ready_costs_one_query_once_the_migrations_are_known(client, django_assert_num_queries, db):
    client.get("/health/ready")

    with django_assert_num_queries(1):
        client.get("/health/ready")
