"""`manage.py migrate` is all that a new database needs."""

import importlib
from types import SimpleNamespace

import pytest
from django.core.cache import cache
from django.db import connection


@pytest.mark.django_db
def test_migrating_makes_the_table_of_the_cache():
    """Django's test runner makes it too, and hides that a real start has to."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE portal_cache")

    migration = importlib.import_module("portal.migrations.0001_cache_table")
    migration.create(None, SimpleNamespace(connection=connection))

    cache.set("key", "value")
    assert cache.get("key") == "value"
