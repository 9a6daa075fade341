"""Idempotency keys: a repeated creation gets the first response and creates no second account."""

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

LIFETIME = timedelta(hours=24)


def request_digest(secret: bytes, body: Mapping[str, Any]) -> bytes:
    """Return the HMAC-SHA256 of a request's body.

    Not a plain hash: the body contains a password, which a dictionary would find.
    """
    message = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    return hmac.digest(secret, b"idempotency\0" + message, hashlib.sha256)


def earlier_response(connection: Connection, key: str, *, digest: bytes) -> Any | None:
    """Return the JSON response to the first request with this key, or None.

    Raises:
        IdempotencyKeyReused: The first request had another body.
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
    """Store a response, in the transaction of the change that it reports."""
    connection.execute(
        insert(idempotency_key).values(
            key=key, request_digest=digest, response=dict(response), created_at=now
        )
    )


def forget(connection: Connection, user_id: UUID) -> None:
    """Delete the stored responses about a user."""
    is_about_user = idempotency_key.c.response["id"].astext == str(user_id)
    connection.execute(delete(idempotency_key).where(is_about_user))


def delete_expired(connection: Connection, *, now: datetime) -> int:
    """Delete the keys that are older than a day.

    Returns:
        How many were deleted.
    """
    is_expired = idempotency_key.c.created_at <= now - LIFETIME
    return connection.execute(delete(idempotency_key).where(is_expired)).rowcount
