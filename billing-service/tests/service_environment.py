"""The environment of service processes that share a test's database and its Stripe."""

import os
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import connection


def service_environment(**changes: str) -> dict[str, str]:
    """Return the variables for a process of its own.

    Args:
        changes: Variables that differ.
    """
    parts = urlsplit(settings.BILLING.database_url)
    url = urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))
    return {
        **os.environ,
        "BILLING_DATABASE_URL": url,
        "STRIPE_API_BASE": settings.BILLING.stripe_api_base,
        **changes,
    }
