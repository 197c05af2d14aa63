"""The database itself refuses to change or delete a line of the activity log.

Put up after every `migrate`, for SQLite forgets triggers when a table is rebuilt. What they let pass: the
place in the chain, once; a personal value that is emptied; the end of lines that a checkpoint covers.
"""

from django.db import connections

from accounts.events.chain import PERSONAL

CHAINED = ("number", "link", "link_seal")
NEVER = "Lines of the activity log are never changed nor deleted."


def put_up(using="default", **_signal) -> None:
    connection = connections[using]
    tables = connection.introspection.table_names()
    if "events_event" in tables and "events_checkpoint" in tables:
        with connection.cursor() as cursor:
            for statement in sql(connection.vendor):
                cursor.execute(statement)


def stand(using="default") -> bool:
    """Whether every guard is in its place."""
    connection = connections[using]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        else:
            cursor.execute("SELECT tgname FROM pg_trigger WHERE tgenabled IN ('O', 'A')")
        return set(NAMES[connection.vendor]) <= {name for (name,) in cursor.fetchall()}


NAMES = {
    "sqlite": ["event_insert", "event_update", "event_delete"]
    + ["checkpoint_insert", "checkpoint_update", "checkpoint_delete"],
    "postgresql": ["event_guard", "event_truncate", "checkpoint_guard", "checkpoint_truncate"],
}


def sql(vendor) -> list[str]:
    """The statements that put the guards up, again where they stand already."""
    return {"sqlite": _sqlite, "postgresql": _postgresql}[vendor]()


def down(vendor) -> list[str]:
    """The statements that take the guards down, for tests."""
    table = {name: f"events_{name.split('_')[0]}" for name in NAMES[vendor]}
    on = " ON {table}" if vendor == "postgresql" else ""
    return [
        f"DROP TRIGGER IF EXISTS {name}{on.format(table=table[name])}" for name in NAMES[vendor]
    ]


def _sqlite():
    guards = {
        # INSERT OR REPLACE deletes without asking the guard of DELETE.
        "event_insert BEFORE INSERT ON events_event": "EXISTS (SELECT 1 FROM events_event"
        " WHERE id = NEW.id OR seal = NEW.seal"
        " OR (environment_id = NEW.environment_id AND number = NEW.number))",
        "event_update BEFORE UPDATE ON events_event": f"NOT ({_may_change('IS')})",
        "event_delete BEFORE DELETE ON events_event": f"NOT ({COVERED})",
        "checkpoint_insert BEFORE INSERT ON events_checkpoint": "EXISTS"
        " (SELECT 1 FROM events_checkpoint WHERE id = NEW.id)",
        "checkpoint_update BEFORE UPDATE ON events_checkpoint": "TRUE",
        "checkpoint_delete BEFORE DELETE ON events_checkpoint": "TRUE",
    }
    for guard, refused in guards.items():
        yield f"DROP TRIGGER IF EXISTS {guard.split()[0]}"
        yield f"CREATE TRIGGER {guard} WHEN {refused} BEGIN SELECT RAISE(ABORT, '{NEVER}'); END"


def _postgresql():
    refuse = f"RAISE EXCEPTION '{NEVER}' USING ERRCODE = 'restrict_violation';"
    yield f"""CREATE OR REPLACE FUNCTION event_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'DELETE' THEN
            IF {COVERED} THEN RETURN OLD; END IF;
        ELSIF {_may_change("IS NOT DISTINCT FROM")} THEN RETURN NEW;
        END IF;
        {refuse} END $$"""
    yield (
        "CREATE OR REPLACE FUNCTION event_never() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {refuse} END $$"
    )
    for trigger in (
        "event_guard BEFORE UPDATE OR DELETE ON events_event FOR EACH ROW EXECUTE FUNCTION event_guard()",
        "event_truncate BEFORE TRUNCATE ON events_event EXECUTE FUNCTION event_never()",
        "checkpoint_guard BEFORE UPDATE OR DELETE ON events_checkpoint FOR EACH ROW"
        " EXECUTE FUNCTION event_never()",
        "checkpoint_truncate BEFORE TRUNCATE ON events_checkpoint EXECUTE FUNCTION event_never()",
    ):
        yield f"CREATE OR REPLACE TRIGGER {trigger}"


COVERED = (
    "EXISTS (SELECT 1 FROM events_checkpoint"
    " WHERE environment_id = OLD.environment_id AND number >= OLD.number)"
)


def _may_change(same):
    """The condition under which an UPDATE passes; `same` compares values that may be NULL."""
    from accounts.events.models import Event  # the models import this room

    columns = [field.column for field in Event._meta.concrete_fields]
    fixed = set(columns) - {*PERSONAL, *CHAINED, "proofs"}
    conditions = [f"NEW.{column} {same} OLD.{column}" for column in sorted(fixed)]
    unmoved = " AND ".join(f"NEW.{column} {same} OLD.{column}" for column in CHAINED)
    conditions.append(f"(OLD.number IS NULL OR ({unmoved}))")
    for column in PERSONAL:
        empty = "{}" if column == "details" else ""
        conditions.append(f"(NEW.{column} {same} OLD.{column} OR NEW.{column} = '{empty}')")
    return " AND ".join(conditions)
