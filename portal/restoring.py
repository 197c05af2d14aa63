"""Putting a backup back, so that nothing which ended since comes to life again.

Everything is done in a database beside the one of the portal, which takes its place in one step at the end:
whatever ends this process, the portal has the one or the other, whole.
"""

import shutil
import sqlite3
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import Error, OperationalError, ProgrammingError, connection, transaction
from django.db.models import Max

from accounts.events import anchors, journal
from accounts.events.models import Action, Event
from accounts.events.services import head_of, record
from accounts.mail.models import Mail, Notice
from accounts.models import Environment, User
from connections.models import KeySet, SecurityToken
from portal.backups import (
    BackupError,
    on_database,
    remove,
    run_on_postgresql,
    settle,
)
from portal.disk import sync

CLOCKS = timedelta(days=1)  # by which those of several machines differ at most
SKIPPED_NUMBERS = 10_000
ORDER = ("environment", "partnership", "client", "request", "app", "connection", "gateway", "user")
AT_ONCE = 500
STAMP = "%Y%m%d%H%M%S%f"  # two in one second do not take each other's name


@dataclass
class Restored:
    """What became of it. `ended` counts what ended again, by kind; `lost_keys` are App Keys made since."""

    made: datetime
    ended: dict[str, int] = field(default_factory=dict)
    lost_keys: list[str] = field(default_factory=list)
    without_address: list[str] = field(default_factory=list)
    lost_lines: int = 0
    torn: int = 0  # lines of the journals that cannot be read
    kept: str = ""  # where the database is that there was before


def restore(file: Path, manifest: dict, journals: list[Path]) -> Restored:
    """Put the backup `file` in the place of the database and end again what ended since, by `journals`.

    Nobody may use the portal meanwhile. Raises BackupError; then nothing has changed.
    """
    restored = Restored(datetime.fromisoformat(manifest["made"]))
    noted = anchors.noted()
    try:
        with _BESIDE[connection.vendor](file, restored):
            call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
            with transaction.atomic():
                heads = _heads(noted)
                lines, restored.torn = journal.read(journals, _since(restored.made))
                _end_again(lines, restored)
                _end_sessions()
                _skip_numbers()
                _tell(noted, heads, restored)
    except (OSError, Error, sqlite3.Error) as error:
        raise BackupError(f"Nothing was put back: {error}") from error
    for environment_id, (number, link) in heads.items():
        anchors.restart(environment_id, number, link)
    return restored


def _since(made):
    """From when on lines count: what was put back into the backup itself is done."""
    done = Event.objects.filter(action=Action.RESTORED).aggregate(last=Max("at"))["last"]
    return max(made - CLOCKS, done or made - CLOCKS).isoformat()


def _end_again(lines, restored):
    """Take away what is not left by the last line about each thing; if the backup has that one, nothing."""
    known, things = _known_seals(lines), {}
    for line in lines:
        since = (line["left"] or {}).get("since", "")
        things.setdefault((line["kind"], line["ref"], since), []).append(line)
    told = [(model, model.objects.order_by("-pk").first()) for model in (Mail, Notice)]
    for (kind, ref, _since), about in sorted(things.items(), key=lambda it: ORDER.index(it[0][0])):
        last = about[-1]
        if last["seal"] in known or last["left"] is None:
            continue
        methods = {
            line["method"] for line in about if "method" in line and line["seal"] not in known
        }
        if journal.kinds()[kind](ref, last["left"], _who(last), methods):
            restored.ended[kind] = restored.ended.get(kind, 0) + 1
        if kind == "connection":
            restored.lost_keys += last["left"]["keys"]
        if any(method.startswith("email_") for method in methods):
            restored.without_address.append(ref)
    for model, newest in told:  # people were told when it ended
        model.objects.filter(pk__gt=newest.pk if newest else 0).delete()
    here = KeySet.objects.filter(app_key__in=restored.lost_keys).values_list("app_key", flat=True)
    restored.lost_keys = sorted(set(restored.lost_keys) - set(here))


def _known_seals(lines):
    """The seals of those lines that the backup has in its activity logs."""
    seals = [line["seal"] for line in lines]
    known = set()
    for start in range(0, len(seals), AT_ONCE):
        found = Event.objects.filter(seal__in=seals[start : start + AT_ONCE])
        known.update(found.values_list("seal", flat=True))
    return known


def _who(line):
    return User.objects.filter(pk=line.get("actor"), date_joined__lte=line["at"]).first()


def _end_sessions():
    for model in (Session, UserSession, SecurityToken):
        model.objects.all().delete()


def _skip_numbers():
    """Signed links, such as invitations, name people by number: give none again that was given since."""
    table = User._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            more = "UPDATE sqlite_sequence SET seq = seq + %s WHERE name = %s"
            cursor.execute(more, [SKIPPED_NUMBERS, table])
        else:
            sequence = "pg_get_serial_sequence(%s, 'id')"
            more = f"SELECT setval({sequence}, nextval({sequence}) + %s)"  # noqa: S608 (a constant)
            cursor.execute(more, [table, table, SKIPPED_NUMBERS])


def _heads(noted):
    """Number and check value of the last line of every log, 0 for those that the backup does not have."""
    here = Environment.objects.values_list("pk", flat=True)
    return {environment_id: head_of(environment_id) for environment_id in {*here, *noted, None}}


def _tell(noted, heads, restored):
    """Write into every log that a backup was put back, and which lines that cost."""
    for environment in [*Environment.objects.order_by("pk"), None]:
        pk = environment.pk if environment else None
        first, last = heads[pk][0] + 1, max(noted.get(pk, {}), default=0)
        lost = f"{first}–{last}" if last >= first else ""
        restored.lost_lines += max(last - first + 1, 0)
        record(
            Action.RESTORED,
            by=None,
            subject=environment or _Portal,
            environment=environment,
            as_of=restored.made.isoformat(),
            lost_lines=lost,
        )


class _Portal:
    event_subject = "portal", "", ""


@contextmanager
def _sqlite(file, restored):
    """Work on a copy of the backup, and put it in the place of the database at the end."""
    place = Path(connection.settings_dict["NAME"])
    new = place.with_name(f"{place.name}.restoring")
    connection.close()
    with _alone(place) as old:
        try:
            remove(new)
            shutil.copyfile(file, new)
            new.chmod(0o600)
            with on_database(new):
                yield
            settle(new)
            restored.kept = _copied(place) if old else ""
            new.replace(place)
        finally:
            remove(new)
        sync(place.parent)
        if old:
            old.truncate()  # whoever opened the old one meanwhile and waits must not work on it


def _copied(place):
    """Where a copy of the database in the file `place` is, on disk."""
    copy = place.with_name(f"{place.stem}-before-{datetime.now(UTC):{STAMP}}{place.suffix}")
    try:
        shutil.copyfile(place, copy)
        copy.chmod(0o600)
        sync(copy)
    except OSError:
        copy.unlink(missing_ok=True)
        raise
    return str(copy)


@contextmanager
def _alone(place):
    """Keep everybody else off the database in the file `place`; answers it, or None where there is none."""
    if not place.exists() or not place.stat().st_size:
        yield None
        return
    with closing(sqlite3.connect(place, timeout=0, isolation_level=None)) as lock:
        try:
            lock.execute(
                "PRAGMA journal_mode=DELETE"
            )  # waits for nobody, and nobody may be in there
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            raise BackupError(
                "The portal uses its database: stop it first (serve, and every manage.py)."
            ) from None
        except sqlite3.DatabaseError:
            raise BackupError(
                f"{place} is damaged. Move it and the files {place.name}-wal and {place.name}-shm to"
                " another folder, and put the backup back again."
            ) from None
        with place.open("r+b") as file:
            yield file


@contextmanager
def _postgresql(file, restored):
    """Work on a database of its own, which changes names with the one of the portal at the end."""
    connection.close()
    name = connection.settings_dict["NAME"]
    new, kept = f"{name}_restoring", f"{name}_before_{datetime.now(UTC):{STAMP}}"
    _refuse_others()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database"
            " WHERE datname = %s",
            [name],
        )
        encoding, collate, ctype = cursor.fetchone()
    connection.close()
    quote = connection.ops.quote_name
    with connection._nodb_cursor() as server:
        try:
            server.execute(f"DROP DATABASE IF EXISTS {quote(new)}")
            server.execute(
                f"CREATE DATABASE {quote(new)} TEMPLATE template0 ENCODING {quote(encoding)}"
                f" LC_COLLATE {quote(collate)} LC_CTYPE {quote(ctype)}"
            )
        except ProgrammingError as error:
            raise BackupError(
                f"The role of DATABASE_URL may not create a database ({error}). Let an administrator of"
                " the server run ALTER ROLE … CREATEDB, and put the backup back again."
            ) from error
        run_on_postgresql("pg_restore", new, "--exit-on-error", "--no-owner", str(file))
        with on_database(new):
            yield
        try:
            server.execute("BEGIN")
            server.execute(f"ALTER DATABASE {quote(name)} RENAME TO {quote(kept)}")
            server.execute(f"ALTER DATABASE {quote(new)} RENAME TO {quote(name)}")
            server.execute("COMMIT")
        except OperationalError as error:
            raise BackupError(
                f"Somebody opened the database meanwhile: stop the portal first. {error}"
            ) from error
    restored.kept = kept


def _refuse_others():
    with connection.cursor() as cursor:
        for pause in (0.2, 0.5, 1, 0):  # for one of our own that is just ending
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND backend_type = 'client backend'"
            )
            others = cursor.fetchone()[0]
            if not others:
                return
            time.sleep(pause)
    raise BackupError(
        f"The database is used by {others} other connections: stop the portal first"
        " (serve, and every manage.py)."
    )


_BESIDE = {"sqlite": _sqlite, "postgresql": _postgresql}
