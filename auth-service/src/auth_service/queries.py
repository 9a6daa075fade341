"""All SQL that is written by hand, each statement with the NamedTuple of its rows.

These are the statements of the busiest requests (log in, refresh, read the caller) and what
SQLAlchemy has no words for. They run on the bare driver, which saves SQLAlchemy's share of the
time; everything else uses the tables of `tables.py`.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Engine

# ---- Users


class UserRow(NamedTuple):
    """One account, without its password hash.

    Fields:
        auth_epoch: Tokens that were issued under an older epoch are refused.
        version: Grows by one with every change; compared with If-Match.
        last_login_at: None until the first log-in.
        deleted_at: Set for a deleted account, which stays as a row without personal data.
        change_seq: The position of the account's latest change in the feed of changes.
        second_factor_at: When the second factor was confirmed; None while there is none.
        email_verified_at: When the user opened a link sent to `email`.
    """

    id: UUID
    username: str
    email: str
    is_active: bool
    is_staff: bool
    is_superuser: bool
    auth_epoch: int
    version: int
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None
    deleted_at: datetime | None
    change_seq: int
    second_factor_at: datetime | None
    email_verified_at: datetime | None


class UserWithHash(NamedTuple):
    """One account with its password hash, for a log-in."""

    password_hash: str
    user: UserRow


_USER_COLUMNS = ", ".join(UserRow._fields)
_USER_BY_ID = f"SELECT {_USER_COLUMNS} FROM users WHERE id = %(id)s AND deleted_at IS NULL"  # noqa: S608 # our own column names
# An access token outlives its session by minutes. Here the session's end counts at once; a family
# that is not found has not been revoked.
_USER_OF_TOKEN = f"""
{_USER_BY_ID} AND NOT EXISTS (
    SELECT FROM refresh_family WHERE id = %(family_id)s AND revoked_at IS NOT NULL
)
"""
_USER_BY_USERNAME = f"""
SELECT password_hash, {_USER_COLUMNS} FROM users
WHERE username_key = %(username_key)s AND deleted_at IS NULL
"""  # noqa: S608 # our own column names


def user_by_id(connection: Connection, user_id: UUID) -> UserRow | None:
    """Read an account that is not deleted."""
    row = _first(connection, _USER_BY_ID, {"id": user_id})
    return UserRow._make(row) if row else None


def user_of_token(
    connection: Connection, user_id: UUID, *, family_id: UUID | None
) -> UserRow | None:
    """Read an account that is not deleted, unless the family of its token was revoked.

    Args:
        family_id: None for an access token of a release that did not name the session.
    """
    row = _first(connection, _USER_OF_TOKEN, {"id": user_id, "family_id": family_id})
    return UserRow._make(row) if row else None


def user_by_username(connection: Connection, username_key: str) -> UserWithHash | None:
    """Read an account that is not deleted, by its folded username."""
    row = _first(connection, _USER_BY_USERNAME, {"username_key": username_key})
    if row is None:
        return None
    password_hash, *user = row
    return UserWithHash(password_hash, UserRow._make(user))


# Not if the user was renamed meanwhile.
_FILL_SKELETONS = """
UPDATE users SET username_skeleton = computed.skeleton
FROM unnest(%(ids)s::uuid[], %(usernames)s::text[], %(skeletons)s::text[])
    AS computed (id, username, skeleton)
WHERE users.id = computed.id AND users.username = computed.username
"""


def fill_skeletons(connection: Connection, computed: Mapping[UUID, tuple[str, str]]) -> None:
    """Set what usernames are compared by.

    Args:
        connection: A short transaction.
        computed: By user the username and its skeleton.
    """
    parameters = {
        "ids": [str(user_id) for user_id in computed],
        "usernames": [username for username, _ in computed.values()],
        "skeletons": [skeleton for _, skeleton in computed.values()],
    }
    _execute(connection, _FILL_SKELETONS, parameters)


class ImportConflict(NamedTuple):
    """What stands in the way of an account to import."""

    id: UUID
    is_known: bool
    username_taken: bool
    email_taken: bool


# One parameter for a thousand rows: as many parameters would cost more than the rest.
_IMPORT_USERS = """
INSERT INTO users (
    id, username, username_key, username_skeleton, email, email_verified_at, password_hash,
    is_active, is_staff, is_superuser, created_at, last_login_at, change_seq,
    auth_epoch, version, updated_at
)
SELECT given.*, 1, 1, %(now)s
FROM json_to_recordset(%(rows)s) AS given (
    id uuid, username text, username_key text, username_skeleton text, email text,
    email_verified_at timestamptz, password_hash text, is_active boolean, is_staff boolean,
    is_superuser boolean, created_at timestamptz, last_login_at timestamptz, change_seq bigint
)
ON CONFLICT DO NOTHING
RETURNING id
"""
_IMPORT_CONFLICTS = """
SELECT
    given.id,
    EXISTS (SELECT FROM users WHERE id = given.id),
    EXISTS (
        SELECT FROM users WHERE username_key = given.username_key AND deleted_at IS NULL
    ),
    EXISTS (
        SELECT FROM users
        WHERE lower(email) = lower(given.email) AND given.email_verified
          AND email_verified_at IS NOT NULL AND deleted_at IS NULL
    )
FROM json_to_recordset(%(rows)s)
    AS given (id uuid, username_key text, email text, email_verified boolean)
"""


def import_users(
    connection: Connection, rows: Sequence[Mapping[str, Any]], *, now: datetime
) -> set[UUID]:
    """Create the accounts whose id, username and verified address are free.

    Args:
        connection: The transaction of a change.
        rows: Values by column, except for `auth_epoch`, `version` and `updated_at`.

    Returns:
        The ids of the accounts that were created.
    """
    found = _all(connection, _IMPORT_USERS, {"rows": json.dumps(rows, default=str), "now": now})
    return {user_id for (user_id,) in found}


def import_conflicts(
    connection: Connection, rows: Sequence[Mapping[str, Any]]
) -> list[ImportConflict]:
    """Compare accounts to import with those that exist. Ids of deleted accounts are known, too.

    Args:
        rows: `id`, `username_key`, `email` and `email_verified` of each account.
    """
    found = _all(connection, _IMPORT_CONFLICTS, {"rows": json.dumps(rows, default=str)})
    return [ImportConflict._make(row) for row in found]


# ---- Refresh families

# How many used tokens a family remembers for the replay grace. A client that refreshes more
# often than this within the grace has not lost a response.
_REMEMBERED_TOKENS = 32

# The user's state is compared with the one the family started under. So a deactivation or a
# changed password ends the family without touching its row.
_ROTATE_FAMILY = f"""
UPDATE refresh_family AS f
SET head_jti = %(successor_jti)s,
    head_iat = %(now)s,
    head_exp = LEAST(%(now)s + %(lifetime_seconds)s, f.absolute_exp),
    consumed_jtis = (f.head_jti || f.consumed_jtis)[1:{_REMEMBERED_TOKENS}],
    consumed_at = (%(now)s || f.consumed_at)[1:{_REMEMBERED_TOKENS}]
FROM users AS u
WHERE f.id = %(family_id)s AND f.head_jti = %(presented_jti)s
  AND f.revoked_at IS NULL AND f.absolute_exp > %(now)s
  AND u.id = f.user_id AND u.is_active AND u.auth_epoch = f.epoch
  AND %(audience)s::text[] <@ COALESCE(f.audience, %(default_audience)s::text[])
RETURNING f.head_exp, f.epoch, f.audience, u.is_staff, u.is_superuser
"""  # noqa: S608 # our own constant

# Returns no row if the user was deactivated, or the epoch moved, while the password was hashed.
# The log-in is recorded and the user's other live sessions are counted by the same statement, so
# they cost no round trip of their own.
_START_FAMILY = """
WITH started AS (
    INSERT INTO refresh_family (
        id, user_id, epoch, head_jti, head_iat, head_exp, absolute_exp,
        created_at, user_agent, client_ip, audience
    )
    SELECT
        %(family_id)s, id, auth_epoch, %(jti)s, %(issued_at)s, %(expires_at)s, %(absolute_exp)s,
        %(now)s, %(user_agent)s, %(client_ip)s, %(audience)s::text[]
    FROM users WHERE id = %(user_id)s AND is_active AND auth_epoch = %(auth_epoch)s
    RETURNING user_id
), recorded AS (
    INSERT INTO audit_event (at, actor_id, source, action, user_id, detail)
    SELECT %(now)s, user_id, %(client_ip)s, 'login.granted', user_id, %(detail)s FROM started
)
UPDATE users SET last_login_at = %(now)s FROM started WHERE users.id = started.user_id
RETURNING (
    SELECT count(*) FROM refresh_family AS f
    WHERE f.user_id = users.id AND f.revoked_at IS NULL
      AND f.epoch = %(auth_epoch)s AND f.head_exp > %(issued_at)s
)
"""

_END_SESSIONS = """
WITH ended AS (
    UPDATE refresh_family SET revoked_at = %(now)s, revoked_reason = 'too_many'
    WHERE revoked_at IS NULL AND id IN (
        SELECT id FROM refresh_family
        WHERE user_id = %(user_id)s AND revoked_at IS NULL
          AND epoch = %(auth_epoch)s AND head_exp > %(issued_at)s AND id <> %(family_id)s
        ORDER BY head_iat DESC OFFSET %(others)s
    )
    RETURNING id
)
INSERT INTO audit_event (at, actor_id, source, action, user_id, detail)
SELECT
    %(now)s, %(user_id)s, %(client_ip)s, 'session.ended', %(user_id)s,
    jsonb_build_object('session', id, 'reason', 'too_many')
FROM ended
"""


class RotatedFamily(NamedTuple):
    """The state of a family after its head moved.

    Fields:
        head_exp: When the new head expires, in Unix seconds.
        epoch: The user's `auth_epoch`.
        audience: What the session was granted; None for the default.
    """

    head_exp: int
    epoch: int
    audience: list[str] | None
    is_staff: bool
    is_superuser: bool


def rotate_family(
    autocommit: Engine,
    family_id: UUID,
    *,
    presented_jti: UUID,
    successor_jti: UUID,
    now: int,
    lifetime_seconds: int,
    audience: Sequence[str],
    default_audience: Sequence[str],
) -> RotatedFamily | None:
    """Replace the head of a family, if it is the presented token.

    Args:
        autocommit: The pool for single statements.
        family_id: The family of the presented token.
        presented_jti: The token that has to be the head.
        successor_jti: The token that becomes the head.
        now: Unix seconds.
        lifetime_seconds: Of the successor; it never outlives the family.
        audience: What the access token is asked for; empty if nothing is asked.
        default_audience: What a family without an audience of its own was granted.

    Returns:
        None if another token is the head, the family was not granted that audience, or the family
        or its user is no longer valid.
    """
    parameters = {
        "family_id": family_id,
        "presented_jti": presented_jti,
        "successor_jti": successor_jti,
        "now": now,
        "lifetime_seconds": lifetime_seconds,
        "audience": list(audience),
        "default_audience": list(default_audience),
    }
    connection = autocommit.raw_connection()
    try:
        with connection.cursor() as cursor:  # type: ignore[attr-defined] # psycopg2's own
            cursor.execute(_ROTATE_FAMILY, parameters)
            row = cursor.fetchone()
    finally:
        connection.close()
    return RotatedFamily._make(row) if row else None


def start_family(
    connection: Connection,
    *,
    family_id: UUID,
    user_id: UUID,
    auth_epoch: int,
    jti: UUID,
    issued_at: int,
    expires_at: int,
    absolute_exp: int,
    user_agent: str,
    client_ip: str,
    audience: Sequence[str] | None,
    detail: Mapping[str, object],
    max_sessions: int,
    now: datetime,
) -> bool:
    """Insert a family, set the user's last log-in, and write it to the audit log.

    Args:
        connection: With or without a transaction.
        issued_at: Unix seconds, as are the other times of tokens.
        audience: What the session is granted; None for the default.
        detail: What the audit log adds about the log-in.
        max_sessions: How many sessions the user has at once, this one included. If there are
            more, those end that were not used for the longest time.

    Returns:
        False if the user is no longer active under `auth_epoch`; then nothing is written.
    """
    parameters = {
        "family_id": family_id,
        "user_id": user_id,
        "auth_epoch": auth_epoch,
        "jti": jti,
        "issued_at": issued_at,
        "expires_at": expires_at,
        "absolute_exp": absolute_exp,
        "user_agent": user_agent,
        "client_ip": client_ip,
        "audience": None if audience is None else list(audience),
        "detail": json.dumps(detail),
        "others": max_sessions - 1,
        "now": now,
    }
    row = _first(connection, _START_FAMILY, parameters)
    if row is not None and row[0] > parameters["others"]:
        _execute(connection, _END_SESSIONS, parameters)
    return row is not None


# ---- Login throttle

_THROTTLE_BUCKETS = """
SELECT key, failures, last_failed_at, expires_at, EXISTS (
    SELECT FROM known_source WHERE key = %(pair_key)s AND last_success_at > %(known_since)s
)
FROM throttle_bucket WHERE key = ANY(%(keys)s) AND expires_at > %(now)s
"""
_COUNT_FAILURE = """
INSERT INTO throttle_bucket AS b (key, failures, last_failed_at, expires_at)
VALUES (%(key)s, 1, %(now)s, %(expires_at)s)
ON CONFLICT (key) DO UPDATE SET
    failures = CASE WHEN b.expires_at <= %(now)s THEN 1 ELSE b.failures + 1 END,
    last_failed_at = GREATEST(b.last_failed_at, %(now)s),
    expires_at = CASE
        WHEN %(is_sliding)s OR b.expires_at <= %(now)s THEN %(expires_at)s ELSE b.expires_at
    END
"""
# Most log-ins have no failures to forget, and their network was remembered today: then nothing
# is written.
_FORGET_FAILURES = """
WITH forgotten AS (DELETE FROM throttle_bucket WHERE key = %(pair_key)s),
remembered AS (
    INSERT INTO known_source (key, last_success_at)
    SELECT %(pair_key)s, %(now)s
    WHERE NOT EXISTS (
        SELECT FROM known_source WHERE key = %(pair_key)s AND last_success_at >= %(fresh_since)s
    )
    ON CONFLICT (key) DO UPDATE SET last_success_at = %(now)s
)
SELECT EXISTS (
    SELECT FROM known_source WHERE key = %(pair_key)s AND last_success_at > %(known_since)s
)
"""
_COUNT_REQUEST = """
INSERT INTO throttle_bucket AS b (key, failures, last_failed_at, expires_at)
SELECT key, 1, %(now)s, %(expires_at)s FROM unnest(%(keys)s::bytea[]) AS key
ON CONFLICT (key) DO UPDATE SET
    failures = CASE WHEN b.expires_at <= %(now)s THEN 1 ELSE b.failures + 1 END,
    last_failed_at = %(now)s,
    expires_at = CASE WHEN b.expires_at <= %(now)s THEN %(expires_at)s ELSE b.expires_at END
RETURNING b.key, b.failures, b.expires_at
"""


class ThrottleBucket(NamedTuple):
    """The failures counted under one key.

    Fields:
        key: A keyed digest.
        is_known_network: Whether this account has logged in from this network before; the same
            in every row.
    """

    key: bytes
    failures: int
    last_failed_at: datetime
    expires_at: datetime
    is_known_network: bool


def throttle_buckets(
    connection: Connection,
    keys: Sequence[bytes],
    *,
    pair_key: bytes,
    known_since: datetime,
    now: datetime,
) -> list[ThrottleBucket]:
    """Read the buckets that have not expired."""
    parameters = {
        "keys": list(keys),
        "pair_key": pair_key,
        "known_since": known_since,
        "now": now,
    }
    rows = _all(connection, _THROTTLE_BUCKETS, parameters)
    # The driver returns a key as a memoryview, which does not equal bytes.
    return [ThrottleBucket(bytes(key), *others) for key, *others in rows]


def count_failure(
    connection: Connection, key: bytes, *, now: datetime, expires_at: datetime, is_sliding: bool
) -> None:
    """Add a failure to a bucket, or start a new bucket.

    Args:
        connection: In the transaction that counts all failures of one attempt.
        key: The bucket's key.
        now: When the attempt failed.
        expires_at: The end of a new bucket.
        is_sliding: Whether a failure also moves the end of a bucket that exists.
    """
    parameters = {"key": key, "now": now, "expires_at": expires_at, "is_sliding": is_sliding}
    _execute(connection, _COUNT_FAILURE, parameters)


def forget_failures(
    connection: Connection,
    pair_key: bytes,
    *,
    now: datetime,
    fresh_since: datetime,
    known_since: datetime,
) -> bool:
    """Delete a pair's failures, and remember the success if the last one is older than that.

    Returns:
        Whether the pair had a success after `known_since` before this one.
    """
    parameters = {
        "pair_key": pair_key,
        "now": now,
        "fresh_since": fresh_since,
        "known_since": known_since,
    }
    return bool(_value(connection, _FORGET_FAILURES, parameters))


class CountedRequests(NamedTuple):
    """How many requests were counted under a key, this one included, until it expires."""

    key: bytes
    requests: int
    expires_at: datetime


def count_requests(
    connection: Connection, keys: Sequence[bytes], *, now: datetime, expires_at: datetime
) -> list[CountedRequests]:
    """Count a request under each key; `expires_at` is the end of a new count."""
    # In the order of the keys: two requests then cannot wait for each other's rows.
    parameters = {"keys": sorted(keys), "now": now, "expires_at": expires_at}
    rows = _all(connection, _COUNT_REQUEST, parameters)
    return [CountedRequests(bytes(key), *others) for key, *others in rows]


# ---- The database itself


def schema_revision(connection: Connection) -> str | None:
    """Return the revision of the latest migration, or None if there is none."""
    revision: str | None = _value(connection, "SELECT version_num FROM alembic_version")
    return revision


def database_time(connection: Connection) -> datetime:
    """Return the database server's clock, in UTC."""
    now: datetime = _value(connection, "SELECT clock_timestamp()")
    return now


def has_session(connection: Connection, application_name: str) -> bool:
    """Say whether a process with this name is connected to this database."""
    sql = """
    SELECT EXISTS (
        SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = %(name)s
    )
    """
    return bool(_value(connection, sql, {"name": application_name}))


def try_advisory_lock(connection: Connection, lock_id: int) -> bool:
    """Take a lock of this session, unless another session holds it."""
    return bool(_value(connection, "SELECT pg_try_advisory_lock(%(id)s)", {"id": lock_id}))


def release_advisory_lock(connection: Connection, lock_id: int) -> None:
    """Give the lock back; ending the session would do the same."""
    _execute(connection, "SELECT pg_advisory_unlock(%(id)s)", {"id": lock_id})


def _execute(connection: Connection, sql: str, parameters: Mapping[str, Any]) -> None:
    with connection.connection.cursor() as cursor:  # type: ignore[attr-defined] # psycopg2's own
        cursor.execute(sql, parameters)


def _all(connection: Connection, sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.connection.cursor() as cursor:  # type: ignore[attr-defined] # psycopg2's own
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def _first(
    connection: Connection, sql: str, parameters: Mapping[str, Any]
) -> tuple[Any, ...] | None:
    return next(iter(_all(connection, sql, parameters)), None)


def _value(connection: Connection, sql: str, parameters: Mapping[str, Any] | None = None) -> Any:
    (value,) = _first(connection, sql, parameters or {}) or (None,)
    return value
