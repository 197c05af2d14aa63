"""What all tests share: the browser, and a closed network."""

import logging
import os
import shutil
import socket
from importlib.util import find_spec

import pytest
from django.core.cache import cache

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
if os.environ.get("CI") and not HAS_BROWSER:
    raise RuntimeError("CI runs the browser tests too: no Chromium was found.")


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


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Let the emptying of all tables between tests pass the guards of the activity log."""
    from django.db import connection  # needs Django's settings

    from accounts.events import guards
    from tests.serving import keep_template

    operations = type(connection.ops)  # a thread with an event loop has a connection of its own
    empty = operations.execute_sql_flush
    down, up = guards.down(connection.vendor), list(guards.sql(connection.vendor))
    operations.execute_sql_flush = lambda self, sql: empty(self, [*down, *sql, *up])
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock():
            keep_template()
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            # A browser that keeps a line to the served portal open keeps a connection, too.
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.fixture(autouse=True)
def nothing_is_counted_yet(settings):
    """Redis and the log remember what other tests tried; tables forget it with each test."""
    for refusals in logging.getLogger("django.request").filters:
        refusals._seen.clear()
    if settings.CACHE_URL:
        cache.clear()


if HAS_BROWSER:
    from playwright.sync_api import expect

    expect.set_options(timeout=15_000)  # as long as a busy machine needs

    @pytest.fixture(scope="session")
    def browser_type_launch_args(browser_type_launch_args):
        return {
            **browser_type_launch_args,
            "executable_path": CHROMIUM,
            "args": FLAGS,
        }

    @pytest.fixture
    def portal(live_server, settings):
        """The address of a portal that is served for this test. Mails are rows, as in production."""
        settings.EMAIL_BACKEND = "accounts.mail.backend.OutboxBackend"
        settings.PORTAL_BASE_URL = live_server.url
        cache.clear()  # or the limits would count what other tests tried
        return live_server.url

    @pytest.fixture
    def browse(portal, new_context):
        """Open a page in a browser of its own, of `user` who is signed in, or of nobody."""

        def open_page(user=None, **options):
            from tests.browsing import session_of  # needs Django's apps

            context = new_context(base_url=portal, **options)
            context.set_default_timeout(10_000)
            if user:
                cookie = {"name": "sessionid", "value": session_of(user), "url": portal}
                context.add_cookies([cookie])
            return context.new_page()

        return open_page
