"""Running `stripe listen` processes, and the events each has yet to acknowledge."""

import asyncio
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from stripe_sandbox.objects.common import Json

# The CLI renews its socket now and then under the same id. What happens in
# between is kept this long for it, and no longer: it may be gone for good.
PATIENCE_SECONDS = 60.0


@dataclass
class Session:
    """One `stripe listen`: what it signs with, and what it has not acknowledged."""

    secret: str
    id: str = field(default_factory=lambda: f"cliws_{secrets.token_hex(12)}")
    sockets: int = 0
    seen: float = field(default_factory=time.monotonic)
    unacknowledged: dict[str, Json] = field(default_factory=dict)
    outbox: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    def listens(self) -> bool:
        """Whether a CLI is there, or may come back."""
        return self.sockets > 0 or time.monotonic() - self.seen < PATIENCE_SECONDS

    def push(self, event: Json) -> None:
        """Have an event forwarded, now or when the socket is back."""
        conversation = f"wc_{secrets.token_hex(12)}"
        self.unacknowledged[conversation] = event
        self.outbox.put_nowait(conversation)

    def acknowledge(self, conversation: str) -> None:
        """Forget an event that the CLI has."""
        self.unacknowledged.pop(conversation, None)

    def connect(self) -> asyncio.Queue[str]:
        """A new outbox that begins with what an earlier socket did not bring through."""
        self.sockets += 1
        self.outbox = asyncio.Queue()
        for conversation in self.unacknowledged:
            self.outbox.put_nowait(conversation)
        return self.outbox

    def disconnect(self) -> None:
        """Start to wait for the CLI's next socket."""
        self.sockets -= 1
        self.seen = time.monotonic()


class Sessions:
    """The sessions by their socket ids; they live as long as the process."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return sum(session.sockets > 0 for session in self._sessions.values())

    def start(self, *, secret: str) -> Session:
        """A session whose socket has yet to connect."""
        session = Session(secret)
        self._sessions[session.id] = session
        return session

    def get(self, identifier: str) -> Session | None:
        """The session with this socket id."""
        return self._sessions.get(identifier)

    def push(self, events: Iterable[Json]) -> None:
        """Have every listening CLI forward these events."""
        self._sessions = {i: s for i, s in self._sessions.items() if s.listens()}
        for event in events:
            for session in self._sessions.values():
                session.push(event)
