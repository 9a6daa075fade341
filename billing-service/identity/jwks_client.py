"""Fetches auth-service's JWK set from its one fixed internal address."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from urllib3.exceptions import HTTPError

from identity.key_set import MAXIMUM_BYTES, BadKeySet, parse_key_set

FETCH_TIMEOUT_SECONDS = 2.0


class FetchFailed(Exception):
    """auth-service did not answer, or not with an acceptable key set."""


@dataclass(frozen=True, slots=True)
class FetchedKeySet:
    """A key set that is newer than the one the caller has."""

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
        # `trust_env` would take a proxy, and credentials for it, from environment variables.
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(
                url,
                headers=headers,
                timeout=FETCH_TIMEOUT_SECONDS,
                allow_redirects=False,
                stream=True,
            )
            document = answer.raw.read(MAXIMUM_BYTES + 1, decode_content=True)
    except (requests.RequestException, HTTPError, OSError) as error:
        raise FetchFailed(type(error).__name__) from error
    if etag and answer.status_code == HTTPStatus.NOT_MODIFIED:
        return None
    if answer.status_code != HTTPStatus.OK:
        raise FetchFailed(f"status {answer.status_code}")
    try:
        keys = parse_key_set(document)
    except BadKeySet as error:
        raise FetchFailed(str(error)) from error
    return FetchedKeySet(document, keys, answer.headers.get("ETag"))
