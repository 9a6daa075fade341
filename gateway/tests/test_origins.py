"""Which pages of other origins may call the APIs from a browser."""

from collections.abc import Callable

import pytest

from e2e.waiting import until
from gateway.tests.stand_in import Gateway

LISTED, OTHER = "https://app.example.com", "https://evil.example.com"
CORS_HEADERS = "access-control-"


@pytest.fixture(scope="session")
def listing(start: Callable[..., Gateway], upstreams: dict[str, str]) -> Gateway:
    """A gateway that knows two origins, and limits log-ins to one at a time."""
    limits = {"TOKEN_RPS": "1", "TOKEN_BURST": "1"}
    origins = f"{LISTED}, http://localhost:3000"
    return start(**upstreams, **limits, ALLOWED_ORIGINS=origins)


def preflight(gateway: Gateway, path: str, origin: str) -> dict[str, str]:
    """What a browser learns before it sends a request of another origin."""
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    answer = gateway.request("OPTIONS", path, headers=asked)
    return {name: value for name, value in answer.headers.items() if name.startswith(CORS_HEADERS)}


@pytest.mark.parametrize("origin", [LISTED, "http://localhost:3000"])
@pytest.mark.parametrize("path", ["/api/token/verify", "/api/subscriptions/subscribe"])
def test_a_listed_origin_may_call(listing: Gateway, origin: str, path: str) -> None:
    """With credentials, and with the headers that the APIs take and give."""
    allowed = preflight(listing, path, origin)
    answer = listing.request("POST", path, headers={"Origin": origin})

    assert allowed["access-control-allow-origin"] == origin
    assert allowed["access-control-allow-credentials"] == "true"
    assert "POST" in allowed["access-control-allow-methods"]
    assert {"Authorization", "Content-Type"} <= set(
        allowed["access-control-allow-headers"].split(",")
    )
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
    assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize("origin", [OTHER, "null", f"{LISTED}.evil.org", "https://example.com"])
def test_another_origin_may_not(listing: Gateway, origin: str) -> None:
    """It gets no header of CORS at all, and so the browser keeps the answer from the page."""
    answer = listing.request("POST", "/api/token/verify", headers={"Origin": origin})

    assert preflight(listing, "/api/token/verify", origin) == {}
    assert [name for name in answer.headers if name.startswith(CORS_HEADERS)] == []
    assert "Origin" in answer.headers["Vary"]


def test_a_preflight_takes_no_place_of_a_log_in(listing: Gateway) -> None:
    """A browser sends one before each log-in; the limit counts log-ins."""
    allowed = [preflight(listing, "/api/token/obtain", LISTED) for _ in range(20)]

    answer = listing.request("POST", "/api/token/obtain", headers={"Origin": LISTED})

    assert all(each["access-control-allow-origin"] == LISTED for each in allowed)
    assert answer.status_code == 200


def test_a_page_can_read_the_gateways_own_refusal(listing: Gateway) -> None:
    """Otherwise the front end would see a network error instead of a 429."""
    answers = [
        listing.request("POST", "/api/token/obtain", headers={"Origin": LISTED}) for _ in range(5)
    ]

    assert 429 in [answer.status_code for answer in answers]
    assert {answer.headers["Access-Control-Allow-Origin"] for answer in answers} == {LISTED}


def test_no_page_of_another_origin_reads_the_admin(listing: Gateway) -> None:
    """The list is for the APIs."""
    answer = listing.get("/admin/", headers={"Origin": LISTED})

    assert [name for name in answer.headers if name.startswith(CORS_HEADERS)] == []


def test_without_a_list_there_is_no_such_header(public: Gateway) -> None:
    """The default is none, and preflight requests go to the service like any other."""
    answer = public.request("POST", "/api/token/verify", headers={"Origin": LISTED})

    assert preflight(public, "/api/token/verify", LISTED) == {}
    assert [name for name in answer.headers if name.startswith(CORS_HEADERS)] == []


@pytest.mark.parametrize("origins", ["*", "https://app.example.com/", "app.example.com", "null"])
def test_what_is_not_an_origin_is_refused(
    start: Callable[..., Gateway], upstreams: dict[str, str], origins: str
) -> None:
    """With credentials `*` would be every origin. The log says which value is wrong."""
    refusing = start(**upstreams, ALLOWED_ORIGINS=origins, wait=False)

    complaint = f'ALLOWED_ORIGINS: \\"{origins}\\" is not an origin'
    assert until(lambda: complaint in refusing.log.read_text())
    assert refusing.get("/api/token/me").status_code == 404
