"""Pages and operational paths of the service itself."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from html import unescape
from threading import Event

import pytest
from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.test import Client

from tests.service_environment import service_environment

_PRINT_HSTS = "from django.conf import settings; print(settings.SECURE_HSTS_SECONDS)"


def test_the_bare_address_leads_to_the_documentation(client: Client) -> None:
    """A visitor of the bare address is sent to the Swagger page."""
    answer = client.get("/")

    assert (answer.status_code, answer["Location"]) == (302, "/api/docs/")


@pytest.mark.django_db
def test_the_documentation_lists_both_services_and_loads_nothing_from_elsewhere(
    client: Client,
) -> None:
    """Every file comes from auth-service's assets; a policy enforces it in the browser."""
    answer = client.get("/api/docs/")
    page = answer.content.decode()
    loaded = re.findall(r'<(?:script|link)[^>]+(?:src|href)="([^"]+)"', page)
    found = re.search(r'data-schemas="([^"]+)"', page)

    assert found
    schemas = {one["name"]: one["url"] for one in json.loads(unescape(found[1]))}
    assert schemas == {"Tokens": "/api/token/openapi.json", "Billing": "/api/schema/"}
    assert len(loaded) == 5
    assert all(address.startswith("/api/token/docs/assets/") for address in loaded)
    assert "default-src 'none'; script-src 'self';" in answer["Content-Security-Policy"]
    assert 'href="/admin/"' in page


@pytest.mark.django_db
def test_browsers_find_an_icon(client: Client) -> None:
    """Also for pages that name none, such as a 404: the log of the browser stays empty."""
    answer = client.get("/favicon.ico", follow=True)
    (of_admin,) = re.findall(
        r'rel="icon" href="([^"]+)"', client.get("/admin/login/").content.decode()
    )

    assert (answer.status_code, answer["Content-Type"]) == (200, "image/svg+xml")
    assert _status(client, of_admin) == 200
    answer.close()


def test_the_schema_names_the_originals_scheme(client: Client) -> None:
    """`jwtAuth (apiKey)`, as the demo's step 7 says."""
    schema = client.get("/api/schema/").json()

    scheme = schema["components"]["securitySchemes"]["jwtAuth"]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "Authorization")
    assert list(schema["components"]["securitySchemes"]) == ["jwtAuth"]


def test_each_call_is_described_once(client: Client) -> None:
    """Paths answer with and without the trailing slash, but the page shows one of them."""
    paths = list(client.get("/api/schema/").json()["paths"])

    assert len({path.rstrip("/") for path in paths}) == len(paths)
    assert "/api/subscriptions/subscribe" in paths


def test_liveness_does_not_touch_the_database(client: Client) -> None:
    """A database outage must not restart every process (no database is set up here)."""
    assert client.get("/livez").content == b"ok\n"


@pytest.mark.django_db
def test_readiness_says_whether_the_database_answers(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway goes on asking: no other replica would reach the database either."""
    monkeypatch.setattr("config.operations._MIGRATED", Event())
    assert client.get("/readyz").status_code == 200
    monkeypatch.setattr("config.operations._MIGRATED", Event())

    def no_connection() -> None:
        raise OperationalError

    monkeypatch.setattr("config.operations.connection.cursor", no_connection)
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


@pytest.mark.django_db
def test_a_missing_migration_is_not_ready_and_an_unknown_one_is(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release waits for its own migrations, and goes on serving under those of the next one."""
    monkeypatch.setattr("config.operations._MIGRATED", Event())
    applied = MigrationRecorder(connection)
    applied.record_applied("subscriptions", "9999_of_the_next_release")
    assert [client.get(path).status_code for path in ("/readyz", "/healthz")] == [200, 200]

    monkeypatch.setattr("config.operations._MIGRATED", Event())
    newest = MigrationLoader(None).graph.leaf_nodes("subscriptions")[0]
    applied.record_unapplied(*newest)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (
        503,
        {"database": "older than this release; run manage.py migrate"},
    )
    assert client.get("/healthz").status_code == 503


@pytest.mark.django_db
def test_metrics_show_how_the_verifier_is_doing(
    client: Client, authorization: Callable[..., dict[str, str]]
) -> None:
    """Operators see key fetches, unknown kids and refused tokens."""
    client.get("/api/subscriptions/status", headers=authorization(exp=1))

    text = client.get("/metrics").content.decode()

    assert 'billing_refused_access_tokens_total{reason="expired"}' in text
    assert 'billing_key_set_fetches_total{outcome="replaced"}' in text


@pytest.mark.django_db
def test_metrics_outlive_the_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an outage the verifier's figures still arrive; the database's are missing."""

    def no_connection() -> None:
        raise OperationalError

    monkeypatch.setattr("config.operations.connection.cursor", no_connection)
    answer = client.get("/metrics")

    assert answer.status_code == 200
    assert b"billing_key_set_fetches_total" in answer.content
    assert b"billing_webhook_lag_seconds" not in answer.content


def test_every_answer_carries_a_request_id(client: Client) -> None:
    """The gateway's id is kept; what could forge a log line is replaced."""
    kept = client.get("/livez", headers={"X-Request-Id": "abc-1"})
    replaced = client.get("/livez", headers={"X-Request-Id": "a b" * 40})

    assert kept["X-Request-Id"] == "abc-1"
    assert re.fullmatch(r"[0-9a-f]{32}", replaced["X-Request-Id"])


def test_a_call_that_does_not_exist_has_the_common_shape(
    client: Client, authorization: Callable[..., dict[str, str]]
) -> None:
    """A wrong method answers with `detail` and `code` like every refusal."""
    answer = client.delete("/api/subscriptions/status", headers=authorization())

    assert answer.status_code == 405
    assert answer.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/api/nothing", "/api/subscriptions/nothing"])
def test_a_path_that_leads_nowhere_has_the_common_shape(client: Client, path: str) -> None:
    """A program that mistypes an address can read the answer; a person gets a page."""
    answer = client.get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert client.get("/nothing")["Content-Type"].startswith("text/html")


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["status", "invoices"])
def test_an_absent_database_is_no_bug(
    client: Client,
    authorization: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
) -> None:
    """The response says when to try again, not that something is broken."""

    def no_cursor() -> None:
        raise OperationalError

    monkeypatch.setattr("django.db.connection.cursor", no_cursor)
    answer = client.get(f"/api/subscriptions/{path}", headers=authorization())

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer["Retry-After"] == "2"


def test_a_bug_has_the_common_shape_too(
    client: Client,
    authorization: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever breaks, the answer can be read by a program and tells nothing of the inside."""

    def broken(*_: object) -> None:
        raise LookupError("private words")

    client.raise_request_exception = False
    monkeypatch.setattr("subscriptions.api.views.status_body", broken)
    answer = client.get("/api/subscriptions/status", headers=authorization())

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert b"private words" not in answer.content


def test_a_bottomless_body_is_a_bad_request(
    client: Client, authorization: Callable[..., dict[str, str]]
) -> None:
    """What exhausts the parser is the caller's mistake, not a failure of ours."""
    answer = client.post(
        "/api/subscriptions/subscribe",
        data="[" * 16_000,
        content_type="application/json",
        headers=authorization(),
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")


def _status(client: Client, address: str) -> int:
    answer = client.get(address)
    answer.close()
    return answer.status_code


def test_the_deployment_check_of_going_live_finds_nothing() -> None:
    """With the variables of a production, and with no check of a layer silenced."""
    production = {
        "ENVIRONMENT": "production",
        "PUBLIC_URL": "https://billing.example.com",
        "DJANGO_SECRET_KEY": "".join(chr(ord("a") + n % 26) for n in range(60)),
        "AUTH_INTERNAL_CLIENT_SECRET": "c" * 40,
        "STRIPE_API_SECRET": "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "STRIPE_API_BASE": "",
        "STRIPE_PUBLISHABLE_KEY": "pk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "STRIPE_WEBHOOK_SECRET": "whsec_of_production",
    }
    checked = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=settings.BASE_DIR,
        env=service_environment() | production,
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stderr
    assert set(settings.SILENCED_SYSTEM_CHECKS) == {
        f"security.{code}" for code in ("W005", "W008", "W021")
    }


@pytest.mark.parametrize(("stage", "seconds"), [("local", 0), ("production", 31_536_000)])
def test_hsts_is_for_where_tls_is(stage: str, seconds: int) -> None:
    """A browser that once had it would refuse http on a laptop for a year."""
    printed = subprocess.run(
        [sys.executable, "-c", _PRINT_HSTS],
        cwd=settings.BASE_DIR,
        env=service_environment()
        | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "ENVIRONMENT": stage,
            "PUBLIC_URL": "https://billing.example.com",
            "DJANGO_SECRET_KEY": "k" * 60,
            "AUTH_INTERNAL_CLIENT_SECRET": "c" * 40,
            "STRIPE_API_BASE": "",
            "STRIPE_WEBHOOK_SECRET": "whsec_of_production",
        },
        capture_output=True,
        text=True,
        check=True,
    )

    assert int(printed.stdout) == seconds


@pytest.mark.django_db
def test_api_calls_go_past_the_layers_for_pages(
    client: Client, authorization: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are a quarter of the CPU of a small request."""

    def count(*_: object) -> None:
        raise AssertionError("a layer for pages")

    monkeypatch.setattr(SessionMiddleware, "process_request", count)
    monkeypatch.setattr(XFrameOptionsMiddleware, "process_response", count)
    answer = client.get("/api/subscriptions/status", headers=authorization())

    assert answer.status_code in (200, 404)
    with pytest.raises(AssertionError, match="a layer for pages"):
        client.get("/admin/login/")


@pytest.mark.django_db
def test_pages_have_security_headers_and_forms_need_their_token(client: Client) -> None:
    """What the deployment check looks for in the settings is there in the answers."""
    page = client.get("/admin/login/")
    forged = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "ada"})

    assert page["X-Frame-Options"] == "DENY"
    assert page["X-Content-Type-Options"] == "nosniff"
    assert forged.status_code == 403
