"""Prepares the environment and sets Django up before pytest collects anything."""

import os

import django

from tests.environment import prepare_environment

os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
prepare_environment()
django.setup()
