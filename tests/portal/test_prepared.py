"""Querysets that are put together once find what they would find if they were put together anew."""

from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Organisation, User
from connections.models import Connection, KeySet
from portal.prepared import Among, Given, Now, Prepared, given_list
from tests.factories import MembershipFactory, OrganisationFactory, UserFactory, connect

pytestmark = pytest.mark.django_db


def test_it_finds_by_what_is_given_each_time():
    one, other = OrganisationFactory(name="A"), OrganisationFactory(name="B")
    named = Prepared(
        lambda: Organisation.objects.filter(environment=Given("environment")).select_related(
            "environment"
        )
    )

    assert named.rows(environment=one.environment_id) == [one]
    with CaptureQueriesContext(connection) as queries:
        (found,) = named.rows(environment=other.environment_id)
        assert found.environment.name == other.environment.name
    assert len(queries) == 1
    assert named.rows(environment=0) == []


@pytest.mark.parametrize("number", [0, 1, 2000])
def test_any_number_of_numbers_is_one_value(number):
    people = UserFactory.create_batch(2)
    asked = [person.pk for person in people[:number]] + [-at for at in range(number)]
    named = Prepared(lambda: User.objects.filter(Among("pk", "people")).order_by("pk"))

    assert named.rows(people=asked) == people[:number]
    with CaptureQueriesContext(connection):  # each database says what it was asked
        assert list(User.objects.filter(Among("pk", asked)).order_by("pk")) == people[:number]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_list_may_be_shorter_than_prepared(number):
    people = UserFactory.create_batch(4)
    asked = [person.pk for person in people[:number]]
    named = Prepared(lambda: User.objects.filter(pk__in=given_list("people", 3)).values_list("pk"))

    assert sorted(pk for (pk,) in named.rows(people=asked)) == asked


def test_moments_are_those_of_the_run():
    ended = Prepared(lambda: KeySet.objects.filter(ends_at__lte=Now(timedelta(days=1))))
    key_set = connect()[0].key_sets.get()
    KeySet.objects.update(ends_at=timezone.now() + timedelta(days=10))

    assert ended.rows() == []
    with time_machine.travel(timezone.now() + timedelta(days=9, minutes=1)):
        assert ended.rows() == [key_set]
        assert list(KeySet.objects.filter(ends_at__lte=Now(timedelta(days=1)))) == [key_set]


def test_what_a_list_reads_is_what_the_queryset_reads():
    member = MembershipFactory(user__advanced=True)
    found = [connect(member.user, name=name)[0].pk for name in "AB"]
    listed = Connection.objects.for_list()
    prepared = Prepared(lambda: listed.filter(pk__in=given_list("them", 50)).order_by("pk"))

    for row, plain in zip(
        prepared.rows(them=found), listed.filter(pk__in=found).order_by("pk"), strict=True
    ):
        assert vars(row) | {"_state": None} == vars(plain) | {"_state": None}
