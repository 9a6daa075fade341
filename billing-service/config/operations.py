"""Paths for operators and orchestrators; the gateway never routes them."""

import os
from functools import cache
from threading import Event

from django.db import DatabaseError, ProgrammingError, connection
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from config import draining
from worker.metrics import BACKLOG

_NOT_MIGRATED = "older than this release; run manage.py migrate"
# Set once the schema was found to be this release's or a newer one.
_MIGRATED = Event()


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
        is_migrated = _is_migrated()
    except DatabaseError:
        return JsonResponse({"database": "unreachable"}, status=503)
    if not is_migrated:
        return JsonResponse({"database": _NOT_MIGRATED}, status=503)
    return JsonResponse({"database": "ok"})


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Say whether this replica should get requests; the gateway asks every second.

    It should not before it stops, and while the schema is older than this release. In an outage of
    the database it should: all replicas would refuse, and each answers for itself.
    """
    if draining.has_begun():
        return JsonResponse({"replica": "about to stop"}, status=503)
    try:
        # A schema that was good once does not become older.
        is_migrated = _MIGRATED.is_set() or _is_migrated()
    except DatabaseError:
        is_migrated = True
    if not is_migrated:
        return JsonResponse({"database": _NOT_MIGRATED}, status=503)
    return JsonResponse({"replica": "ok"})


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus for all worker processes together."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # untyped in the library
    body = generate_latest(registry) + _backlog()
    return HttpResponse(body, content_type=CONTENT_TYPE_LATEST)


def _is_migrated() -> bool:
    """Whether the schema is this release's or a newer one.

    Raises:
        DatabaseError: The database cannot be asked.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT app, name FROM django_migrations")
            applied = set(cursor.fetchall())
    except ProgrammingError:
        # There is no such table before the first migration.
        return False
    if _newest_migrations() <= applied:
        _MIGRATED.set()
        return True
    return False


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
