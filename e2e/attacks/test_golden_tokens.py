"""Golden tokens and attacks against both services, past the gateway and through it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest

from e2e.attacks.forge import Forge, SigningKey, header_of
from e2e.attacks.tokens import GOOD, HOSTILE, OVERSIZE, Make
from e2e.people import PASSWORD, Person, claims
from e2e.system import RunningSystem

Ask = Callable[[str], httpx.Response]
ENDPOINTS = ("verify", "me", "billing")
# What is wrong with an access token is right for a refresh token.
GOOD_FOR_REFRESH = {"typ of a refresh token", "token_type refresh"}


@dataclass(frozen=True)
class Target:
    """Everything that looks at an access token, under one set of addresses."""

    auth: str
    billing: str
    client: httpx.Client

    def answers(self, token: str) -> dict[str, httpx.Response]:
        """Show a token to each of them."""
        return {
            "verify": self.client.post(f"{self.auth}/api/token/verify", json={"token": token}),
            "me": self._with_header(f"{self.auth}/api/token/me", f"Bearer {token}"),
            "billing": self._with_header(
                f"{self.billing}/api/subscriptions/status", f"JWT {token}"
            ),
        }

    def statuses(self, token: str) -> dict[str, int]:
        """The same, statuses alone."""
        return {name: answer.status_code for name, answer in self.answers(token).items()}

    def refresh(self, token: str) -> httpx.Response:
        """Offer a token as a refresh token."""
        return self.client.post(f"{self.auth}/api/token/refresh", json={"refresh": token})

    def _with_header(self, url: str, authorization: str) -> httpx.Response:
        return self.client.get(url, headers={"Authorization": authorization})


@pytest.fixture(scope="module", params=["directly", "through the gateway"])
def target(running: RunningSystem, request: pytest.FixtureRequest) -> Target:
    """The services refuse by themselves, and the gateway does not spoil it."""
    if request.param == "directly":
        return Target(running.auth_url, running.billing_url, running.client)
    return Target(running.url, running.url, running.client)


@pytest.fixture(scope="module")
def owner(running: RunningSystem) -> Iterator[Person]:
    """A user without a subscription, whose tokens are imitated."""
    person = running.new_person()
    yield person
    person.client.close()


@pytest.fixture(scope="module")
def service_token(running: RunningSystem) -> str:
    """What billing-service uses for the internal API."""
    answer = running.client.post(
        f"{running.auth_url}/internal/token",
        auth=("billing-service", running.settings.values["AUTH_INTERNAL_CLIENT_SECRET"]),
        data={"grant_type": "client_credentials"},
    )
    token: str = answer.json()["access_token"]
    return token


@pytest.fixture(scope="module")
def forge(running: RunningSystem, owner: Person) -> Forge:
    """Signs with the system's own key, so that a claim is refused for itself alone."""
    kid = header_of(owner.access)["kid"]
    return Forge(
        SigningKey.from_pem(running.settings.keys_dir / f"{kid}.pem"), claims(owner.access)
    )


def test_the_list_is_long_enough_to_mean_something() -> None:
    """An accident that empties the list would let everything pass."""
    assert len(GOOD) + len(HOSTILE) + len(OVERSIZE) > 100


@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD)
def test_a_good_token_is_accepted_everywhere(make: Make, forge: Forge, target: Target) -> None:
    """Refusing everything would pass the rest of this file."""
    answers = target.answers(make(forge))

    assert [answers[name].status_code for name in ENDPOINTS] == [200, 200, 404]
    assert answers["billing"].json()["code"] == "no_subscription"


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_token_is_refused_everywhere(make: Make, forge: Forge, target: Target) -> None:
    """401 with a challenge and a stable code; nothing the sender can learn more from."""
    for name, answer in target.answers(make(forge)).items():
        assert answer.status_code == 401, (name, answer.text)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer "), name
        assert {"detail", "code"} <= answer.json().keys(), name


@pytest.mark.parametrize(
    ("service", "statuses"),
    [
        ("auth-service", {"verify": 200, "me": 200, "billing": 401}),
        ("billing-service", {"verify": 200, "me": 401, "billing": 404}),
    ],
)
def test_a_token_for_one_service_is_of_no_use_at_the_other(
    owner: Person, target: Target, service: str, statuses: dict[str, int]
) -> None:
    """A service that is taken over cannot use its callers' tokens elsewhere, nor widen them."""
    obtained = target.client.post(
        f"{target.auth}/api/token/obtain",
        json={"username": owner.username, "password": PASSWORD, "audience": service},
    ).json()

    answers = target.answers(obtained["access"])
    assert {name: answer.status_code for name, answer in answers.items()} == statuses
    refused = next(answer for answer in answers.values() if answer.status_code == 401)
    assert refused.json()["code"] == "token_not_valid"

    widened = target.client.post(
        f"{target.auth}/api/token/refresh",
        json={"refresh": obtained["refresh"], "audience": ["auth-service", "billing-service"]},
    )
    assert (widened.status_code, widened.json()["code"]) == (400, "invalid_audience")


@pytest.mark.parametrize("make", OVERSIZE.values(), ids=OVERSIZE)
def test_an_oversized_token_is_refused_before_it_is_parsed(
    make: Make, forge: Forge, target: Target
) -> None:
    """As a token, as a body or as a header line, but never with an error of ours."""
    assert set(target.statuses(make(forge)).values()) <= {400, 401, 413, 431}


def test_a_refresh_token_is_no_access_token(target: Target, owner: Person) -> None:
    """It is good, so `verify` says so, but it opens nothing."""
    assert target.statuses(owner.refresh) == {"verify": 200, "me": 401, "billing": 401}


def test_a_service_token_is_no_access_token(target: Target, service_token: str) -> None:
    """What leaks from inside is worth nothing outside."""
    assert target.statuses(service_token) == dict.fromkeys(ENDPOINTS, 401)


def test_an_access_token_opens_no_internal_endpoint(running: RunningSystem, owner: Person) -> None:
    """Past the gateway, a caller still needs a service's own token."""
    answer = running.client.get(
        f"{running.auth_url}/internal/users", headers={"Authorization": f"Bearer {owner.access}"}
    )

    assert answer.status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="an access token"),
        pytest.param({"token_type": "refresh"}, id="an access token that says refresh"),
        pytest.param(
            {
                "token_type": "refresh",
                "aud": ["auth-service"],
                "family": "11111111-2222-4333-8444-555555555555",
            },
            id="a refresh token of no family",
        ),
        pytest.param(
            {"token_type": "refresh", "aud": ["auth-service"], "family": "../x"},
            id="a refresh token of a family that is no UUID",
        ),
    ],
)
@pytest.mark.parametrize("typ", ["at+jwt", "JWT"])
def test_a_forged_refresh_token_refreshes_nothing(
    changes: dict[str, object], typ: str, forge: Forge, target: Target
) -> None:
    """Even the real signature is not enough: the family must exist and be waiting for it."""
    answer = target.refresh(forge.token(changes, header={"typ": typ}))

    assert answer.status_code == 401, answer.text


def test_hostile_refresh_tokens_neither_refresh_nor_end_a_session(
    running: RunningSystem, forge: Forge
) -> None:
    """The same attacks on the refresh endpoint, and the victim does not even notice."""
    victim = running.new_person()
    refresh_claims = claims(victim.refresh)
    imitation = Forge(forge.key, refresh_claims, typ="JWT", jti=refresh_claims["jti"])
    target = Target(running.auth_url, running.billing_url, running.client)
    hostile = {name: make for name, make in HOSTILE.items() if name not in GOOD_FOR_REFRESH}

    statuses = {name: target.refresh(make(imitation)).status_code for name, make in hostile.items()}

    assert statuses == dict.fromkeys(hostile, 401)
    assert target.refresh(victim.refresh).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "JWT",
        "Basic YWRtaW46cXdlcXdlcXdFMQ==",
        "Token {}",
        "Bearer{}",
        "{}",
    ],
)
def test_a_good_token_under_a_wrong_scheme_is_refused(
    authorization: str, forge: Forge, target: Target
) -> None:
    """Only `JWT` and `Bearer`, in any case, introduce a token."""
    line = {"Authorization": authorization.format(forge.token())}
    urls = (f"{target.auth}/api/token/me", f"{target.billing}/api/subscriptions/status")

    answers = [target.client.get(url, headers=line) for url in urls]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert all("WWW-Authenticate" in answer.headers for answer in answers)


@pytest.mark.parametrize("scheme", ["JWT", "jwt", "Bearer", "bearer", "BEARER"])
def test_both_schemes_are_read_in_any_case(scheme: str, forge: Forge, target: Target) -> None:
    """The original's clients send `JWT`, all others `Bearer` (RFC 9110 §11.1)."""
    line = {"Authorization": f"{scheme} {forge.token()}"}
    urls = (f"{target.auth}/api/token/me", f"{target.billing}/api/subscriptions/status")

    assert [target.client.get(url, headers=line).status_code for url in urls] == [200, 404]
