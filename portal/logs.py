"""What every log line carries, what none may carry, and how many there are."""

import json
import logging
import re
import threading
import time
from collections import Counter
from contextvars import ContextVar
from datetime import UTC, datetime

current_request_id: ContextVar[str] = ContextVar("current_request_id", default="-")

_SECRET = re.compile(r"kp[st]_[0-9A-Za-z]+|whsec_[0-9A-Za-z+/=]+|Basic [0-9A-Za-z+/=]{8,}")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def _request_id(record):
    """That of the request under way, or of the answered one that the line is about."""
    answered = getattr(getattr(record, "request", None), "id", None)
    return answered or current_request_id.get()


class Line(logging.Formatter):
    """A line for people. Secrets, tokens and Basic credentials are masked in it, tracebacks included."""

    def format(self, record):
        record.request_id = _request_id(record)
        return _SECRET.sub("[masked]", super().format(record))

    def formatMessage(self, record):  # noqa: N802 (its name in logging)
        return _CONTROL.sub(lambda found: repr(found[0])[1:-1], super().formatMessage(record))


class JsonLine(logging.Formatter):
    """The same as one JSON object, for what collects the logs of several machines."""

    def format(self, record):
        said = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "request_id": _request_id(record),
            "message": record.getMessage(),
        }
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return _SECRET.sub("[masked]", json.dumps(said))


class FewRefusals(logging.Filter):
    """Of the answers 4xx a line for the first ones of every minute, and then how many more there were.

    A flood of wrong keys cannot fill the disk. What is in an address, such as the key of a link, stays out.
    """

    MOST = 20  # of each status in a minute, in each process

    def __init__(self):
        super().__init__()
        self._lock = threading.Lock()
        self._minute, self._seen = 0, Counter()

    def filter(self, record):
        status = getattr(record, "status_code", 500)
        if status >= 500:
            return True
        match = getattr(getattr(record, "request", None), "resolver_match", None)
        with self._lock:
            left_out = self._left_out()
            self._seen[status] += 1
            number = self._seen[status]
        record.msg = f"{status} %s %s%s"
        record.args = (record.request.method, match.route if match else "(no page)", left_out)
        return number <= self.MOST or bool(left_out)

    def _left_out(self):
        """Begin a new minute where it is time, and tell what the last one left out."""
        minute = int(time.monotonic() // 60)
        if minute == self._minute:
            return ""
        more = [f"{n - self.MOST} × {s}" for s, n in self._seen.items() if n > self.MOST]
        self._minute, self._seen = minute, Counter()
        return f" (not written before: {', '.join(more)})" if more else ""
