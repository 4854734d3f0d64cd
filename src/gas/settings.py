"""Django's settings, all of them made from ``gas.config``."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from csp.constants import NONE, SELF

from gas.config import get_settings
from gas.logs import logging_config

_gas = get_settings()
_here = Path(__file__).parent

DEBUG = False
SECRET_KEY = _gas.effective_secret_key()
ALLOWED_HOSTS = _gas.hosts
ROOT_URLCONF = "gas.urls"
WSGI_APPLICATION = "gas.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "csp",
    "django_htmx",
    "ninja",
    "procrastinate.contrib.django",
    "gas.accounts",
    "gas.audit",
    "gas.billing",
    "gas.jobs",
    "gas.notify",
    "gas.telemetry",
    "gas.web",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "gas.web.middleware.RequestContext",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # Before anything reads a request's body, the CSRF check included.
    "gas.web.middleware.UploadCap",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [_here / "web" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["gas.web.templatetags.addresses"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "gas.web.context.site",
            ],
        },
    },
]


# -- database and queue -----------------------------------------------------------------------

#: A host that was cut off says no goodbye. Both ends ask after each other when nothing was heard
#: for 10 s and give up after 20: the server then frees the locks that its sessions held, the
#: client connects anew. Milliseconds for tcp_user_timeout, seconds for the others.
_DEAD_PEER = {"idle": 10, "interval": 5, "count": 2}
_TCP_USER_TIMEOUT_MS = 20_000
#: A client that sleeps in the middle of a transaction must not hold its locks for ever either. The
#: longest of ours asks a payment provider.
_IDLE_IN_TRANSACTION_MS = 120_000


def _connection_options() -> dict[str, object]:
    """For libpq; of no effect over a UNIX socket, but for the last."""
    session = {f"tcp_keepalives_{name}": value for name, value in _DEAD_PEER.items()}
    session["tcp_user_timeout"] = _TCP_USER_TIMEOUT_MS
    session["idle_in_transaction_session_timeout"] = _IDLE_IN_TRANSACTION_MS
    return {
        "connect_timeout": 10,
        **{f"keepalives_{name}": value for name, value in _DEAD_PEER.items()},
        "tcp_user_timeout": _TCP_USER_TIMEOUT_MS,
        "options": " ".join(f"-c {name}={value}" for name, value in session.items()),
    }


def _database(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    # As libpq reads it: percent signs are escapes, a plus is a plus.
    query = {
        name: unquote(value)
        for name, _, value in (item.partition("=") for item in parts.query.split("&") if item)
    }
    host = unquote(parts.netloc.rpartition("@")[2].partition(":")[0])
    if parts.netloc.rpartition("@")[2].startswith("["):
        host = parts.hostname or ""
    return {
        "ENGINE": "gas.database",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host or query.pop("host", ""),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**_connection_options(), **query},
    }


DATABASES = {"default": _database(_gas.effective_database_url())}
# Shared by all web processes: the limits on sign-in attempts count there.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "gas_cache",
        # Django's 300 are soon full of other people's counts: then it drops a third of all.
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    }
}

# -- people ------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
# A hash of the others is replaced when its owner signs in.
PASSWORD_HASHERS = [
    "gas.accounts.passwords.PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
ACCOUNT_ADAPTER = "gas.accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_SIGNUP_FORM_CLASS = "gas.accounts.forms.SignupForm"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if _gas.is_https else "http"
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "job-list"
LOGOUT_REDIRECT_URL = "home"
ACCOUNT_LOGOUT_REDIRECT_URL = "home"

# -- mail --------------------------------------------------------------------------------------

DEFAULT_FROM_EMAIL = _gas.mail_from
SERVER_EMAIL = _gas.mail_from
if _gas.mail == "smtp":
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST = _gas.smtp_host
    EMAIL_PORT = _gas.smtp_port
    EMAIL_HOST_USER = _gas.smtp_user
    EMAIL_HOST_PASSWORD = _gas.smtp_password.get_secret_value()
    EMAIL_USE_TLS = _gas.smtp_security == "starttls"
    EMAIL_USE_SSL = _gas.smtp_security == "tls"
    EMAIL_TIMEOUT = 30
elif _gas.mail == "ses":
    EMAIL_BACKEND = "gas.notify.ses.SesBackend"
else:
    EMAIL_BACKEND = "gas.notify.files.EmlFileBackend"
    EMAIL_FILE_PATH = str(_gas.mail_dir)

# -- pages -------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
# There is but one language: nothing need be looked up for each text and address.
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
# No collectstatic step: WhiteNoise reads the files out of the installed packages.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_MAX_AGE = 3600
# A form carries an upload and a few short fields; parts of an upload go to storage directly.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1 << 20
FILE_UPLOAD_TEMP_DIR = str(_gas.scratch_dir)
FILE_UPLOAD_PERMISSIONS = 0o600

# -- security ----------------------------------------------------------------------------------


def _store_origins() -> list[str]:
    """Where the pages' scripts send and fetch files, beside the service itself."""
    if _gas.storage != "s3" or not _gas.s3_direct:
        return []
    from gas.storage.s3 import browser_origin

    return [browser_origin(_gas.s3_bucket, endpoint_url=_gas.s3_endpoint, region=_gas.s3_region)]


CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF, *_store_origins()],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        # A form's redirect counts as well: the payment pages are the provider's own.
        "form-action": [SELF, *(_gas.stripe_page_hosts if _gas.billing == "stripe" else [])],
    }
}
SESSION_ENGINE = "gas.accounts.sessions"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _gas.is_https
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "gas.web.errors.csrf_failure"
CSRF_TRUSTED_ORIGINS = [_gas.public_url]
if _gas.is_https:
    SECURE_HSTS_SECONDS = 31_536_000
if _gas.trust_proxy:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    ALLAUTH_TRUSTED_PROXY_COUNT = 1  # limits on sign-in attempts count by the client's address

LOGGING = logging_config(_gas)
