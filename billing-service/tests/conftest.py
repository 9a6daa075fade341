"""Fixtures every part of the suite may use."""

import uuid
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings

from config.environment import LOCAL_ONLY_CLIENT_SECRET
from identity import bearer
from identity.revocation import REVOCATIONS
from tests.auth_stand_in import AuthStandIn, serve
from tests.environment import AUTH_PORT
from tests.signing import signing_key

_STATE = AuthStandIn(client_secret=LOCAL_ONLY_CLIENT_SECRET)


@pytest.fixture(scope="session", autouse=True)
def _auth_service() -> Iterator[None]:
    server = serve(_STATE, port=AUTH_PORT)
    yield
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def auth_service(_auth_service: None) -> Iterator[AuthStandIn]:
    """A server in auth-service's place that answers every test anew."""
    _STATE.reset()
    bearer.key_cache.cache_clear()
    REVOCATIONS.replace({})
    settings.BILLING.jwks_cache_file.unlink(missing_ok=True)
    yield _STATE
    _STATE.jwks_gate.set()


@pytest.fixture
def authorization() -> Callable[..., dict[str, str]]:
    """Make the header of a request by a user: `client.get(path, headers=authorization(id))`."""

    def make(user_id: uuid.UUID | None = None, **claims: object) -> dict[str, str]:
        return {"Authorization": f"JWT {signing_key().access_token(user_id, **claims)}"}

    return make
