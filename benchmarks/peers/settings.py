"""The portal's own settings with the peers added: the same middleware in front, the same databases."""

from portal.settings import *  # noqa: F403
from portal.settings import DATABASES, INSTALLED_APPS

INSTALLED_APPS = [
    *INSTALLED_APPS,
    "rest_framework",
    "rest_framework.authtoken",
    "rest_framework_api_key",
    "knox",
    "oauth2_provider",
]
ROOT_URLCONF = "benchmarks.peers.urls"
WSGI_APPLICATION = "benchmarks.peers.wsgi.application"
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
}
OAUTH2_PROVIDER = {"SCOPES": {"read": "Read"}}
# The fastest way that all of them have: a connection kept for good, and not asked about before each use.
DATABASES["default"] |= {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": False}
DATABASES["default"].get("OPTIONS", {}).pop("pool", None)
