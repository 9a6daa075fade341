"""Django's settings, derived from the one checked `Environment`.

The service's own code reads `settings.BILLING`, never `os.environ`.
"""

import os
from pathlib import Path

import django_stubs_ext

from config import __version__
from config.database import database_settings
from config.environment import BadEnvironment, read_environment, stop_at_start
from config.logs import logging_settings

# Lets classes such as ModelAdmin take the type parameters mypy wants, which Django's own lack.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent

try:
    BILLING = read_environment(os.environ)
    DATABASES = {"default": database_settings(BILLING.database_url, threads=BILLING.threads)}
except BadEnvironment as error:
    stop_at_start(error)

DEBUG = False
SECRET_KEY = BILLING.django_secret_key
# The gateway is the only way in and checks nothing by host name; health checks use addresses.
ALLOWED_HOSTS = ["*"]
APPEND_SLASH = True
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEST_RUNNER = "config.test_runner.PytestRunner"

INSTALLED_APPS = [
    "django.contrib.auth",
    # Before the admin, whose templates it replaces; after the models whose pages it replaces.
    "backoffice.apps.BackofficeConfig",
    "backoffice.apps.BillingAdminConfig",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "procrastinate.contrib.django",
    "identity",
    "users",
    "subscriptions",
    "webhooks",
    "worker",
]

MIDDLEWARE = [
    "config.middleware.RequestIdMiddleware",
    "config.middleware.ProtectiveHeadersMiddleware",
    "config.middleware.BillingErrorMiddleware",
    # API calls go from here to their view. What follows is for pages.
    "config.middleware.ApiMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

SILENCED_SYSTEM_CHECKS = [
    # The gateway ends TLS, so it redirects. Behind another proxy, Django would redirect forever.
    "security.W008",
    # Whether all of a domain is served by TLS is for its owner to say: they set these headers at
    # the gateway.
    *("security.W005", "security.W021"),
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True

AUTH_USER_MODEL = "users.User"
AUTHENTICATION_BACKENDS = ["users.backends.AuthServiceBackend"]
# After a log-in whose `next` cannot be followed.
LOGIN_REDIRECT_URL = "admin:index"

# Session and CSRF cookies serve the admin alone; the JWT APIs look at neither.
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
# From the log-in on: what happens in a session does not prolong it.
SESSION_COOKIE_AGE = BILLING.staff_session_hours * 60 * 60
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BILLING.public_url.startswith("https://")
SECURE_HSTS_SECONDS = 0 if BILLING.is_local or not SESSION_COOKIE_SECURE else 365 * 24 * 60 * 60
CSRF_TRUSTED_ORIGINS = [BILLING.public_url]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

STATIC_URL = "/static/"
# The image makes this folder before collectstatic; without it (a laptop) WhiteNoise serves
# straight from the installed packages.
_collected_static_files = BASE_DIR / "staticfiles"
STATIC_ROOT = _collected_static_files if _collected_static_files.is_dir() else None
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = STATIC_ROOT is None
# Looked for when they are asked for: to list them all takes a third of a second at each start.
WHITENOISE_AUTOREFRESH = STATIC_ROOT is None

DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

LOGGING = logging_settings(level=BILLING.log_level)
LOGGING_CONFIG = "logging.config.dictConfig"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["identity.bearer.AccessTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["subscriptions.api.requests.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "config.error_handlers.handle_exception",
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Billing",
    "DESCRIPTION": "Subscriptions, payment methods and invoices. Stripe collects the payments.\n\n"
    "The gateway can answer any call with 413, 429, 503 or 504, in the same shape as errors below.",
    "LICENSE": {"name": "MIT", "identifier": "MIT"},
    "SERVERS": [{"url": "/"}],
    "VERSION": __version__,
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SCHEMA_PATH_PREFIX": "/api",
    "PREPROCESSING_HOOKS": ["config.openapi.without_slash_twins"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "webhooks.openapi.describe_webhook",
    ],
    # In the order of the URLs: subscribe and status first.
    "SORT_OPERATIONS": False,
}
