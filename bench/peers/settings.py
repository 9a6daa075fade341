"""Settings of the peer project: simplejwt and dj-stripe on Django, nothing they do not need."""

import os
from datetime import timedelta

from bench.setting import STRIPE_VERSION


def _setting(name: str) -> str:
    # The type checker loads these settings without any of the variables.
    return os.environ.get(name, "")


SECRET_KEY = "benchmark-only-value-that-signs-nothing"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "bench.peers.urls"
WSGI_APPLICATION = "bench.peers.wsgi.application"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "djstripe",
    "bench.peers",
]
# The tables as the models state them: the packages' migration histories end in the same place but
# take minutes.
MIGRATION_MODULES = dict.fromkeys(["auth", "contenttypes", "token_blacklist", "djstripe"])
# CommonMiddleware is the one of Django's defaults that a JSON API needs: it sets Content-Length.
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _setting("PEER_DATABASE"),
        "USER": "postgres",
        "PASSWORD": _setting("PEER_DATABASE_PASSWORD"),
        "HOST": "127.0.0.1",
        "PORT": _setting("PEER_DATABASE_PORT"),
        # A connection per request costs the peer three quarters of its rate.
        "CONN_MAX_AGE": None,
    }
}

PASSWORD_HASHERS = ["bench.peers.hashers.SameCostArgon2PasswordHasher"]

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
}

SIMPLE_JWT = {
    "ALGORITHM": "RS256",
    "SIGNING_KEY": _setting("PEER_SIGNING_KEY"),
    "VERIFYING_KEY": _setting("PEER_VERIFYING_KEY"),
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=5),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=1),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "AUTH_HEADER_TYPES": ("JWT", "Bearer"),
}

STRIPE_TEST_SECRET_KEY = "sk_test_" + "0" * 24
STRIPE_LIVE_MODE = False
STRIPE_API_VERSION = STRIPE_VERSION
STRIPE_API_HOST = _setting("PEER_STRIPE_API_BASE")
DJSTRIPE_FOREIGN_KEY_TO_FIELD = "id"
DJSTRIPE_WEBHOOK_SECRET = _setting("PEER_WEBHOOK_SECRET")
if _setting("PEER_WEBHOOK_MODE") == "enqueue":
    DJSTRIPE_WEBHOOK_EVENT_CALLBACK = "bench.peers.webhooks.enqueue"
