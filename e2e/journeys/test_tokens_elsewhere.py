"""Our tokens, verified by JWT libraries that we do not use ourselves."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet

from dev.config.settings import ROOT
from dev.programs.node import npm_install, program
from e2e.people import Person
from e2e.system import RunningSystem

VERIFY_WITH_JOSE = """
import { createRemoteJWKSet, jwtVerify } from "jose";
const [jwksUrl, token, issuer, audience] = process.argv.slice(2);
const keys = createRemoteJWKSet(new URL(jwksUrl));
const options = { issuer, audience, algorithms: ["RS256"], typ: "at+jwt" };
const { payload, protectedHeader } = await jwtVerify(token, keys, options);
console.log(JSON.stringify({ payload, protectedHeader }));
"""


def key_set(running: RunningSystem) -> KeySet:
    """The published keys, read by joserfc."""
    return KeySet.import_key_set(running.client.get(f"{running.url}/.well-known/jwks.json").json())


def test_every_published_key_is_named_by_its_thumbprint(running: RunningSystem) -> None:
    """Another library computes the same kid from the key (RFC 7638)."""
    keys = key_set(running).keys

    assert len(keys) >= 1
    assert all(key.kid == key.thumbprint() for key in keys)
    assert all(key.key_type == "RSA" and not key.is_private for key in keys)


def test_joserfc_verifies_our_tokens(running: RunningSystem, person: Person) -> None:
    """A third service in Python needs the key set and nothing else from us."""
    token = jwt.decode(person.access, key_set(running), algorithms=["RS256"])
    registry = jwt.JWTClaimsRegistry(
        now=int(time.time()),
        iss={"essential": True, "value": running.url},
        aud={"essential": True, "value": "billing-service"},
        sub={"essential": True, "value": person.id},
        exp={"essential": True},
    )

    registry.validate(token.claims)

    assert token.header["typ"] == "at+jwt"
    assert token.claims["token_type"] == "access"
    assert token.claims["app_name"] == "Stripe Assignment"


def test_joserfc_refuses_a_token_that_was_changed(running: RunningSystem, person: Person) -> None:
    """The check above really looks at the signature."""
    head, body, signature = person.access.split(".")
    forged = f"{head}.{body}.{signature[:-8]}{'A' * 8}"

    with pytest.raises(BadSignatureError):
        jwt.decode(forged, key_set(running), algorithms=["RS256"])


@pytest.fixture(scope="module")
def jose_dir() -> Path:
    """A folder in which Node finds the package `jose`."""
    return npm_install(ROOT / ".state" / "node" / "jose", "jose@6")


def verify_with_jose(
    jose_dir: Path, running: RunningSystem, token: str, audience: str
) -> subprocess.CompletedProcess[str]:
    """Verify a token in Node, with the key set fetched through the gateway."""
    script = jose_dir / "verify.mjs"
    script.write_text(VERIFY_WITH_JOSE)
    jwks = f"{running.url}/.well-known/jwks.json"
    return subprocess.run(
        [program(), str(script), jwks, token, running.url, audience],
        cwd=jose_dir,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


def test_node_verifies_our_tokens(jose_dir: Path, running: RunningSystem, person: Person) -> None:
    """A third service in JavaScript verifies with a remote key set in five lines."""
    result = verify_with_jose(jose_dir, running, person.access, "billing-service")

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["payload"]["sub"] == person.id


def test_node_refuses_what_is_not_meant_for_it(
    jose_dir: Path, running: RunningSystem, person: Person
) -> None:
    """A foreign audience and a refresh token are refused there too."""
    foreign = verify_with_jose(jose_dir, running, person.access, "another-service")
    refresh = verify_with_jose(jose_dir, running, person.refresh, "billing-service")

    assert "ERR_JWT_CLAIM_VALIDATION_FAILED" in foreign.stderr
    assert "ERR_JWT_CLAIM_VALIDATION_FAILED" in refresh.stderr
