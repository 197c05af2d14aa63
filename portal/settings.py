"""One file of settings. What differs between machines comes from variables:

PORTAL_DATA           folder of database, server keys, mails written to disk (default: var/)
PORTAL_BASE_URL       how people reach the portal; links in mails begin with it
PORTAL_ALLOWED_HOSTS  further host names, separated by commas
PORTAL_HTTPS          1 where the portal is reached over https only (default: as PORTAL_BASE_URL says)
PORTAL_PROXIES        how many proxies of your own stand in front
PORTAL_EMAIL_URL      smtp+tls://user:password@host:587; without it mails are written to PORTAL_DATA/mails
PORTAL_EMAIL_FROM     sender of the mails
PORTAL_SUPPORT_EMAIL  whom people ask when they are stuck; without it pages name "the operator of this portal"
PORTAL_DEBUG          1 for development only
PORTAL_REQUESTS_PER_DAY  most mails with authorisation requests that one environment sends in 24 hours
PORTAL_INVOICE_RULES  1 refuses invoices that break a rule of EN 16931; needs requirements-rules.txt
PORTAL_CALLS_PER_MINUTE  most calls of the API with one set of keys (0: no limit)
PORTAL_ORGANISATION_CALLS_PER_MINUTE  most calls for one organisation, with all keys together (0: no limit)
PORTAL_BOOKS          1 serves Koppel Books too, a small bookkeeping package to try the API with, at /books/
PORTAL_BOOKS_API      the API that Koppel Books calls (default: PORTAL_BASE_URL with /api/v1)
PORTAL_AUTOPILOT_PRIVATE  hosts that Autopilot may call beside the public internet, such as books.lan:8443
PORTAL_LOG            json writes each log line as a JSON object (default: text)
PORTAL_METRICS        host:port of the figures for Prometheus, such as 127.0.0.1:9100; keep it internal
PORTAL_JOURNAL        folder of the journal of what ended (default: PORTAL_DATA/journal)
PORTAL_BACKUPS        folder of the backups (default: PORTAL_DATA/backups)
PORTAL_SETTINGS_FILE  a file with lines such as PORTAL_HTTPS=1; read at each start, outdone by real variables
DATABASE_URL          postgres://…; without it SQLite in PORTAL_DATA
CACHE_URL             redis://…; without it limits are counted in the database and in each web process

PORTAL_HOST and PORT say where `serve` listens (default: 127.0.0.1, 8000).
"""

import os
import sys
import warnings
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from portal import server_keys

BASE_DIR = Path(__file__).resolve().parent.parent


class Env(environ.Env):
    ENVIRON = dict(os.environ)  # a copy: processes that we start read the file anew


env = Env()
if "PORTAL_SETTINGS_FILE" in env.ENVIRON:
    try:
        with open(env.ENVIRON["PORTAL_SETTINGS_FILE"]) as _file:
            env.read_env(_file)
    except (OSError, UnicodeDecodeError) as _error:
        raise ImproperlyConfigured(f"PORTAL_SETTINGS_FILE cannot be read: {_error}") from None


PORTAL_VARIABLES = {"PORTAL_HOST", "PORTAL_SETTINGS_FILE"}  # and all that are read below


def _read(cast, name, default):
    PORTAL_VARIABLES.add(name)
    try:
        return cast(name, default=default)
    except ValueError:
        raise ImproperlyConfigured(
            f"{name} has a value that cannot be read: {env.str(name)!r}."
        ) from None


def _switch(name, default=False):
    value = _read(env.str, name, str(int(default))).lower()
    if value not in ("1", "true", "yes", "on", "0", "false", "no", "off", ""):
        raise ImproperlyConfigured(f"{name} is 1 or 0, not {value!r}.")
    return value in ("1", "true", "yes", "on")


def _url(cast, name, example, **default):
    PORTAL_VARIABLES.add(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            return cast(name, **default)
    except (ValueError, ImproperlyConfigured, UserWarning):  # whose texts may hold a password
        raise ImproperlyConfigured(f"{name} must look like {example}") from None


PORTAL_DATA = Path(_read(env.str, "PORTAL_DATA", str(BASE_DIR / "var"))).resolve()
PORTAL_JOURNAL = Path(_read(env.str, "PORTAL_JOURNAL", str(PORTAL_DATA / "journal"))).resolve()
PORTAL_BACKUPS = Path(_read(env.str, "PORTAL_BACKUPS", str(PORTAL_DATA / "backups"))).resolve()
PORTAL_BASE_URL = _read(env.str, "PORTAL_BASE_URL", "http://localhost:8000").rstrip("/")
PORTAL_EMAIL_URL = _read(env.str, "PORTAL_EMAIL_URL", "")
PORTAL_SUPPORT_EMAIL = _read(env.str, "PORTAL_SUPPORT_EMAIL", "")
DEBUG = _switch("PORTAL_DEBUG")
PORTAL_BOOKS = _switch("PORTAL_BOOKS")
PORTAL_LOG = _read(env.str, "PORTAL_LOG", "text")
CACHE_URL = _read(env.str, "CACHE_URL", "")

try:
    _base = urlsplit(PORTAL_BASE_URL)
    _whole = _base.scheme in ("http", "https") and _base.hostname and _base.port != 0
except ValueError:
    _whole = False
if not _whole:
    raise ImproperlyConfigured("PORTAL_BASE_URL must look like https://portal.example.org.")
PORTAL_HTTPS = _switch("PORTAL_HTTPS", _base.scheme == "https")
if PORTAL_HTTPS and _base.scheme != "https":
    raise ImproperlyConfigured("PORTAL_HTTPS=1 needs a PORTAL_BASE_URL that begins with https://.")
try:
    _figures = urlsplit(f"//{_read(env.str, 'PORTAL_METRICS', '')}")
    PORTAL_METRICS = (_figures.hostname, _figures.port) if _figures.netloc else None
    _whole = PORTAL_METRICS is None or all(PORTAL_METRICS)
except ValueError:
    _whole = False
if not _whole:
    raise ImproperlyConfigured("PORTAL_METRICS must look like 127.0.0.1:9100.")
if PORTAL_LOG not in ("text", "json"):
    raise ImproperlyConfigured("PORTAL_LOG is text or json.")
if CACHE_URL and urlsplit(CACHE_URL).scheme not in ("redis", "rediss", "unix"):
    raise ImproperlyConfigured("CACHE_URL must look like redis://host:6379")

try:
    PORTAL_DATA.mkdir(mode=0o700, parents=True, exist_ok=True)
except OSError as error:
    raise ImproperlyConfigured(
        f"PORTAL_DATA names a folder that cannot be made: {error}."
    ) from None
SECRET_KEY, *SECRET_KEY_FALLBACKS = server_keys.secret_keys(PORTAL_DATA)
PEPPERS = server_keys.peppers(PORTAL_DATA)
MFA_KEYS = server_keys.mfa_keys(PORTAL_DATA)
SIGNING_KEYS = server_keys.signing_keys(PORTAL_DATA)
CHAIN_KEY = server_keys.chain_key(PORTAL_DATA)
BOOKS_KEY = server_keys.books_key(PORTAL_DATA) if PORTAL_BOOKS else ""
ALLOWED_HOSTS = [
    _base.hostname,
    "localhost",
    "127.0.0.1",
    *_read(env.list, "PORTAL_ALLOWED_HOSTS", []),
]
CSRF_TRUSTED_ORIGINS = [f"{_base.scheme}://{_base.netloc}"]

# Applications and the way of a request

INSTALLED_APPS = [
    "portal",
    "connections.autopilot",
    "connections.invoices",
    "connections.books",
    "connections",
    "partners",
    "accounts",
    "accounts.events",
    "accounts.mail",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "django_htmx",
    "whitenoise.runserver_nostatic",
    "portal.apps.DeskConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "django.forms",
]
MIDDLEWARE = [
    "portal.middleware.api_shortcut",
    "portal.middleware.request_id",
    "portal.middleware.measured",
    "django.middleware.security.SecurityMiddleware",
    "portal.middleware.security_headers",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.language_of_user",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.htmx.redirects_move_the_browser",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.SessionsSeen",
]
API_MIDDLEWARE = [  # of calls, which pass none of the above
    "portal.middleware.request_id",
    "portal.middleware.measured",
    "portal.middleware.over_https",
]
ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": [
                "django.templatetags.i18n",
                "django.templatetags.static",
                "portal.templatetags.ui",
                "connections.templatetags.functions",
                "connections.templatetags.guides",
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.frame",
            ],
        },
    }
]
FORM_RENDERER = "portal.forms.PortalRenderer"

# Data

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
_database_example = "postgres://user:password@host:5432/name"
DATABASES = {
    "default": _url(
        env.db_url,
        "DATABASE_URL",
        _database_example,
        default=f"sqlite:///{PORTAL_DATA / 'portal.sqlite3'}",
    )
}
if not DATABASES["default"].get("ENGINE", "").endswith(("sqlite3", "postgresql")):
    raise ImproperlyConfigured(f"DATABASE_URL must look like {_database_example}")
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # IMMEDIATE: writers queue instead of failing; FULL: an answered change survives a power cut.
    DATABASES["default"]["CONN_MAX_AGE"] = None
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000;",
    }
else:
    # Each thread keeps one. Pages check it first, so that a server started anew costs nobody an error; the
    # gate of the API asks a second time instead (decision 37).
    DATABASES["default"] |= {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}
    # By itself Django prepares nothing; most of our statements take longer to plan than to run.
    OPTIONS = DATABASES["default"].setdefault("OPTIONS", {})
    OPTIONS |= {"server_side_binding": True, "prepare_threshold": 2}
    # The plans of our lists are long and touch few rows, which lie in memory or on a disk without a head:
    # to compile them, or to share them out, takes longer than to follow them, and indexes cost what rows do.
    OPTIONS.setdefault(
        "options", "-c jit=off -c max_parallel_workers_per_gather=0 -c random_page_cost=1.1"
    )
if CACHE_URL:
    CACHES = dict.fromkeys(
        ["default", "limits"],
        {"BACKEND": "portal.shared_cache.RedisOrMemory", "LOCATION": CACHE_URL},
    )
else:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "portal_cache",
        },
        # Counted with every call, so no table: each web process counts by itself.
        "limits": {
            "BACKEND": "portal.cache.Memory",
            "LOCATION": "limits",
        },
    }

# People and their logins

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.Backend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
RECENT_LOGIN_SECONDS = 10 * 60

ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_SIGNUP_FORM_CLASS = "accounts.forms.SignupForm"
ACCOUNT_FORMS = {"signup": "accounts.sign_up.SignUpForm"}
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_RATE_LIMITS = {"found_key": "60/h/ip"}
ACCOUNT_REAUTHENTICATION_TIMEOUT = RECENT_LOGIN_SECONDS
ACCOUNT_SESSION_REMEMBER = False
ALLAUTH_TRUSTED_PROXY_COUNT = _read(env.int, "PORTAL_PROXIES", 0)
MFA_ADAPTER = "accounts.mfa.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_ISSUER = "Koppel"
MFA_TOTP_TOLERANCE = 1
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not PORTAL_HTTPS
USERSESSIONS_TRACK_ACTIVITY = True

# Browser

SECURE_CSP = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "font-src": ["'self'"],
    "connect-src": ["'self'"],
    "manifest-src": ["'self'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "object-src": ["'none'"],
    "frame-ancestors": ["'none'"],
}
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_AGE = 24 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = PORTAL_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health/"]  # asked from inside, without the proxy
CSRF_COOKIE_HTTPONLY = True
if PORTAL_HTTPS:
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
    SECURE_HSTS_SECONDS = 2 * 365 * 24 * 3600
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True
    if ALLAUTH_TRUSTED_PROXY_COUNT:
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
DATA_UPLOAD_MAX_NUMBER_FIELDS = 600  # 500 invoices can be ticked at once

# Languages and time

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("nl", _("Dutch"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "Europe/Amsterdam"
USE_TZ = True

# Files

STATIC_URL = "/static/"
STATIC_ROOT = PORTAL_DATA / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_AUTOREFRESH = DEBUG

# Mail: everything goes through the outbox (accounts.mail); its worker hands it to DELIVERY_BACKEND.

EMAIL_BACKEND = "accounts.mail.backend.OutboxBackend"
DEFAULT_FROM_EMAIL = SERVER_EMAIL = _read(env.str, "PORTAL_EMAIL_FROM", "Koppel <koppel@localhost>")
DELIVERY_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = PORTAL_DATA / "mails"
EMAIL_TIMEOUT = 10
if PORTAL_EMAIL_URL:
    _mail = _url(env.email_url, "PORTAL_EMAIL_URL", "smtp+tls://user:password@host:587")
    DELIVERY_BACKEND = _mail.pop("EMAIL_BACKEND")
    globals().update(_mail)

# What the portal promises

INVOICE_MAX_BYTES = 10 * 1024 * 1024
INVOICE_RULES = _switch("PORTAL_INVOICE_RULES")
REQUEST_MAILS_PER_DAY = _read(env.int, "PORTAL_REQUESTS_PER_DAY", 6000)
REQUEST_MAILS_PER_ADDRESS_AND_DAY = 20
CALLS_FLUSH_SECONDS = 2
CALLS_PER_MINUTE = _read(env.int, "PORTAL_CALLS_PER_MINUTE", 6000)
ORGANISATION_CALLS_PER_MINUTE = _read(env.int, "PORTAL_ORGANISATION_CALLS_PER_MINUTE", 12_000)

# Requests to addresses that people name go to the public internet alone, but for these: "host:port".

AUTOPILOT_PRIVATE = [host.lower() for host in _read(env.list, "PORTAL_AUTOPILOT_PRIVATE", [])]

# Koppel Books calls this very server: a process needs a thread more than it has such pages at a time.

BOOKS_API = _read(env.str, "PORTAL_BOOKS_API", f"{PORTAL_BASE_URL}/api/v1").rstrip("/")
BOOKS_AT_ONCE = 3

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"few_refusals": {"()": "portal.logs.FewRefusals"}},
    "formatters": {
        "text": {
            "()": "portal.logs.Line",
            "format": "{asctime} {levelname} {name} [{request_id}] {message}",
            "style": "{",
        },
        "json": {"()": "portal.logs.JsonLine"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "stream": sys.stderr,
            "formatter": PORTAL_LOG,
        }
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.request": {"filters": ["few_refusals"]},
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
    },
}
