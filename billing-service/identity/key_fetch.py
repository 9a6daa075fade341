"""Fetches auth-service's JWK set from its one fixed internal address."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from identity.http_call import Unreachable, send
from identity.key_set import MAXIMUM_BYTES, BadKeySet, parse_key_set

FETCH_TIMEOUT_SECONDS = 2.0


class FetchFailed(Exception):
    """The key set could not be had, or what came is no good."""


@dataclass(frozen=True, slots=True)
class FetchedKeySet:
    """A good answer."""

    document: bytes
    keys: Mapping[str, RSAPublicKey]
    etag: str | None


def fetch_key_set(url: str, *, etag: str | None) -> FetchedKeySet | None:
    """Ask for the key set; None says that ours, known by its ETag, is still the current one.

    Args:
        url: The fixed internal address; never one that a token names (RFC 8725 section 3.10).
        etag: Of the set we hold, or None.

    Raises:
        FetchFailed: No answer, an unexpected one, or a set without an acceptable key.
    """
    headers = {"Accept": "application/json"} | ({"If-None-Match": etag} if etag else {})
    try:
        answer = send(
            "GET",
            url,
            headers=headers,
            timeout_seconds=FETCH_TIMEOUT_SECONDS,
            maximum_bytes=MAXIMUM_BYTES,
        )
        if etag and answer.status == HTTPStatus.NOT_MODIFIED:
            return None
        if answer.status != HTTPStatus.OK:
            raise FetchFailed(f"status {answer.status}")
        return FetchedKeySet(answer.body, parse_key_set(answer.body), answer.headers.get("ETag"))
    except (Unreachable, BadKeySet) as error:
        raise FetchFailed(str(error)) from error
