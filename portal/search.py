"""Search for a part of a text by an index of its trigrams: FTS5 on SQLite, GIN on PostgreSQL.

A model names the columns in which people search as `searched`. The index knows which rows have every three
letters in a row that a text has; whether they have the text itself, the database sees by looking at these.
The indexes are put up after every `migrate`, for SQLite forgets triggers when a table is rebuilt. To search
in other columns, drop them in a migration; that `migrate` makes them anew.
"""

from django.db import connections, router
from django.db.models import OuterRef, Q

from portal.paging import each_has

LETTERS = 3  # the least that the index can look for
MOST = 1000  # rows that are worth looking up before the list: more of them it comes across soon


def searched(queryset, text, *fields, exactly=None):
    """Those of `queryset` of which one of `fields` holds `text`, whatever its capitals, or are `exactly`.

    `fields` are `searched` ones of the model, or of a model that a foreign key leads to: "app__name". Some
    queries, so filter by whose rows they are first.
    """
    plain = quick = exactly or Q()
    candidates = {}
    for field in fields:
        way, _dots, name = field.rpartition("__")
        model = _model_at(queryset.model, way)
        if way not in candidates:
            candidates[way] = _candidates(model, text)
        holds, rows = Q(**{f"{name}__icontains": text}), candidates[way]
        if way:
            holds = each_has(model.objects.filter(holds, pk=OuterRef(way)))
        plain |= holds
        quick |= holds if rows is None else holds & Q(**{f"{way or 'pk'}__in": rows})
    found = list(queryset.order_by().filter(quick).values_list("pk", flat=True)[: MOST + 1])
    return queryset.filter(pk__in=found) if len(found) <= MOST else queryset.filter(plain)


def _model_at(model, way):
    return model._meta.get_field(way).related_model if way else model


def _candidates(model, text):
    """The primary keys of all rows that can hold `text`; None where it is too short, or they are too many."""
    if len(text) < LETTERS:
        return None
    connection = connections[router.db_for_read(model)]
    with connection.cursor() as cursor:
        _ASK[connection.vendor](cursor, model, text)
        rows = [pk for (pk,) in cursor.fetchall()]
    return rows if len(rows) <= MOST else None


def put_up(sender, using="default", **_signal) -> None:
    """Make the indexes of the app `sender` that are missing."""
    connection = connections[using]
    tables = connection.introspection.table_names()
    for model in sender.get_models():
        if hasattr(model, "searched") and model._meta.db_table in tables:
            with connection.cursor() as cursor:
                _PUT_UP[connection.vendor](cursor, model)


def _columns(model):
    return [model._meta.get_field(name).column for name in model.searched]


# FTS5 keeps no copy of the texts; the triggers tell it what the table had and has.


def _ask_sqlite(cursor, model, text):
    index = f"{model._meta.db_table}_text"
    trigrams = {text[at : at + LETTERS].replace('"', '""') for at in range(len(text) - LETTERS + 1)}
    match = " AND ".join(f'"{trigram}"' for trigram in sorted(trigrams))
    cursor.execute(f"SELECT rowid FROM {index} WHERE {index} MATCH %s LIMIT {MOST + 1}", [match])


def _put_up_sqlite(cursor, model):
    table, columns = model._meta.db_table, _columns(model)
    index, names = f"{table}_text", ", ".join(columns)
    old, new = (", ".join(f"{row}.{column}" for column in columns) for row in ("OLD", "NEW"))
    forget = f"INSERT INTO {index} ({index}, rowid, {names}) VALUES ('delete', OLD.id, {old});"
    learn = f"INSERT INTO {index} (rowid, {names}) VALUES (NEW.id, {new});"
    triggers = {
        "insert AFTER INSERT ON {}": learn,
        "delete AFTER DELETE ON {}": forget,
        f"update AFTER UPDATE OF {names} ON {{}} WHEN ({old}) IS NOT ({new})": forget + learn,
    }
    cursor.execute("SELECT 1 FROM sqlite_master WHERE name = %s", [index])
    if not cursor.fetchone():
        cursor.execute(
            f"CREATE VIRTUAL TABLE {index} USING fts5({names}, content='{table}', content_rowid='id',"
            " tokenize='trigram', detail='none')"
        )
        cursor.execute(f"INSERT INTO {index} ({index}) VALUES ('rebuild')")
    for trigger, does in triggers.items():
        cursor.execute(
            f"CREATE TRIGGER IF NOT EXISTS {index}_{trigger.format(table)} BEGIN {does} END"
        )


# Not pg_trgm: an extension is not everywhere, nor may everybody create it.

TRIGRAMS = f"""
CREATE OR REPLACE FUNCTION portal_trigrams(what text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE found text[];
BEGIN
    what := upper(what);
    FOR at IN 1 .. length(what) - {LETTERS - 1} LOOP
        found[at] := substr(what, at, {LETTERS});
    END LOOP;
    RETURN found;
END $$"""


def _texts(model):
    return "portal_trigrams({})".format(r" || E'\n' || ".join(_columns(model)))


def _ask_postgresql(cursor, model, text):
    cursor.execute(
        f"SELECT id FROM {model._meta.db_table} WHERE {_texts(model)} @> portal_trigrams(%s)"
        f" LIMIT {MOST + 1}",
        [text],
    )


def _put_up_postgresql(cursor, model):
    table = model._meta.db_table
    cursor.execute(TRIGRAMS)
    cursor.execute(
        f"CREATE INDEX IF NOT EXISTS {table}_text ON {table} USING gin (({_texts(model)}))"
    )


_ASK = {"sqlite": _ask_sqlite, "postgresql": _ask_postgresql}
_PUT_UP = {"sqlite": _put_up_sqlite, "postgresql": _put_up_postgresql}
