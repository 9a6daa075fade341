"""An authenticator app, written from RFC 6238 and not with the library that auth-service uses."""

import base64
import hashlib
import hmac
import struct
import time
from dataclasses import dataclass, field

from e2e.people import PASSWORD, Person

STEP_SECONDS = 30
# So that a request arrives in the step for which its code was computed.
_MARGIN_SECONDS = 8


@dataclass
class Authenticator:
    """The app of one user.

    Three codes are accepted at any time: of the last step, this one and the next. Each is accepted
    once and none after a later one, so three log-ins in a row need no waiting.
    """

    secret: str
    recovery_codes: list[str] = field(default_factory=list)

    def code(self, step: int = 0) -> str:
        """The code of a step: -1 is the last one, 0 this one, 1 the next."""
        return _code(self.secret, int(time.time()) // STEP_SECONDS + step)


def wait_for_a_fresh_step() -> None:
    """Wait until enough of the present step is left for several requests."""
    left = STEP_SECONDS - time.time() % STEP_SECONDS
    if left < _MARGIN_SECONDS:
        time.sleep(left)


def enrol(person: Person) -> Authenticator:
    """Set up a second factor through the gateway; uses the code of the last step."""
    wait_for_a_fresh_step()
    started = person.post("/api/token/second-factor/enrol", {"current_password": PASSWORD})
    assert started.status_code == 200, started.text
    app = Authenticator(started.json()["secret"])
    confirmed = person.post("/api/token/second-factor/confirm", {"code": app.code(-1)})
    assert confirmed.status_code == 200, confirmed.text
    app.recovery_codes = confirmed.json()["recovery_codes"]
    return app


def _code(secret: str, step: int) -> str:
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1)
    start = digest[-1] & 15
    (number,) = struct.unpack(">I", digest[start : start + 4])
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06}"
