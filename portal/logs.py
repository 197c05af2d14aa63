"""What every log line carries, and what none may carry."""

import logging
import re
from contextvars import ContextVar

current_request_id: ContextVar[str] = ContextVar("current_request_id", default="-")

_SECRET = re.compile(r"kp[st]_[0-9A-Za-z]+|whsec_[0-9A-Za-z+/=]+|Basic [0-9A-Za-z+/=]{8,}")


class RequestId(logging.Filter):
    def filter(self, record):
        record.request_id = current_request_id.get()
        return True


class MaskKeys(logging.Filter):
    """Takes Secrets, tokens and Basic credentials out of the finished message, tracebacks included."""

    def filter(self, record):
        message = record.getMessage()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = _SECRET.sub("[masked]", record.exc_text)
        record.msg, record.args = _SECRET.sub("[masked]", message), ()
        return True
