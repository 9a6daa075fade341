"""Paths for operators and orchestrators; the gateway never routes them."""

import os

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from worker.metrics import BACKLOG


@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """Say that the process answers; a database outage must not get it restarted."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Say whether requests can be served, which takes the database.

    auth-service is not asked: known keys outlive its absence, and webhooks need none.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return JsonResponse({"database": "unreachable"}, status=503)
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


def _backlog() -> bytes:
    try:
        return generate_latest(BACKLOG)
    except DatabaseError:
        # In an outage the processes' own figures are what an operator needs; these go missing.
        return b""
