"""`/livez` and `/readyz`: is the process well, and can it do its work?"""

from fastapi import APIRouter, Request
from sqlalchemy import text
from starlette.responses import JSONResponse

from auth_service.routes.dependencies import parts_of

router = APIRouter(tags=["health"])


@router.get("/livez")
async def livez() -> dict[str, str]:
    """Say that the process answers; the database is not asked, or its outage would restart us."""
    return {"status": "alive"}


@router.get("/readyz", responses={503: {"description": "The database or the keys are not there."}})
def readyz(request: Request) -> JSONResponse:
    """Say whether the database can be reached with the schema we know, and a key signs."""
    parts = parts_of(request)
    parts.keys.signing_key(parts.clock())
    with parts.statements.connect() as connection:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found != parts.schema_revision:
        return JSONResponse({"status": "schema is not migrated"}, status_code=503)
    return JSONResponse({"status": "ready"})
