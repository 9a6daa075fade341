"""Paths for operators and orchestrators; the gateway never routes them."""

import os
from functools import cache

from django.db import DatabaseError, ProgrammingError, connection
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from worker.metrics import BACKLOG

_NOT_MIGRATED = "older than this release; run manage.py migrate"


@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """Say that the process answers; a database outage must not get it restarted."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Say whether requests can be served, which takes the database with all our migrations.

    Migrations that this release does not know are those of a newer one. They only add.

    auth-service is not asked: known keys outlive its absence, and webhooks need none.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT app, name FROM django_migrations")
            is_migrated = _newest_migrations() <= set(cursor.fetchall())
    except ProgrammingError:
        # There is no such table before the first migration.
        is_migrated = False
    except DatabaseError:
        return JsonResponse({"database": "unreachable"}, status=503)
    if not is_migrated:
        return JsonResponse({"database": _NOT_MIGRATED}, status=503)
    return JsonResponse({"database": "ok"})


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus for all worker processes together."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # untyped in the library
    body = generate_latest(registry) + _backlog()
    return HttpResponse(body, content_type=CONTENT_TYPE_LATEST)


@cache
def _newest_migrations() -> set[tuple[str, str]]:
    """Return the last migration of each app, which none follows."""
    return set(MigrationLoader(None).graph.leaf_nodes())


def _backlog() -> bytes:
    try:
        return generate_latest(BACKLOG)
    except DatabaseError:
        # In an outage the processes' own figures are what an operator needs; these go missing.
        return b""
