"""`GET /metrics`: for Prometheus. The gateway does not route it."""

from contextlib import suppress

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from auth_service.database import SCHEMA_ERRORS
from auth_service.mail import outbox
from auth_service.observability.metrics import MAIL_FAILED, MAIL_OLDEST, MAIL_WAITING, expose
from auth_service.routes.dependencies import AppState, app_state
from auth_service.users import account_requests

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
def metrics(request: Request) -> Response:
    # Without its database, the service still reports on itself.
    with suppress(SQLAlchemyError, *SCHEMA_ERRORS):
        _count_mails(app_state(request))
    return Response(expose(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _count_mails(state: AppState) -> None:
    now = state.clock()
    with state.autocommit.connect() as connection:
        mails = outbox.backlog(connection)
        requests = account_requests.backlog(connection)
    MAIL_WAITING.set(mails.waiting + requests.waiting)
    oldest = min(mails.oldest or now, requests.oldest or now)
    MAIL_OLDEST.set((now - oldest).total_seconds())
    MAIL_FAILED.set(mails.failed)
