"""Search by the index of trigrams finds what reading through finds, whatever happened to the rows."""

import pytest
from django.apps import apps
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from accounts.models import Organisation
from portal import search
from portal.search import searched
from tests.factories import EnvironmentFactory, OrganisationFactory

pytestmark = pytest.mark.django_db
LETTERS = st.text(alphabet="aAbB%_\\\"'* -é", min_size=1, max_size=6)


def names(text):
    return sorted(it.name for it in searched(Organisation.objects.all(), text, "name"))


@pytest.mark.parametrize("text", ["Mol", "mOLEN", "e Molen B", "De Molen BV", "en", "M"])
def test_any_part_of_the_name_finds_it_whatever_the_capitals(text):
    OrganisationFactory(name="De Molen BV")
    OrganisationFactory(name="Garage Ruys")

    assert names(text) == ["De Molen BV"]


@pytest.mark.parametrize(
    "text", ['50% "korting"', "%_%", 'g" OR', "ing*", "name:", "a AND b", "\\'"]
)
def test_signs_mean_nothing_but_themselves(text):
    OrganisationFactory(name=f"x {text} y")
    OrganisationFactory(name="50 procent korting")

    assert names(text) == [f"x {text} y"]


def test_all_trigrams_alone_are_not_the_text():
    OrganisationFactory(name="abcd bcde")

    assert names("abcde") == []


def test_a_new_name_is_found_and_the_old_one_no_more():
    row = OrganisationFactory(name="De Molen")

    Organisation.objects.filter(pk=row.pk).update(name="Bakkerij")

    assert (names("Molen"), names("Bakker")) == ([], ["Bakkerij"])


def test_what_is_deleted_is_found_no_more():
    OrganisationFactory(name="De Molen").delete()

    assert names("Molen") == []


def test_what_many_have_is_found_too(monkeypatch):
    monkeypatch.setattr(search, "MOST", 2)
    made = [OrganisationFactory(name=f"De Molen {number}").name for number in range(4)]

    assert names("Molen") == made
    assert names("Molen 3") == made[3:]


def test_a_name_at_the_end_of_a_foreign_key_finds_the_row():
    made = OrganisationFactory(environment=EnvironmentFactory(name="De Molen"))
    OrganisationFactory(environment=EnvironmentFactory(name="Garage"))

    assert list(searched(Organisation.objects.all(), "Molen", "name", "environment__name")) == [
        made
    ]


def test_putting_the_indexes_up_again_changes_nothing():
    for app in apps.get_app_configs():
        search.put_up(app)
    OrganisationFactory(name="De Molen")

    assert names("mole") == ["De Molen"]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL keeps what stands on a table")
def test_a_table_that_sqlite_rebuilt_is_learned_again():
    connection.cursor().execute("DROP TRIGGER accounts_organisation_text_insert")
    search.put_up(apps.get_app_config("accounts"))

    OrganisationFactory(name="De Molen")

    assert names("Molen") == ["De Molen"]


class FoundAlike(TestCase):
    @settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
    @given(st.lists(LETTERS, max_size=4), LETTERS)
    def test_the_index_finds_what_reading_through_finds(self, made, text):
        for name in made:
            OrganisationFactory(name=name)

        read = Organisation.objects.filter(name__icontains=text).values_list("name", flat=True)

        assert names(text) == sorted(read)
