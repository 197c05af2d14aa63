"""What all tests share: the browser, and a closed network."""

import os
import shutil
import socket
from importlib.util import find_spec

import pytest

# Playwright keeps an event loop running in the main thread; Django would refuse its ORM there.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"

BROWSERS = (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, filter(None, BROWSERS))), None)
HAS_BROWSER = bool(CHROMIUM and find_spec("pytest_playwright"))
FLAGS = [
    "--no-sandbox",  # a container runs it as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
]
HERE = {"localhost", "127.0.0.1", "::1"}

collect_ignore = [] if HAS_BROWSER else ["browser", "stories"]


def pytest_report_header():
    return f"browser: {CHROMIUM}" if HAS_BROWSER else "browser: none, so its tests are left out"


def pytest_configure():
    """Let no test reach another machine."""
    connect = socket.socket.connect

    def connect_here(self, address):
        if self.family != socket.AF_UNIX and address[0] not in HERE:
            raise PermissionError(f"A test wants to reach {address}.")
        return connect(self, address)

    socket.socket.connect = connect_here


if HAS_BROWSER:

    @pytest.fixture(scope="session")
    def browser_type_launch_args(browser_type_launch_args):
        return {
            **browser_type_launch_args,
            "executable_path": CHROMIUM,
            "args": FLAGS,
        }
