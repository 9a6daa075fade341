"""A database that the first release filled, under this one."""

import os
from datetime import timedelta
from uuid import uuid4

import httpx
import jwt
import pytest
from alembic import command
from sqlalchemy import Engine, make_url, text

from auth_service.database import open_engine
from auth_service.migrations import _config, migrate
from auth_service.passwords.hashing import hash_password
from auth_service.tokens.jwt import RefreshGrant, Subject
from tests.conftest import PASSWORD, Service
from tests.served import served
from tests.test_jwt import Forger

# The schema of the last release before sessions, mails and second factors.
_FIRST_RELEASE = "0002"
# The first one begins with a Cyrillic letter.
_NAMES = ("\u0430dmin", "admin", "ada")
_USER = """
INSERT INTO users (
    id, username, username_key, email, password_hash, is_active, is_staff, is_superuser,
    auth_epoch, version, created_at, updated_at, change_seq
) VALUES (:id, :name, :name, '', :hash, true, false, false, 3, 1, now(), now(), :seq)
"""
_FAMILY = """
INSERT INTO refresh_family (
    id, user_id, epoch, head_jti, head_iat, head_exp, absolute_exp
) VALUES (:id, :user_id, 3, :jti, :iat, :exp, :exp)
"""


@pytest.fixture
def filled(empty_database: str) -> Engine:
    """A database of the first release, without accounts."""
    engine = open_engine(make_url(empty_database).set(drivername="postgresql+psycopg2"))
    with engine.connect() as connection:
        command.upgrade(_config(connection), _FIRST_RELEASE)
    return engine


def test_users_and_sessions_of_the_first_release_go_on(
    service: Service, environ: dict[str, str], filled: Engine, empty_database: str
) -> None:
    """They log in with their passwords, and no one has to log in again."""
    now = service.clock()
    user_id, expires_at = uuid4(), int((now + timedelta(hours=1)).timestamp())
    grant = RefreshGrant(
        family_id=uuid4(),
        user_id=user_id,
        auth_epoch=3,
        jti=uuid4(),
        issued_at=int(now.timestamp()),
        expires_at=expires_at,
    )
    family = {"id": grant.family_id, "user_id": user_id, "jti": grant.jti, "exp": expires_at}
    with filled.begin() as connection:
        # Names that look alike were not refused then.
        for seq, name in enumerate(_NAMES):
            known = {"id": user_id if name == "ada" else uuid4(), "name": name, "seq": seq}
            connection.execute(text(_USER), {**known, "hash": hash_password(PASSWORD)})
        connection.execute(text("UPDATE feed_position SET seq = 2"))
        connection.execute(text(_FAMILY), {**family, "iat": grant.issued_at})
    issuer = service.state.issuer
    subject = Subject(user_id=user_id, auth_epoch=3, is_staff=False, is_superuser=False)
    access = issuer.issue_access(subject, family_id=grant.family_id, now=now)
    access_then = Forger(service, access).sign(sid=None)
    refresh_then = issuer.issue_refresh(grant, now=now)

    migrate(filled)
    with (
        served({**os.environ, **environ, "AUTH_DATABASE_URL": empty_database}, workers=1) as server,
        httpx.Client(base_url=server.url, timeout=30) as http,
    ):
        me = http.get("/api/token/me", headers={"Authorization": f"JWT {access_then}"})
        sessions = http.get("/api/token/sessions", headers={"Authorization": f"JWT {access_then}"})
        refreshed = http.post("/api/token/refresh", json={"refresh": refresh_then})
        logged_in = [
            http.post("/api/token/obtain", json={"username": name, "password": PASSWORD})
            for name in _NAMES
        ]

    assert (me.status_code, me.json()["username"]) == (200, "ada")
    [session] = sessions.json()["results"]
    assert (session["id"], session["created_at"]) == (str(grant.family_id), None)
    assert refreshed.status_code == 200
    claims = jwt.decode(refreshed.json()["access"], options={"verify_signature": False})
    assert claims["sid"] == str(grant.family_id)
    assert claims["aud"] == list(issuer.default_audiences)
    assert [each.status_code for each in logged_in] == [200] * 3
