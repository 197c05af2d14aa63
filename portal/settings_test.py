"""The settings of the tests: the same portal, with a cheap password hash and nothing kept on disk."""

import atexit
import os
import shutil
import tempfile

_data = tempfile.mkdtemp(prefix="koppel-test-")
atexit.register(shutil.rmtree, _data, ignore_errors=True)
os.environ["PORTAL_DATA"] = _data

from portal import server_keys  # noqa: E402
from portal.settings import *  # noqa: E402, F403
from portal.settings import CACHE_URL, CACHES, DATABASES, PORTAL_DATA, STORAGES  # noqa: E402

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, so that every thread of the served portal has a connection of its own.
    DATABASES["default"]["TEST"] = {"NAME": os.path.join(_data, "tests.sqlite3")}
if CACHE_URL:  # every process of the tests has a database of Redis to itself
    _number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    CACHE_URL = f"{CACHE_URL}?db={_number + 1}"
    CACHES = {name: CACHES[name] | {"LOCATION": CACHE_URL} for name in CACHES}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DELIVERY_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_AUTOREFRESH = True
PORTAL_BOOKS, BOOKS_KEY = True, server_keys.books_key(PORTAL_DATA)
CALLS_FLUSH_SECONDS = 0  # written with the call, so that a test sees it at once
CALLS_PER_MINUTE = ORGANISATION_CALLS_PER_MINUTE = 0  # or a fast machine would run into them
