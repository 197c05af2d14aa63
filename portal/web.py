"""The web server, as `manage.py serve` starts it: python -m portal.web SOCKET READY PROCESSES

Granian by itself opens a socket in each process, and drops what waits there when that process ends. Ours
share the one that serve keeps open: processes are replaced, and nobody is refused.
"""

import gc
import multiprocessing
import os
import signal
import socket
import sys
from contextlib import suppress
from functools import partial

from django.conf import settings
from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.net import SocketHolder

from portal.processes import end_with_parent

BACKLOG = 1024
GRACE = 20  # seconds for the requests under way, once told to end
HEADERS_WITHIN = 10_000  # milliseconds


class WebServer(Granian):
    def __init__(self, listener, *, processes):
        super().__init__(
            "portal.wsgi:application",
            *listener.getsockname()[:2],
            interface=Interfaces.WSGI,
            websockets=False,
            workers=processes,
            blocking_threads=threads(),
            backlog=BACKLOG,
            respawn_failed_workers=True,
            workers_kill_timeout=GRACE,
            http1_settings=HTTP1Settings(header_read_timeout=HEADERS_WITHIN),
            log_level=LogLevels.error,
        )
        self.listener = listener

    def _init_shared_socket(self):
        self._sso = self.listener
        self._shd = SocketHolder(self.listener.fileno(), False, BACKLOG)


def threads():
    """In each process one: pages wait for little but the database.

    Pages of Koppel Books wait for the API, which this server answers: for them there are threads more.
    """
    return 1 + settings.BOOKS_AT_ONCE if settings.PORTAL_BOOKS else 1


def process(application, ready):
    """What granian calls in each web process."""
    # The copy of the main process has its handler, which would not let it end before granian sets another.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()
    with suppress(BrokenPipeError):  # nobody waits for one that takes the place of a crashed one
        os.write(ready, b".")
    return application


if __name__ == "__main__":
    from portal.wsgi import application  # loaded once, before the processes part

    gc.collect()
    gc.freeze()  # what is there for good is not looked through again and again, nor copied by that
    listening, ready, processes = map(int, sys.argv[1:])
    multiprocessing.set_start_method("fork")
    with socket.socket(fileno=listening) as listener:
        WebServer(listener, processes=processes).serve(
            target_loader=partial(process, application, ready), wrap_loader=False
        )
