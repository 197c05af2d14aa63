"""Querysets that are put together once and then only run: what changes from run to run is given to them.

For Django writes the SQL of a queryset anew each time; of the large ones that takes longer than the database
needs for the answer.
"""

import copy
import json
from contextvars import ContextVar
from datetime import timedelta
from functools import cached_property

from django.db import connections, models
from django.utils import timezone

_preparing = ContextVar("preparing", default=False)


class _Later(models.Expression):
    """A value that is known when the statement runs."""

    def as_sql(self, compiler, connection):
        if _preparing.get():
            return "%s", [self]
        return "%s", [self.now(connection)]

    def now(self, connection, given=None):
        """The value as the database takes it."""
        value = self.output_field.get_prep_value(self.value(given))
        return self.output_field.get_db_prep_value(value, connection, prepared=True)


class Now(_Later):
    """The moment at which the statement runs, or one that far from it."""

    def __init__(self, away=timedelta()):
        self.away = away
        super().__init__(output_field=models.DateTimeField())

    def value(self, _given):
        return timezone.now() + self.away


class Today(_Later):
    """The day on which the statement runs, or one that far from it."""

    def __init__(self, away=timedelta()):
        self.away = away
        super().__init__(output_field=models.DateField())

    def value(self, _given):
        return timezone.localdate() + self.away


class Given(_Later):
    """What is given by this name, or the one at `place` of the list that is given."""

    def __init__(self, name, place=None, output_field=None):
        self.name, self.place = name, place
        super().__init__(output_field=output_field or models.BigIntegerField())

    def value(self, given):
        value = given[self.name]
        if self.place is None:
            return value
        return value[min(self.place, len(value) - 1)]  # a shorter list repeats its last


class GivenText(Given):
    """The same of a text."""

    def __init__(self, name, place=None):
        super().__init__(name, place, models.CharField())


def given_list(name, most, kind=Given):
    """The list given by this name, for `__in`; it has at least one entry and at most that many."""
    return [kind(name, place) for place in range(most)]


class _Numbers(_Later):
    """Whole numbers, as one value: a list, or the one given by this name."""

    def __init__(self, numbers):
        self.numbers = numbers
        super().__init__(output_field=models.JSONField())

    def now(self, connection, given=None):
        numbers = given[self.numbers] if isinstance(self.numbers, str) else self.numbers
        return numbers if connection.vendor == "postgresql" else json.dumps(numbers)


class Among(models.Func):
    """Whether `what` is one of `numbers`, however many: a list of whole numbers, or the name of one given.

    They go to the database as one value. With __in each is one of its own, which Django writes one by one.
    """

    output_field = models.BooleanField()

    def __init__(self, what, numbers):
        super().__init__(what, _Numbers(numbers))

    def as_sqlite(self, compiler, connection, **_context):
        listed = " IN (SELECT value FROM json_each("
        return self.as_sql(compiler, connection, template="%(expressions)s))", arg_joiner=listed)

    def as_postgresql(self, compiler, connection, **_context):
        template = "%(expressions)s::bigint[])"
        return self.as_sql(compiler, connection, template=template, arg_joiner=" = ANY(")


class Prepared:
    """A queryset that `build` puts together once a process.

    Everything in it that is not the same for everybody is `Given`; moments are `Now` and `Today`.
    """

    def __init__(self, build, using="default"):
        self.build, self.using = build, using

    @cached_property
    def _statement(self):
        queryset = self.build()
        compiler = queryset.query.get_compiler(self.using)
        token = _preparing.set(True)
        try:
            return queryset, compiler, *compiler.as_sql()
        finally:
            _preparing.reset(token)

    def first(self, **given):
        """The first thing that it finds, or None."""
        return next(iter(self.rows(**given)), None)

    def rows(self, **given) -> list:
        """What the queryset finds, of the kind that it finds: models, or tuples of `values_list`."""
        queryset, compiler, sql, params = self._statement
        connection = connections[self.using]
        params = [
            param.now(connection, given) if isinstance(param, _Later) else param for param in params
        ]
        compiler = copy.copy(compiler)
        compiler.connection = connection  # each thread has its own
        compiler.as_sql = lambda: (sql, params)
        written = models.QuerySet(queryset.model, _Written(compiler), self.using)
        written._fields = queryset._fields
        return list(queryset._iterable_class(written))


class _Written:
    """Takes the place of the query of a queryset whose SQL is written already."""

    def __init__(self, compiler):
        self.compiler = compiler

    def __getattr__(self, name):
        return getattr(self.compiler.query, name)

    def get_compiler(self, using):
        return self.compiler
