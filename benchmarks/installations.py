"""Installations to measure: their folders and databases, made from nothing or copied."""

import json
import os
import shutil
import subprocess
import sys
import zlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

ROOT = Path(__file__).resolve().parent.parent
NO_LIMIT = "1000000000"  # so high that limits cost what they cost, and refuse nothing
NOTE = "bench.json"  # written when the data are complete
PEERS = "benchmarks.peers.settings"


@dataclass
class Installation:
    """A folder and a database, under the settings of the portal or of the peers."""

    folder: Path
    database_url: str = ""  # of PostgreSQL; without it SQLite in the folder
    settings: str = "benchmarks.settings"

    @property
    def database(self):
        return urlsplit(self.database_url).path.strip("/")

    @property
    def static(self):
        """Where the static files of all installations of a run are."""
        return self.folder.parents[1] / "static"

    @property
    def is_complete(self):
        """Whether its data were made, and their database is still there."""
        if not (self.folder / NOTE).exists():
            return False
        try:
            if self.database_url:
                psycopg.connect(self.database_url).close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def environment(self):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PORTAL_", "CACHE_"))}
        kept.pop("DATABASE_URL", None)
        return kept | {
            "DJANGO_SETTINGS_MODULE": self.settings,
            "PORTAL_DATA": str(self.folder),
            "PORTAL_CALLS_PER_MINUTE": NO_LIMIT,
            "PORTAL_ORGANISATION_CALLS_PER_MINUTE": NO_LIMIT,
            "BENCH_STATIC": str(self.static),
            **({"DATABASE_URL": self.database_url} if self.database_url else {}),
        }

    def run(self, *arguments, told=None):
        """Run Python in this installation, `told` on standard input; answers what it prints."""
        ran = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment,
            input=told,
            capture_output=True,
            text=True,
        )
        if ran.returncode:
            raise SystemExit(f"{' '.join(arguments)} failed:\n{ran.stderr[-3000:]}")
        return ran.stdout

    @property
    def note(self):
        return json.loads((self.folder / NOTE).read_text())


@dataclass(frozen=True)
class Shelf:
    """The installations on one kind of database, each made when it is asked for the first time."""

    folder: Path
    server: str = ""  # the address of a PostgreSQL; without it SQLite

    def portal(self, keys, rows):
        """One of the portal with that many key sets, clients and invoices."""
        found = self._at(f"keys{keys}_rows{rows}")
        if not found.is_complete:
            say(f"{self.folder.name}: making {keys:,} keys, {rows:,} clients and invoices")
            self._copy(self._base(), found)
            found.run("-m", "benchmarks.data", "grow", str(keys), str(rows))
        return found

    def peers(self, keys):
        """One of the peers with that many keys of each."""
        found = self._at(f"peers{keys}", PEERS)
        if not found.is_complete:
            say(f"{self.folder.name}: making {keys:,} keys of each peer")
            self._empty(found)
            found.run("-m", "benchmarks.peers.data", str(keys))
        return found

    def _base(self):
        found = self._at("base")
        if not found.is_complete:
            self._empty(found)
            found.run("-m", "benchmarks.data", "base")
        return found

    def collect_static(self):
        """Collect the static files of all installations."""
        found = self._at("base")
        if not found.static.exists():
            found.folder.mkdir(parents=True, exist_ok=True)
            found.run("manage.py", "collectstatic", "--noinput", "--verbosity", "0")

    def _at(self, name, settings="benchmarks.settings"):
        run = zlib.crc32(str(self.folder).encode())  # so that two runs on one server never meet
        database = f"koppel_bench_{run:08x}_{name}"
        url = self.server and urlsplit(self.server)._replace(path=f"/{database}").geturl()
        return Installation(self.folder / name, url, settings)

    def _empty(self, found):
        shutil.rmtree(found.folder, ignore_errors=True)
        found.folder.mkdir(parents=True)
        self._make_database(found)
        found.run("manage.py", "migrate", "--verbosity", "0", "--skip-checks")

    def _copy(self, base, found):
        shutil.rmtree(found.folder, ignore_errors=True)
        shutil.copytree(base.folder, found.folder)
        (found.folder / NOTE).unlink()
        self._make_database(found, f"TEMPLATE {base.database}")

    def _make_database(self, found, how=""):
        if self.server:
            self.drop(found)
            self._on_server(f"CREATE DATABASE {found.database} {how}")

    def drop(self, found):
        self._on_server(f"DROP DATABASE IF EXISTS {found.database} WITH (FORCE)")

    def drop_all(self):
        """Take away the databases that this shelf has on a server."""
        for folder in self.folder.iterdir() if self.server and self.folder.exists() else ():
            self.drop(self._at(folder.name))

    def _on_server(self, statement):
        with psycopg.connect(self.server, autocommit=True) as server:
            server.execute(statement)


def say(text):
    """Tell who waits what is being done."""
    print(f"{datetime.now():%H:%M:%S} {text}", flush=True)  # noqa: DTZ005, T201 (the clock of the terminal)
