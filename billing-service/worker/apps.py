"""Registers the app with Django."""

from django.apps import AppConfig


class WorkerConfig(AppConfig):
    """Background jobs and commands."""

    name = "worker"
