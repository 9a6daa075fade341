"""Talks to auth-service's internal users API; the only module that does."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any, cast
from uuid import UUID

import requests
from django.conf import settings

from errors import BillingError, Unavailable
from identity.request_id import current_request_id
from users.login_steps import SecondFactorRequired

CLIENT_ID = "billing-service"
TIMEOUT_SECONDS = 5.0
# A service token is renewed this long before it ends, so that it cannot end on its way.
_RENEW_EARLY_SECONDS = 10.0
_UNREADABLE = "auth-service sent a response that this service cannot read."

UserDocument = dict[str, Any]


class AuthUnavailable(Unavailable):
    """auth-service cannot be reached, or its response cannot be read."""

    code = "auth_unavailable"


class AuthRefused(BillingError):
    """auth-service refused; `reason` is its stable code.

    `errors` are its sentences by field, where it gave any.
    """

    code, status = "auth_refused", 400

    def __init__(self, detail: str, *, reason: str, errors: Mapping[str, list[str]]) -> None:
        super().__init__(detail)
        self.reason = reason
        self.errors = errors


class WrongCredentials(BillingError):
    """Unknown user, wrong password or inactive user: auth-service does not say which."""

    code, status = "invalid_credentials", 401


@dataclass(frozen=True, slots=True)
class NewSecondFactor:
    """A secret for an authenticator app, as a link and as a QR code: an SVG document."""

    secret: str
    otpauth_uri: str
    qr_code: str


@dataclass(frozen=True, slots=True)
class Actor:
    """The member of staff who acts, for auth-service's audit log."""

    user_id: UUID
    client_ip: str


@dataclass(frozen=True, slots=True)
class UserChanges:
    """One page of the feed."""

    changes: list[dict[str, Any]]
    next_after: int


class AuthClient:
    """Calls with a service token of its own, which it renews before it ends."""

    def __init__(self, base_url: str, *, client_secret: str) -> None:
        """Keep address and credentials; nothing is sent yet.

        Args:
            base_url: auth-service's internal address.
            client_secret: This service's own secret there.
        """
        self._base_url = base_url
        self._client_secret = client_secret
        self._lock = threading.Lock()
        self._service_token = ""
        self._renew_at = float("-inf")

    def obtain(self, username: str, password: str, *, client_ip: str, user_agent: str) -> str:
        """Log a user in and return the access token, unverified.

        Args:
            client_ip: Of the browser; auth-service limits attempts by it.
            user_agent: Of the browser, for the audit log and the user's list of sessions.

        Raises:
            WrongCredentials: Refused; auth-service gives no reason.
            SecondFactorRequired: With the challenge for `complete_log_in`.
            AuthRefused: Too many attempts, or malformed input.
            AuthUnavailable: It cannot be reached.
        """
        answer = self._send(
            "POST",
            "/api/token/obtain",
            # Staff stay in this service, so the token is of no use at another one.
            body={
                "username": username,
                "password": password,
                "audience": settings.BILLING.token_audience,
                # The browser's session is Django's.
                "refresh_in": "none",
            },
            headers=_browser_headers(client_ip, user_agent),
        )
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            challenge = _challenge(answer)
            if challenge:
                raise SecondFactorRequired(challenge)
            raise WrongCredentials("Unknown user or wrong password.")
        return str(_document(answer)["access"])

    def complete_log_in(
        self, challenge: str, proof: Mapping[str, str], *, client_ip: str, user_agent: str
    ) -> str:
        """Complete a log-in and return the access token, unverified.

        Args:
            proof: `code` or `recovery_code`, as typed.
            client_ip: As for `obtain`, and so is `user_agent`.

        Raises:
            AuthRefused: `challenge_not_valid`, `wrong_code`, `second_factor_locked`,
                `too_many_attempts` or `validation_error`.
            AuthUnavailable: It cannot be reached.
        """
        answer = self._send(
            "POST",
            "/api/token/second-factor",
            body={"challenge": challenge, **proof},
            headers=_browser_headers(client_ip, user_agent),
        )
        return str(_document(answer)["access"])

    def start_enrolment(self, user_id: UUID, *, actor: Actor) -> None:
        """Give a user, whose password was just checked, a new secret to confirm.

        Raises:
            AuthRefused: `second_factor_active`.
            AuthUnavailable: It cannot be reached.
        """
        self._call("POST", f"/internal/users/{user_id}/second-factor", actor=actor)

    def enrolment(self, user_id: UUID, *, actor: Actor) -> NewSecondFactor:
        """Return the secret that a user has to confirm.

        Raises:
            AuthRefused: `second_factor_active` or `enrolment_not_started`.
            AuthUnavailable: It cannot be reached.
        """
        document = self._call("GET", f"/internal/users/{user_id}/second-factor", actor=actor)
        return NewSecondFactor(
            *(str(document[name]) for name in ("secret", "otpauth_uri", "qr_code"))
        )

    def confirm_enrolment(self, user_id: UUID, code: str, *, actor: Actor) -> list[str]:
        """Activate a user's second factor and return the recovery codes.

        Raises:
            AuthRefused: `wrong_code`, `validation_error`, `second_factor_active` or
                `enrolment_not_started`.
            AuthUnavailable: Unknown whether it is active.
        """
        path = f"/internal/users/{user_id}/second-factor/confirm"
        document = self._call("POST", path, body={"code": code}, actor=actor)
        return [str(code) for code in document["recovery_codes"]]

    def reset_second_factor(self, user_id: UUID, *, actor: Actor) -> UserDocument:
        """Remove the second factor of a user who has lost it; repeating changes nothing.

        Raises:
            AuthRefused: `superuser_required` or `user_not_found`.
            AuthUnavailable: Unknown whether it was done.
        """
        return self._call("DELETE", f"/internal/users/{user_id}/second-factor", actor=actor)

    def create_user(self, fields: Mapping[str, Any], *, key: str, actor: Actor) -> UserDocument:
        """Create a user; the same idempotency key creates it once.

        Raises:
            AuthRefused: `username_taken` or `validation_error`.
            AuthUnavailable: Unknown whether it was created; repeat with the same key.
        """
        headers = {"Idempotency-Key": key}
        return self._call("POST", "/internal/users", body=fields, headers=headers, actor=actor)

    def read_user(self, user_id: UUID) -> UserDocument:
        """Return the user as auth-service knows it now.

        Raises:
            AuthRefused: `user_not_found`.
            AuthUnavailable: It cannot be reached.
        """
        return self._call("GET", f"/internal/users/{user_id}")

    def change_user(
        self, user_id: UUID, changes: Mapping[str, Any], *, version: int, actor: Actor
    ) -> UserDocument:
        """Change a user whose version is still the one given.

        Raises:
            AuthRefused: `version_conflict`, `username_taken`, `last_superuser`, `self_demotion`.
            AuthUnavailable: Unknown whether it was changed.
        """
        headers = {"If-Match": f'"{version}"'}
        path = f"/internal/users/{user_id}"
        return self._call("PATCH", path, body=changes, headers=headers, actor=actor)

    def deactivate_user(self, user_id: UUID, *, actor: Actor | None) -> UserDocument:
        """Deactivate a user; repeating changes nothing.

        Raises:
            AuthRefused: `last_superuser`, `self_demotion`, `superuser_required` or
                `user_not_found`.
            AuthUnavailable: Unknown whether it was done.
        """
        return self._call("POST", f"/internal/users/{user_id}/deactivate", body={}, actor=actor)

    def set_password(
        self, user_id: UUID, password: str, *, actor: Actor, current_password: str | None = None
    ) -> UserDocument:
        """Set a new password, which ends the user's sessions.

        Args:
            current_password: What the user typed, who changes their own password.

        Raises:
            AuthRefused: `validation_error` with sentences about the password, `wrong_password`,
                or too many attempts.
            AuthUnavailable: Unknown whether it was set.
        """
        body = {"password": password}
        if current_password is not None:
            body["current_password"] = current_password
        return self._call("POST", f"/internal/users/{user_id}/password", body=body, actor=actor)

    def delete_user(self, user_id: UUID, *, actor: Actor | None) -> None:
        """Delete a user; repeating changes nothing.

        Raises:
            AuthRefused: `last_superuser`, `self_demotion` or `superuser_required`.
            AuthUnavailable: Unknown whether it was done.
        """
        self._call("DELETE", f"/internal/users/{user_id}", actor=actor)

    def user_changes(self, *, after: int, limit: int) -> UserChanges:
        """Return the changes behind a position of the feed, oldest first.

        Raises:
            AuthUnavailable: It cannot be reached.
        """
        query = {"after": after, "limit": limit}
        page = self._call("GET", "/internal/users/changes", query=query)
        return UserChanges(list(page["changes"]), int(page["next_after"]))

    def audit_log(
        self, *, filters: Mapping[str, str], before: str, limit: int, actor: Actor
    ) -> dict[str, Any]:
        """Return a page of auth-service's audit log, newest first.

        Raises:
            AuthRefused: A filter or `before` is malformed, or the actor is no superuser.
            AuthUnavailable: It cannot be reached.
        """
        given = {**filters, "before": before, "limit": str(limit)}
        query = {name: value for name, value in given.items() if value}
        return self._call("GET", "/internal/audit", query=query, actor=actor)

    def record_audit_export(self, *, kind: str, filters: Mapping[str, str], actor: Actor) -> None:
        """Write into the audit log that it is exported.

        Args:
            kind: `csv` or `jsonl`.
            filters: Those of the export.

        Raises:
            AuthRefused: The actor is no superuser.
            AuthUnavailable: Unknown whether it was recorded; do not export.
        """
        body = {"format": kind, "filters": dict(filters)}
        self._call("POST", "/internal/audit/exports", body=body, actor=actor)

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        actor: Actor | None = None,
    ) -> dict[str, Any]:
        given = {**(headers or {}), **_actor_headers(actor)}

        def send() -> requests.Response:
            return self._send(method, path, query=query, body=body, headers=given | self._bearer())

        answer = send()
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            # The key that signed the service token may have been revoked meanwhile.
            self._renew_at = float("-inf")
            answer = send()
        return _document(answer)

    def _send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> requests.Response:
        declared = {"Accept": "application/json", "X-Request-Id": current_request_id()}
        return _exchange(
            method, self._base_url + path, params=query, json=body, headers={**declared, **headers}
        )

    def _bearer(self) -> dict[str, str]:
        with self._lock:
            if time.monotonic() >= self._renew_at:
                self._renew_service_token()
            return {"Authorization": f"Bearer {self._service_token}"}

    def _renew_service_token(self) -> None:
        answer = _exchange(
            "POST",
            f"{self._base_url}/internal/token",
            data={"grant_type": "client_credentials"},
            auth=(CLIENT_ID, self._client_secret),
        )
        if answer.status_code != HTTPStatus.OK:
            # Not a refusal of what the caller asked, but of ourselves: an operator must look.
            raise AuthUnavailable("auth-service refused this service's own credentials.")
        document = _document(answer)
        self._service_token = str(document["access_token"])
        lifetime = float(document["expires_in"])
        self._renew_at = time.monotonic() + max(0.0, lifetime - _RENEW_EARLY_SECONDS)


@cache
def auth_client() -> AuthClient:
    """Return this process's one client, so that its service token is shared."""
    environment = settings.BILLING
    return AuthClient(
        environment.auth_internal_url, client_secret=environment.auth_internal_client_secret
    )


def _exchange(method: str, url: str, **options: Any) -> requests.Response:
    try:
        # `trust_env` would take proxies, and credentials from ~/.netrc, from the environment.
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                method, url, timeout=TIMEOUT_SECONDS, allow_redirects=False, **options
            )
    except requests.RequestException as error:
        raise AuthUnavailable("auth-service cannot be reached right now.") from error
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise AuthUnavailable("auth-service is temporarily unavailable.")
    return answer


def _challenge(answer: requests.Response) -> str:
    try:
        document = answer.json()
    except ValueError:
        return ""
    return str(document.get("challenge") or "") if isinstance(document, dict) else ""


def _document(answer: requests.Response) -> dict[str, Any]:
    if answer.status_code == HTTPStatus.NO_CONTENT:
        return {}
    try:
        document = answer.json()
    except ValueError as error:
        raise AuthUnavailable(_UNREADABLE) from error
    if not isinstance(document, dict):
        raise AuthUnavailable(_UNREADABLE)
    if answer.status_code >= HTTPStatus.BAD_REQUEST:
        raise AuthRefused(
            str(document.get("detail", "auth-service refused.")),
            reason=str(document.get("code", "unknown")),
            errors=cast(dict[str, list[str]], document.get("errors") or {}),
        )
    return document


def _browser_headers(client_ip: str, user_agent: str) -> dict[str, str]:
    return {"X-Forwarded-For": client_ip, "User-Agent": user_agent.strip()}


def _actor_headers(actor: Actor | None) -> dict[str, str]:
    if actor is None:
        return {}
    return {"X-Actor-Id": str(actor.user_id), "X-Actor-Source": actor.client_ip}
