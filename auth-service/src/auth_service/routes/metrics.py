"""`GET /metrics`: for Prometheus. The gateway does not route it."""

from fastapi import APIRouter, Response

from auth_service.observability.metrics import expose

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
def metrics() -> Response:
    return Response(expose(), media_type="text/plain; version=0.0.4; charset=utf-8")
