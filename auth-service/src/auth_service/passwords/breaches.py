"""Asks a breach list whether a password is known, without telling it the password.

The range API of Have I Been Pwned: the request names the first five characters of the password's
SHA-1 hash, and the answer lists the rest of every known hash that starts with them.
"""

import asyncio
import hashlib
import logging
import ssl
from enum import StrEnum
from functools import cache

import httpx

from auth_service.passwords.normalization import normalize

_TIMEOUT_SECONDS = 1.0
_PREFIX_LENGTH = 5

logger = logging.getLogger(__name__)


class Lookup(StrEnum):
    """What the list says about a password."""

    LISTED = "listed"
    NOT_LISTED = "not_listed"
    FAILED = "failed"


async def look_up(password: str, *, url: str) -> Lookup:
    """Look a password up; if the list does not answer within a second, it is not listed.

    Args:
        password: As typed.
        url: Of the range API; the first characters of the hash are added to it.
    """
    digest = hashlib.sha1(normalize(password).encode(), usedforsecurity=False).hexdigest().upper()
    prefix, rest = digest[:_PREFIX_LENGTH], digest[_PREFIX_LENGTH:]
    try:
        async with httpx.AsyncClient(verify=_tls()) as client, asyncio.timeout(_TIMEOUT_SECONDS):
            # Padding hides from an observer of sizes which prefix was asked for.
            answer = await client.get(f"{url}/{prefix}", headers={"Add-Padding": "true"})
            answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        logger.warning("the breach list did not answer: %s", type(error).__name__)
        return Lookup.FAILED
    return Lookup.LISTED if rest in _listed(answer.text) else Lookup.NOT_LISTED


@cache
def _tls() -> ssl.SSLContext:
    # Reading the certificates takes a fifth of a second.
    return httpx.create_ssl_context()


def _listed(body: str) -> set[str]:
    lines = (line.strip().partition(":") for line in body.splitlines())
    # Lines of padding have a count of zero.
    return {rest.upper() for rest, _, count in lines if count != "0"}
