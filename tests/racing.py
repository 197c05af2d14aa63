"""Several people at the same instant: threads with database connections of their own."""

import threading

from django.db import connection as database

from accounts.refusals import Refused

PATIENCE = 60


def race(*runners):
    """Start all at the same instant; answers, in their order, what each gave or how it was refused."""
    start = threading.Barrier(len(runners))
    ends = [None] * len(runners)

    def run(place, runner):
        try:
            database.ensure_connection()
            start.wait(PATIENCE)
            ends[place] = runner()
        except Exception as error:  # the thread would swallow it
            ends[place] = error
        finally:
            database.close()

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(runners)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "waits for ever"
    for end in ends:
        if isinstance(end, Exception) and not isinstance(end, Refused):
            raise end
    return ends


def refusals_among(ends):
    return [type(end) for end in ends if isinstance(end, Exception)]
