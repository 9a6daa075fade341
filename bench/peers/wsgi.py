"""What gunicorn serves."""

import os

import stripe
from django.core.wsgi import get_wsgi_application

from bench.setting import STRIPE_VERSION

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.peers.settings")
# dj-stripe passes the version of its settings on to most calls, but not to all.
stripe.api_version = STRIPE_VERSION
application = get_wsgi_application()
