"""What the gateway lets in, and what it makes of it on the way."""

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from dev.processes.ports import free_port
from e2e.waiting import until
from gateway.tests.stand_in import Gateway, echo

PUBLIC = [
    ("POST", "/api/token/obtain", "auth"),
    ("POST", "/api/token/obtain/", "auth"),
    ("POST", "/api/token/refresh", "auth"),
    ("POST", "/api/token/verify", "auth"),
    ("POST", "/api/token/revoke", "auth"),
    ("POST", "/api/token/revoke-all", "auth"),
    ("POST", "/api/token/password", "auth"),
    ("GET", "/api/token/me", "auth"),
    ("GET", "/api/token/docs", "auth"),
    ("GET", "/api/token/docs/assets/docs.css", "auth"),
    ("GET", "/api/token/openapi.json", "auth"),
    ("POST", "/api/account/sign-up", "auth"),
    ("POST", "/api/account/reset-password/confirm/", "auth"),
    ("GET", "/account/reset-password", "auth"),
    ("POST", "/account/reset-password", "auth"),
    ("GET", "/account/assets/account.css", "auth"),
    ("GET", "/.well-known/jwks.json", "auth"),
    ("GET", "/.well-known/oauth-authorization-server", "auth"),
    ("GET", "/", "billing"),
    ("GET", "/api/docs/", "billing"),
    ("GET", "/api/schema/", "billing"),
    ("POST", "/api/subscriptions/subscribe", "billing"),
    ("GET", "/api/subscriptions/status/", "billing"),
    ("POST", "/api/stripe-webhook/", "billing"),
    ("POST", "/api/stripe-webhook", "billing"),
    ("GET", "/admin/", "billing"),
    ("POST", "/admin/users/user/add/", "billing"),
    ("GET", "/static/admin/css/base.css", "billing"),
]

HIDDEN = [
    "/internal/users",
    "/internal",
    "/internal/",
    "/INTERNAL/users",
    "/Internal/users",
    "//internal/users",
    "///internal//users",
    "/./internal/users",
    "/%69nternal/users",
    "/%49NTERNAL/users",
    "/internal;x=1/users",
    "/internal.json",
    "/_internal/users",
    "/api/internal/users",
    "/api/auth/internal/users",
    "/auth/internal/users",
    "/billing/internal/users",
    "/api/token/../../internal/users",
    "/api/token/../internal/users",
    "/api/token/%2e%2e/%2e%2e/internal/users",
    "/api/token/.%2e/%2E./internal/users",
    "/api/token/..%2f..%2finternal/users",
    "/api/token/..%5c..%5cinternal/users",
    "/api/token/..\\..\\internal\\users",
    "/api/token/%252e%252e/%252e%252e/internal/users",
    "/api/token/..;/..;/internal/users",
    "/.well-known/../internal/users",
    "/admin/../internal/users",
    "/static/../internal/users",
    "/static/%2e%2e/internal/users",
    "/api/token/..%00/internal/users",
    "/metrics",
    "/Metrics",
    "/api/metrics",
    "/admin/../metrics",
    "/livez",
    "/healthz",
    "/readyz",
    "/readyz/",
    "/ping",
    "/api/ping",
    "/dashboard/",
    "/api/http/routers",
    "/api/rawdata",
    "/nowhere",
    "/api",
    "/api/",
    "/api/tokens",
    "/account",
    "/accounts/reset-password",
    "/api/accounts/sign-up",
    "/api/token-x/obtain",
    "/api/stripe-webhook/more",
    "/administration",
    "/adminx/",
    "/api/subscriptionsx",
]


def test_the_configuration_is_accepted_whole(
    start: Callable[..., Gateway], upstreams: dict[str, str]
) -> None:
    """One bad middleware silently removes its router: no error line may appear at start."""
    new = start(**upstreams, ALLOWED_ORIGINS="https://app.example.com")

    assert [record for record in new.records() if record.get("level") in ("error", "warn")] == []
    assert httpx.get(f"{new.ops_url}/ping", trust_env=False).status_code == 200


def test_a_broken_middleware_would_be_noticed(
    start: Callable[..., Gateway], upstreams: dict[str, str], tmp_path: Path
) -> None:
    """The check above sees what Traefik says about a middleware it cannot build."""
    source = tmp_path / "gateway"
    (source / "dynamic").mkdir(parents=True)
    original = Path(__file__).parents[1]
    (source / "traefik.yml").write_text((original / "traefik.yml").read_text())
    routes = (original / "dynamic" / "routes.yml").read_text()
    assert "255.255.255.255/32" in routes
    (source / "dynamic" / "routes.yml").write_text(
        routes.replace("255.255.255.255/32", "no address")
    )

    broken = start(source, **upstreams)

    assert [record for record in broken.records() if record.get("level") == "error"] != []


@pytest.mark.parametrize(("method", "path", "service"), PUBLIC)
def test_a_public_path_reaches_its_service(
    public: Gateway, method: str, path: str, service: str
) -> None:
    """Each address of the contract is answered by the service that owns it."""
    answer = public.request(method, path)

    assert answer.status_code == 200
    assert answer.json()["service"] == service
    assert answer.json()["path"] == path


@pytest.mark.parametrize("path", HIDDEN)
def test_everything_else_is_not_there(public: Gateway, path: str) -> None:
    """Internal paths, in any spelling, and paths that are not listed never reach a service."""
    answer = public.get(path)

    assert answer.status_code in (400, 404)
    assert "service" not in answer.text


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-Ip", "X-Forwarded-Prefix"])
def test_a_client_cannot_invent_its_address(public: Gateway, header: str) -> None:
    """Throttling by source holds because what a client writes there is replaced."""
    seen = public.get("/api/token/me", headers={header: "6.6.6.6"}).json()["headers"]

    assert seen.get(header.lower(), "127.0.0.1") == "127.0.0.1"


@pytest.mark.parametrize(
    "header",
    [
        "X-User-Id",
        "X_User_Id",
        "X-Service-Token",
        "X_Service_Token",
        "X-Actor-Id",
        "X-Actor-Source",
        "X_Forwarded_For",
        "X_Forwarded_Proto",
        "Forwarded",
        "X_Gw_Group",
    ],
)
def test_headers_of_our_own_cannot_be_forged(public: Gateway, header: str) -> None:
    """Neither a header only our services set nor its spelling with underscores gets in."""
    seen = public.get("/api/token/me", headers={header: "forged"}).json()["headers"]

    assert "forged" not in seen.values()


def test_the_in_flight_key_is_the_gateways_own(public: Gateway) -> None:
    """A client that names another group would get a limit of its own."""
    seen = public.get("/api/token/me", headers={"X-Gw-Group": "mine"}).json()["headers"]

    assert seen["x-gw-group"] == "all"


def test_answers_carry_the_protective_headers(public: Gateway) -> None:
    """Pages cannot be framed or sniffed, and the server does not name itself."""
    headers = public.get("/admin/").headers

    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in headers


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/api/token/obtain", 8_192),
        ("/api/token/verify", 8_192),
        ("/api/subscriptions/subscribe", 16_384),
        ("/api/stripe-webhook/", 1_048_576),
    ],
)
def test_a_body_may_fill_its_limit_and_no_more(public: Gateway, path: str, limit: int) -> None:
    """Large bodies are refused before a service has to read them."""
    assert public.request("POST", path, content=b"x" * limit).json()["length"] == limit
    assert public.request("POST", path, content=b"x" * (limit + 1)).status_code == 413


def test_a_body_of_unknown_length_is_counted_too(public: Gateway) -> None:
    """Leaving Content-Length out is no way around the limit."""
    pieces = (b"x" * 1024 for _ in range(9))

    assert public.request("POST", "/api/token/obtain", content=pieces).status_code == 413


def test_headers_without_end_are_refused(public: Gateway) -> None:
    """A request is not allowed to be all headers."""
    answer = public.get("/api/token/me", headers={"X-Padding": "x" * 40_000})

    assert answer.status_code == 431


def test_log_ins_from_one_address_are_limited(
    start: Callable[..., Gateway], upstreams: dict[str, str]
) -> None:
    """A client that tries many names is slowed down, whatever address it claims."""
    limited = start(**upstreams, TOKEN_RPS="1", TOKEN_BURST="3")

    statuses = [
        limited.request(
            "POST", "/api/token/obtain", headers={"X-Forwarded-For": f"10.0.0.{number}"}
        ).status_code
        for number in range(20)
    ]

    assert statuses[:3] == [200, 200, 200]
    assert 429 in statuses[3:]
    assert limited.get("/.well-known/jwks.json").status_code == 200


def test_the_access_log_keeps_no_secret(public: Gateway) -> None:
    """Query strings, headers and cookies can hold tokens: the log has none of them."""
    public.get(
        "/api/token/me?token=seeded-query",
        headers={"Authorization": "JWT seeded-token", "Cookie": "sessionid=seeded-cookie"},
    )
    public.get("/nowhere?token=seeded-query")

    assert until(lambda: any(r.get("RequestPath") == "/nowhere" for r in public.records()))
    assert any(record.get("RequestPath") == "/api/token/me" for record in public.records())
    assert "seeded" not in public.log.read_text()


def test_a_request_id_can_be_followed(public: Gateway) -> None:
    """The one header that the access log keeps is the one that ties the logs together."""
    public.get("/api/token/me", headers={"X-Request-Id": "follow-me"})

    assert until(lambda: "follow-me" in public.log.read_text())


def test_a_dead_replica_is_left_out(
    start: Callable[..., Gateway], upstreams: dict[str, str]
) -> None:
    """With two replicas one may die and clients see no error, before the health check too."""
    first, second = echo("first"), echo("second")
    replicas = [f"http://127.0.0.1:{server.server_port}" for server in (first, second)]
    pair = start(**{**upstreams, "BILLING_UPSTREAMS": ", ".join(replicas)})
    served = {pair.get("/api/docs/").json()["service"] for _ in range(8)}

    first.shutdown()
    first.server_close()
    afterwards = [pair.get("/api/docs/") for _ in range(8)]
    second.shutdown()
    second.server_close()

    assert served == {"first", "second"}
    assert {answer.status_code for answer in afterwards} == {200}
    assert {answer.json()["service"] for answer in afterwards} == {"second"}


def test_a_service_that_comes_back_is_used_again(
    start: Callable[..., Gateway], upstreams: dict[str, str]
) -> None:
    """A restart of billing needs no restart of the gateway."""
    port = free_port()
    running = start(**{**upstreams, "BILLING_UPSTREAMS": f"http://127.0.0.1:{port}"})
    before = running.get("/api/docs/").status_code

    server = echo("back", port=port)
    after = _until_200(running)
    server.shutdown()
    server.server_close()

    assert before in (502, 503)
    assert after == 200


def test_a_slow_sender_is_cut_off_and_no_other_client_waits(
    start: Callable[..., Gateway], upstreams: dict[str, str], tmp_path: Path
) -> None:
    """Connections that never finish a request block no other client, and are closed in time."""
    original = Path(__file__).parents[1]
    static = (original / "traefik.yml").read_text()
    assert "readTimeout: 30s" in static
    (tmp_path / "traefik.yml").write_text(static.replace("readTimeout: 30s", "readTimeout: 2s"))
    (tmp_path / "dynamic").symlink_to(original / "dynamic")
    gateway = start(tmp_path, **upstreams)
    address = urlsplit(gateway.url)
    slow = []
    for _ in range(50):
        connection = socket.create_connection((address.hostname or "", address.port or 0))
        connection.settimeout(60)
        connection.sendall(b"POST /api/token/obtain HTTP/1.1\r\nHost: x\r\nContent-Le")
        slow.append(connection)

    meanwhile = gateway.get("/api/token/me").status_code
    ends = {_until_closed(connection)[:12] for connection in slow}

    assert meanwhile == 200
    assert ends == {b"HTTP/1.1 400"}


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/static/admin/css/base.css", "billing"),
        ("/api/token/docs/assets/swagger-ui-bundle.js", "auth"),
        ("/api/token/openapi.json", "auth"),
    ],
)
def test_pages_are_compressed(public: Gateway, path: str, service: str) -> None:
    """Swagger's script is a megabyte and a half; it travels compressed."""
    answer = public.get(
        path,
        headers={"Accept-Encoding": "gzip", "X-Padding": "x" * 4_000},
    )

    assert answer.headers["Content-Encoding"] == "gzip"
    assert json.loads(answer.text)["service"] == service


def _until_200(gateway: Gateway) -> int:
    status = 0
    for _ in range(600):
        status = gateway.get("/api/docs/").status_code
        if status == 200:
            break
        time.sleep(0.1)
    return status


def _until_closed(connection: socket.socket) -> bytes:
    """What the other side says before it closes."""
    with connection:
        return b"".join(iter(lambda: connection.recv(1024), b""))
