"""Every call of the OpenAPI documents, sent by Schemathesis as described and not as described.

No answer is a 5xx, and none has a status, a media type, a header or a body that is not in the
document.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.people import Person
from e2e.system import RunningSystem

TOKENS, BILLING, INTERNAL = "/api/token/openapi.json", "/api/schema/", "/internal/openapi.json"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
# What would end the session that the other calls are sent with. The webhook takes Stripe's bodies.
LEFT_OUT = ("revokeAllTokens", "endOtherSessions", "receiveWebhook")
PROGRAM = Path(sys.executable).with_name("st")
EXAMPLES = 20


@pytest.mark.parametrize("document", [TOKENS, BILLING])
def test_a_stranger_gets_described_answers(running: RunningSystem, document: str) -> None:
    """Without a token."""
    run(running.url, document)


@pytest.mark.parametrize("document", [TOKENS, BILLING])
def test_a_user_gets_described_answers(
    running: RunningSystem, new_person: Callable[..., Person], document: str
) -> None:
    """With the token of a user who has a subscription."""
    person = new_person()
    assert person.subscribe().status_code == 200

    run(running.url, document, access=person.access)


def test_another_service_gets_described_answers(running: RunningSystem) -> None:
    """The internal API, as billing-service calls it."""
    run(running.auth_url, INTERNAL, access=running.service_token())


def run(url: str, document: str, *, access: str | None = None) -> None:
    """Send what Schemathesis makes of a document, and fail with its report.

    Args:
        url: Where the calls go.
        document: The path of the OpenAPI document.
        access: The access token, if one is sent.
    """
    argv = [str(PROGRAM), "run", f"{url}{document}", "--url", url, "--checks", ",".join(CHECKS)]
    argv += ["--max-examples", str(EXAMPLES), "--seed", "1", "--continue-on-failure"]
    argv += ["--warnings", "off"]
    argv += [part for name in LEFT_OUT for part in ("--exclude-operation-id", name)]
    argv += ["--header", f"Authorization: Bearer {access}"] if access else []

    # It writes what it has learnt into its working directory.
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout[-20_000:] + result.stderr[-2_000:]
