"""Prepares the environment and sets Django up before pytest collects anything."""

import os

import django
import pytest
from django.conf import settings

from tests.environment import prepare_environment

if settings.configured:
    raise pytest.UsageError("Unset DJANGO_SETTINGS_MODULE: the tests set Django up themselves.")
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
prepare_environment()
django.setup()
