"""Backups: the database in one file, with a sealed manifest beside it that says what is in there."""

import hashlib
import hmac
import json
import os
import sqlite3
import subprocess
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.db import Error, connection, transaction
from django.db.backends.postgresql.client import DatabaseClient
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from accounts.events import anchors, chain, journal
from accounts.events.services import head_of
from accounts.events.verifying import verdicts
from accounts.models import Environment
from connections.autopilot.models import SigningSecret
from connections.models import Gateway, KeySet
from portal.disk import sync

ENDINGS = {"sqlite": ".sqlite3", "postgresql": ".dump"}
ABANDONED = timedelta(days=1)  # after which what a killed backup left behind is removed


class BackupError(Exception):
    """A backup cannot be made or put back; the message says what to do."""


def make(folder: Path) -> tuple[Path, dict, list[str]]:
    """Back the database up into `folder`, while the portal works; answers the file, its manifest, and the
    faults of the activity logs in it.

    Under its name there is a whole backup, on disk, or none. Raises BackupError.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = now()
    file = folder / f"koppel-{made:%Y%m%dT%H%M%SZ}{ENDINGS[connection.vendor]}"
    if file.exists():
        raise BackupError(f"{file} was made this very second. Try again.")
    part = folder / f".{file.name}.{os.getpid()}.part"
    noted = anchors.noted()
    journal.begin()
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with _COPIED[connection.vendor](part):
            manifest = _manifest(made)
            faults = [f"{it.environment}: {it.fault}" for it in verdicts(noted) if it.fault]
        manifest["sha256"] = digest(part)
        _publish(part, file)
        write_manifest(file, manifest)
    except (OSError, Error, sqlite3.Error) as error:
        raise BackupError(f"There is no backup: {error}") from error
    finally:
        remove(part)
    return file, manifest, faults


def drop_old(folder: Path, days: int) -> list[Path]:
    """Remove the backups in `folder` that are older than `days`, but never the newest one; answers which."""
    before = now() - timedelta(days=days)
    whole = whole_ones(folder)
    old = [it for it in whole[:-1] if _made(it) < before]
    cut_short = [it for it in set(_found(folder)) - set(whole) if _made(it) < now() - ABANDONED]
    for file in (*old, *cut_short):
        file.unlink()
        manifest_of(file).unlink(missing_ok=True)
    for part in folder.glob(".koppel-*.part*"):
        if part.stat().st_mtime < (now() - ABANDONED).timestamp():
            part.unlink()
    return old


def whole_ones(folder: Path) -> list[Path]:
    """The backups in `folder` that were not cut short, the newest last."""
    return sorted(it for it in _found(folder) if manifest_of(it).exists())


def _found(folder):
    return [it for it in folder.glob("koppel-*Z.*") if it.suffix in ENDINGS.values()]


def opened(file: Path) -> dict:
    """The manifest of a whole backup that this portal made and this version and machine can put back.

    Raises BackupError.
    """
    try:
        manifest = json.loads(manifest_of(file).read_text(encoding="utf-8"))
        seal = manifest.pop("seal")
    except FileNotFoundError:
        raise BackupError(f"{manifest_of(file)} is missing: a backup is both files.") from None
    except (OSError, ValueError, KeyError, AttributeError):
        raise BackupError(f"{manifest_of(file)} cannot be read. Take another backup.") from None
    if not hmac.compare_digest(str(seal), _seal(manifest)):
        raise BackupError(
            f"{manifest_of(file)} was changed, or made under another chain_key: put the folder"
            " secrets/ of that time back first, or take another backup."
        )
    if manifest["engine"] != connection.vendor:
        raise BackupError(
            f"This is a backup of {manifest['engine']}, and DATABASE_URL names {connection.vendor}."
        )
    if not file.exists() or digest(file) != manifest["sha256"]:
        raise BackupError(f"{file} is damaged or missing. Take another backup.")
    newer = _newer(manifest["migrations"])
    if newer:
        raise BackupError(
            f"The backup was made by a newer version of the portal ({newer[0]}). Install that one first."
        )
    here = _server_keys()
    missing = [it for it, mark in manifest["server_keys"].items() if here.get(it) != mark]
    if missing:
        raise BackupError(
            f"Server keys of the backup are not in secrets/: {', '.join(missing)}. Without them keys of"
            " customers do not work: put the folder secrets/ of that time back first."
        )
    return manifest


def manifest_of(file: Path) -> Path:
    return file.with_name(file.name + ".json")


def write_manifest(file, manifest):
    """Write the manifest of the backup `file`, sealed; from then on it counts."""
    part = manifest_of(file).with_name(f".{manifest_of(file).name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as text:
        json.dump(manifest | {"seal": _seal(manifest)}, text, indent=1)
    _publish(part, manifest_of(file))


def now() -> datetime:
    """The time by the clock of the database, in whole seconds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_TIMESTAMP")
        at = cursor.fetchone()[0]
    at = at if isinstance(at, datetime) else datetime.fromisoformat(at).replace(tzinfo=UTC)
    return at.astimezone(UTC).replace(microsecond=0)


def digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@contextmanager
def on_database(name):
    """Have this process work on the database `name` instead of the one of the portal."""
    was = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = str(name)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = was


def settle(file: Path) -> None:
    """Put all of an SQLite database that nobody uses into its one file, sound and on disk."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode=DELETE")
        found = database.execute("PRAGMA integrity_check").fetchone()[0]
    if found != "ok":
        raise BackupError(f"{file} is damaged: {found}")
    sync(file)


def remove(database: Path) -> None:
    """Remove a file that is a database, with all that SQLite keeps beside it."""
    for ending in ("", "-wal", "-shm", "-journal"):
        database.with_name(database.name + ending).unlink(missing_ok=True)


def run_on_postgresql(program, database, *arguments) -> None:
    """Run pg_dump or pg_restore; the password travels in the environment. Raises BackupError."""
    values, env = DatabaseClient.settings_to_cmd_args_env(
        connection.settings_dict | {"NAME": database}, []
    )
    command = [program, "--no-password", *values[1:-1], "--dbname", database, *arguments]
    try:
        done = subprocess.run(  # noqa: S603
            command, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise BackupError(
            f"{program} is missing: install the client programs of PostgreSQL"
            f" {connection.pg_version // 10_000} or newer (postgresql-client)."
        ) from None
    if "version mismatch" in done.stderr:
        raise BackupError(
            f"{program} is older than the server: install the client programs of PostgreSQL"
            f" {connection.pg_version // 10_000} or newer (postgresql-client)."
        )
    if done.returncode:
        raise BackupError(f"{program} failed: {done.stderr.strip()[-500:]}")


@contextmanager
def _sqlite(part):
    """While the portal writes on; inside, this process sees the copy."""
    connection.ensure_connection()
    with closing(sqlite3.connect(part)) as copy:
        connection.connection.backup(copy)
    with on_database(part):
        yield
    settle(part)


@contextmanager
def _postgresql(part):
    """Inside, this process sees the very state that is in the copy."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT pg_export_snapshot()")
        snapshot = cursor.fetchone()[0]
        name = connection.settings_dict["NAME"]
        copy = ["--format=custom", f"--snapshot={snapshot}", f"--file={part}"]
        run_on_postgresql("pg_dump", name, *copy)
        yield


_COPIED = {"sqlite": _sqlite, "postgresql": _postgresql}


def _manifest(made):
    applied = MigrationRecorder(connection).applied_migrations()
    logs = [*Environment.objects.order_by("pk").values_list("pk", flat=True), None]
    models = apps.get_models()
    return {
        "made": made.isoformat(),
        "engine": connection.vendor,
        "migrations": sorted(f"{app}.{name}" for app, name in applied),
        "server_keys": _used_server_keys(),
        "logs": {str(pk): head_of(pk) for pk in logs},
        "rows": {it._meta.label: it._default_manager.count() for it in models if it._meta.managed},
    }


def _used_server_keys():
    # Of the keys of authenticators nobody notes which are still needed, and they carry no number.
    used = {"chain_key", *(name for name in _server_keys() if name.startswith("mfa_key"))}
    for model in (KeySet, Gateway):
        used |= {f"pepper {it}" for it in model.objects.values_list("pepper", flat=True).distinct()}
    signing = SigningSecret.objects.values_list("key", flat=True).distinct()
    used |= {f"signing key {number}" for number in signing}
    return {name: mark for name, mark in _server_keys().items() if name in used}


def _server_keys():
    """A mark of each server key, by which it is known again and which says nothing about it."""
    found = {"chain_key": settings.CHAIN_KEY.encode()}
    found |= {f"mfa_key {_mark(key.encode())}": key.encode() for key in settings.MFA_KEYS}
    found |= {f"pepper {number}": key for number, key in settings.PEPPERS.keys.items()}
    found |= {f"signing key {number}": key for number, key in settings.SIGNING_KEYS.keys.items()}
    return {name: _mark(key) for name, key in found.items()}


def _mark(key):
    return hmac.digest(key, b"koppel backup", "sha256").hex()[:16]


def _newer(migrations):
    """Those that this version of the portal does not have."""
    known = MigrationLoader(None, ignore_no_migrations=True)
    here = {f"{app}.{name}" for app, name in known.disk_migrations}
    ours = [it for it in migrations if it.split(".")[0] in known.migrated_apps]
    return [it for it in ours if it not in here]


def _seal(manifest):
    return chain.sealed("backup", manifest)


def _publish(part, file):
    sync(part)
    part.rename(file)
    sync(file.parent)


def _made(file):
    stamp = file.name.split("-", 1)[1].split(".")[0]
    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
