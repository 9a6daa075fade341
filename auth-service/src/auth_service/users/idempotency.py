"""Idempotency keys: a repeated creation gets the first one's answer and no second account."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select

from auth_service.errors import IdempotencyKeyReused
from auth_service.tables import idempotency_key

MEMORY = timedelta(hours=24)


def request_digest(secret: bytes, body: Mapping[str, Any]) -> bytes:
    """Recognise a request again.

    A keyed digest: the body holds a password, which a plain hash would give to a dictionary.
    """
    message = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    return hmac.digest(secret, b"idempotency\0" + message, hashlib.sha256)


def earlier_response(connection: Connection, key: str, *, digest: bytes) -> Any | None:
    """Find what the first request under this key was answered.

    Raises:
        IdempotencyKeyReused: The first request was a different one.
    """
    row = connection.execute(select(idempotency_key).where(idempotency_key.c.key == key)).first()
    if row is None:
        return None
    if not hmac.compare_digest(bytes(row.request_digest), digest):
        raise IdempotencyKeyReused
    return row.response


def remember(
    connection: Connection, key: str, *, digest: bytes, response: Mapping[str, Any], now: datetime
) -> None:
    """Keep an answer, in the transaction that earned it."""
    connection.execute(
        insert(idempotency_key).values(
            key=key, request_digest=digest, response=dict(response), created_at=now
        )
    )


def forget(connection: Connection, user_id: UUID) -> None:
    """Forget the answers that describe a user who is being deleted."""
    describes = idempotency_key.c.response["id"].astext == str(user_id)
    connection.execute(delete(idempotency_key).where(describes))


def purge(connection: Connection, *, now: datetime) -> int:
    """Forget the keys of yesterday.

    Returns:
        How many were forgotten.
    """
    old = idempotency_key.c.created_at <= now - MEMORY
    return connection.execute(delete(idempotency_key).where(old)).rowcount
