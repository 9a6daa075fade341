"""Fixtures every part of the suite may use."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test import Client, TransactionTestCase

from config.environment import LOCAL_ONLY_CLIENT_SECRET
from identity import bearer
from identity.revocation import REVOCATIONS
from subscriptions.catalogue import products
from subscriptions.stripe_gateway import client as stripe_client
from subscriptions.stripe_gateway.account import forget_account
from tests.auth_stand_in import AuthStandIn, serve
from tests.environment import AUTH_PORT
from tests.sandbox import Sandbox, started_sandbox
from tests.signing import signing_key
from tests.subscriptions.person import Person
from users.auth_client import auth_client

_STATE = AuthStandIn(client_secret=LOCAL_ONLY_CLIENT_SECRET)


# Filled by migrations, and the same for every test.
_CONSTANT_TABLES = {"auth_permission", "django_content_type"}


@pytest.fixture(scope="session", autouse=True)
def _quick_flush() -> Iterator[None]:
    """Empty the tables after a test that commits, and keep what is always in them.

    Django's `flush` truncates them all and makes every permission again, which takes longer than
    most tests.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", _empty_tables)
        yield


def _empty_tables(_: TransactionTestCase) -> None:
    tables = set(connection.introspection.django_table_names()) - _CONSTANT_TABLES
    # In one transaction, since foreign keys are checked at its end.
    statements = "; ".join(f"DELETE FROM {connection.ops.quote_name(table)}" for table in tables)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statements)


@pytest.fixture(scope="session", autouse=True)
def _auth_service() -> Iterator[None]:
    server = serve(_STATE, port=AUTH_PORT)
    yield
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def auth_service(_auth_service: None) -> Iterator[AuthStandIn]:
    """A server in auth-service's place that starts afresh for every test."""
    _STATE.reset()
    auth_client.cache_clear()
    REVOCATIONS.clear()
    settings.BILLING.jwks_cache_file.unlink(missing_ok=True)
    yield _STATE
    _STATE.jwks_gate.set()
    if bearer.key_fetcher.cache_info().currsize:
        bearer.key_fetcher().stop()
        bearer.key_fetcher.cache_clear()


@pytest.fixture
def authorization() -> Callable[..., dict[str, str]]:
    """Make the header of a request by a user: `client.get(path, headers=authorization(id))`."""

    def make(user_id: uuid.UUID | None = None, **claims: object) -> dict[str, str]:
        return {"Authorization": f"JWT {signing_key().access_token(user_id, **claims)}"}

    return make


STAFF_PASSWORD = "correct horse battery"


@pytest.fixture
def sign_in(auth_service: AuthStandIn, db: None) -> Callable[..., tuple[Client, uuid.UUID]]:
    """Make a member of staff at auth-service and sign them into the admin with a real form."""

    def make(username: str = "boss", *, is_superuser: bool = True) -> tuple[Client, uuid.UUID]:
        user_id = auth_service.add_user(
            username, password=STAFF_PASSWORD, is_staff=True, is_superuser=is_superuser
        )
        client = Client()
        credentials = {"username": username, "password": STAFF_PASSWORD}
        answer = client.post("/admin/login/?next=/admin/", credentials)
        assert answer.status_code == 302, answer.content.decode()
        return client, user_id

    return make


@pytest.fixture
def staff_client(sign_in: Callable[..., tuple[Client, uuid.UUID]]) -> Client:
    """A browser in which a superuser is logged in."""
    return sign_in()[0]


@pytest.fixture(scope="session")
def _sandbox() -> Iterator[Sandbox]:
    with started_sandbox("--deterministic") as sandbox:
        settings.BILLING = replace(settings.BILLING, stripe_api_base=sandbox.base)
        stripe_client.client.cache_clear()
        yield sandbox


@pytest.fixture
def stripe(_sandbox: Sandbox, transactional_db: None) -> Sandbox:
    """The offline Stripe, with the two products on sale and no news from earlier tests."""
    # Django's flush leaves tables alone that it does not manage.
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    _sandbox.forget_events()
    forget_account()
    for product in products.seed():
        products.mirror_price(product)
    return _sandbox


@pytest.fixture
def person(stripe: Sandbox) -> Person:
    """Someone who has never subscribed."""
    return Person(stripe)
