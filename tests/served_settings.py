"""The settings of portals that tests serve: as shipped, but files uncollected, and breakable on demand."""

from portal.settings import *  # noqa: F403
from portal.settings import API_MIDDLEWARE, MIDDLEWARE, STORAGES

STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = True
CALLS_PER_MINUTE = ORGANISATION_CALLS_PER_MINUTE = 0  # or a fast machine would run into them
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
BREAKS = "tests.breaking.breaks_on_demand"
MIDDLEWARE = [*MIDDLEWARE[:2], BREAKS, *MIDDLEWARE[2:]]
API_MIDDLEWARE = [*API_MIDDLEWARE[:1], BREAKS, *API_MIDDLEWARE[1:]]
