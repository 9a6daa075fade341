"""The sandbox's settings, read once at start."""

from dataclasses import dataclass
from pathlib import Path


class BadSetting(Exception):
    """A setting the sandbox cannot start with; the message names it."""


@dataclass(frozen=True)
class Settings:
    """What the command line and the environment decide.

    Attributes:
        public_url: Base of hosted pages, without a trailing slash.
        account_name: The merchant, on hosted pages and invoices.
        data: SQLite file, or None to keep everything in memory.
        seed_file: JSON file whose objects are made at start if they are missing.
        deterministic: Whether equal requests get equal ids.
        fixed_time: Instant at which the clock stands, in seconds since the epoch.
        live: Whether a new data file's account is in live mode; a file keeps its mode.
        after_last_retry: What happens to a subscription whose renewal is not paid at the last
            retry: `cancel`, `unpaid` or `past_due`.
        strict: Whether a response that does not fit the SDK's classes is a 500.
        retry_speed: How many times faster than Stripe webhooks are retried.
        permissions: What keys that begin with `rk_` may do, such as
            `customer_write`; None for everything.
        listen_secret: What `stripe listen` signs with; None for one per API key and device.
    """

    public_url: str = "http://localhost:12111"
    account_name: str = "Stripe sandbox"
    data: Path | None = None
    seed_file: Path | None = None
    deterministic: bool = False
    fixed_time: int | None = None
    live: bool = False
    after_last_retry: str = "cancel"
    strict: bool = False
    retry_speed: float = 60.0
    listen_secret: str | None = None
    permissions: frozenset[str] | None = None
