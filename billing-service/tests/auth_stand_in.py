"""A real HTTP server in auth-service's place, as far as billing calls it."""

import base64
import hashlib
import json
import re
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.signing import SigningKey, signing_key

Body = dict[str, Any]
CREATED_AT = "2026-01-02T03:04:05Z"
RIGHT_CODE = "123456"


class Refusal(Exception):
    """An answer in the common error shape."""

    def __init__(self, status: int, code: str, **members: Any) -> None:
        super().__init__(code)
        self.status = status
        self.body = {"detail": f"Refused: {code}.", "code": code, **members}


@dataclass
class AuthStandIn:
    """Its state; tests read and change it directly."""

    client_secret: str
    key: SigningKey = field(default_factory=signing_key)
    published: list[SigningKey] = field(default_factory=lambda: [signing_key()])
    users: dict[str, Body] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    changes: list[tuple[str, bool]] = field(default_factory=list)
    idempotent: dict[str, Body] = field(default_factory=dict)
    challenges: dict[str, str] = field(default_factory=dict)
    audit: list[Body] = field(default_factory=list)
    audit_reads: int = 0
    audit_fails_at: int = 0
    exports: list[Body] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    away: bool = False
    loses_answers: bool = False
    refuse_next: Refusal | None = None
    jwks_document: bytes | None = None
    jwks_gate: threading.Event = field(default_factory=threading.Event)

    def reset(self) -> None:
        """Forget everything, and come back."""
        fresh = AuthStandIn(client_secret=self.client_secret)
        fresh.jwks_gate.set()
        self.__dict__.update(fresh.__dict__)

    def count(self, method: str, path: str) -> int:
        """Return how many requests of this kind arrived."""
        return sum(1 for seen in self.requests if seen[:2] == (method, path))

    def add_user(self, username: str, *, password: str = "", **members: Any) -> uuid.UUID:
        """Make a user as auth-service's own command line would."""
        user_id = str(uuid.uuid4())
        self.users[user_id] = {
            "id": user_id,
            "username": username,
            "email": "",
            "is_active": True,
            "is_staff": False,
            "is_superuser": False,
            "auth_epoch": 1,
            "version": 1,
            "created_at": CREATED_AT,
            "updated_at": CREATED_AT,
            "last_login_at": None,
            **members,
        }
        self.passwords[user_id] = password
        self.changes.append((user_id, False))
        return uuid.UUID(user_id)

    def change_user(self, user_id: uuid.UUID | str, **members: Any) -> Body:
        """Change a user and tell the feed."""
        user = self.users[str(user_id)]
        user.update(members, version=user["version"] + 1)
        self.changes.append((str(user_id), False))
        return user

    def access_token(self, user_id: uuid.UUID | str, **claims: Any) -> str:
        """Issue what `/api/token/obtain` would."""
        user = self.users[str(user_id)]
        flags = {name: True for name in ("is_staff", "is_superuser") if user[name]}
        epoch = {"auth_epoch": user["auth_epoch"]}
        return self.key.access_token(uuid.UUID(user["id"]), **epoch, **flags, **claims)

    def jwks(self) -> bytes:
        """Return the published key set."""
        document = {"keys": [key.jwk for key in self.published]}
        return self.jwks_document or json.dumps(document).encode()


def serve(state: AuthStandIn, *, port: int) -> ThreadingHTTPServer:
    """Serve it in a thread of its own."""

    class Handler(_Handler):
        stand_in = state

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    stand_in: AuthStandIn

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Say nothing."""

    def _handle(self) -> None:
        path = urlsplit(self.path).path
        self.stand_in.requests.append((self.command, path, dict(self.headers)))
        if self.stand_in.away:
            self.close_connection = True
            return
        if path == "/moved":
            self._answer(302, b"", Location="/.well-known/jwks.json")
            return
        if path == "/.well-known/jwks.json":
            self.stand_in.jwks_gate.wait(10)
            self._answer_jwks()
            return
        try:
            status, body = self._routed(path)
        except Refusal as refusal:
            status, body = refusal.status, refusal.body
        if self.stand_in.loses_answers:
            self.close_connection = True
            return
        self._answer(status, json.dumps(body).encode())

    do_GET = do_POST = do_PATCH = do_DELETE = _handle  # noqa: N815 - http.server names them

    def _answer(self, status: int, content: bytes, **headers: str) -> None:
        with suppress(OSError):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def _answer_jwks(self) -> None:
        document = self.stand_in.jwks()
        etag = f'"{hashlib.sha256(document).hexdigest()[:16]}"'
        if self.headers.get("If-None-Match") == etag:
            self._answer(304, b"", ETag=etag)
        else:
            self._answer(200, document, ETag=etag)

    def _routed(self, path: str) -> tuple[int, Body]:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.stand_in.refuse_next is not None:
            refusal, self.stand_in.refuse_next = self.stand_in.refuse_next, None
            raise refusal
        if path == "/internal/token":
            return self._service_token(content)
        body: Body = json.loads(content) if content else {}
        if path == "/api/token/obtain":
            return self._obtain(body)
        if path == "/api/token/second-factor":
            return self._second_factor(body)
        if self.headers.get("Authorization") != "Bearer service-token":
            raise Refusal(401, "invalid_token")
        for method, pattern, handle in _ROUTES:
            match = re.fullmatch(pattern, path)
            if method == self.command and match:
                return handle(self, body, *match.groups())
        raise Refusal(404, "not_found")

    def _service_token(self, content: bytes) -> tuple[int, Body]:
        pair = f"billing-service:{self.stand_in.client_secret}".encode()
        if self.headers.get("Authorization") != f"Basic {base64.b64encode(pair).decode()}":
            raise Refusal(401, "invalid_client")
        if content != b"grant_type=client_credentials":
            raise Refusal(400, "unsupported_grant_type")
        return 200, {"access_token": "service-token", "token_type": "Bearer", "expires_in": 60}

    def _obtain(self, body: Body) -> tuple[int, Body]:
        for user in self.stand_in.users.values():
            right = self.stand_in.passwords[user["id"]] == body["password"] != ""
            if user["username"] == body["username"] and right and user["is_active"]:
                if user.get("second_factor_at"):
                    challenge = f"challenge-{len(self.stand_in.challenges)}"
                    self.stand_in.challenges[challenge] = user["id"]
                    raise Refusal(401, "second_factor_required", challenge=challenge)
                pair = {"refresh": "r", "access": self.stand_in.access_token(user["id"])}
                return 200, pair if body.get("refresh_in") != "none" else {"access": pair["access"]}
        raise Refusal(401, "invalid_credentials")

    def _second_factor(self, body: Body) -> tuple[int, Body]:
        user_id = self.stand_in.challenges.get(body["challenge"])
        if user_id is None:
            raise Refusal(401, "challenge_not_valid")
        if RIGHT_CODE not in (body.get("code"), body.get("recovery_code")):
            raise Refusal(403, "wrong_code")
        del self.stand_in.challenges[body["challenge"]]
        return 200, {"refresh": "r", "access": self.stand_in.access_token(user_id)}

    def _start_enrolment(self, body: Body, user_id: str) -> tuple[int, Body]:
        self._user(user_id)["secret"] = "JBSWY3DP"
        return 204, {}

    def _enrolment(self, body: Body, user_id: str) -> tuple[int, Body]:
        if "secret" not in self._user(user_id):
            raise Refusal(409, "enrolment_not_started")
        return 200, {
            "secret": "JBSWY3DP",
            "otpauth_uri": "otpauth://totp/Shop:boss?secret=JBSWY3DP",
            "qr_code": "<svg></svg>",
        }

    def _confirm_enrolment(self, body: Body, user_id: str) -> tuple[int, Body]:
        if not body["code"].isdigit():
            raise Refusal(400, "validation_error", errors={"code": ["Enter the six digits."]})
        if body["code"] != RIGHT_CODE:
            raise Refusal(403, "wrong_code")
        self.stand_in.change_user(user_id, second_factor_at=CREATED_AT)
        return 200, {"recovery_codes": [f"CODE-{number}" for number in range(10)]}

    def _reset_second_factor(self, body: Body, user_id: str) -> tuple[int, Body]:
        epoch = self._user(user_id)["auth_epoch"] + 1
        return 200, self.stand_in.change_user(user_id, second_factor_at=None, auth_epoch=epoch)

    def _user(self, user_id: str) -> Body:
        if user_id not in self.stand_in.users:
            raise Refusal(404, "user_not_found")
        return self.stand_in.users[user_id]

    def _refuse_taken(self, body: Body, *, besides: str = "") -> None:
        for user in self.stand_in.users.values():
            if user["username"] == body.get("username") and user["id"] != besides:
                raise Refusal(409, "username_taken")

    def _create(self, body: Body) -> tuple[int, Body]:
        key = self.headers["Idempotency-Key"]
        if key in self.stand_in.idempotent:
            return 201, self.stand_in.idempotent[key]
        self._refuse_taken(body)
        if len(body["password"]) < 8:
            errors = {"password": ["This password is too short."]}
            raise Refusal(400, "validation_error", errors=errors)
        user_id = self.stand_in.add_user(**body)
        self.stand_in.idempotent[key] = self.stand_in.users[str(user_id)]
        return 201, self.stand_in.users[str(user_id)]

    def _read(self, body: Body, user_id: str) -> tuple[int, Body]:
        return 200, self._user(user_id)

    def _change(self, body: Body, user_id: str) -> tuple[int, Body]:
        user = self._user(user_id)
        if self.headers.get("If-Match") is None:
            raise Refusal(428, "version_required")
        if self.headers["If-Match"] != f'"{user["version"]}"':
            raise Refusal(412, "version_conflict")
        self._refuse_taken(body, besides=user_id)
        if body.get("is_superuser") is False and self._is_last_superuser(user):
            raise Refusal(409, "last_superuser")
        if self.headers.get("X-Actor-Id") == user_id and body.get("is_staff") is False:
            raise Refusal(409, "self_demotion")
        return 200, self.stand_in.change_user(user_id, **body)

    def _is_last_superuser(self, user: Body) -> bool:
        superusers = [one for one in self.stand_in.users.values() if one["is_superuser"]]
        return superusers == [user]

    def _deactivate(self, body: Body, user_id: str) -> tuple[int, Body]:
        epoch = self._user(user_id)["auth_epoch"] + 1
        return 200, self.stand_in.change_user(user_id, is_active=False, auth_epoch=epoch)

    def _set_password(self, body: Body, user_id: str) -> tuple[int, Body]:
        user = self._user(user_id)
        current = self.stand_in.passwords[user_id]
        if body.get("current_password", current) != current:
            raise Refusal(403, "wrong_password")
        if len(body["password"]) < 8:
            errors = {"password": ["This password is too short."]}
            raise Refusal(400, "validation_error", errors=errors)
        self.stand_in.passwords[user_id] = body["password"]
        return 200, self.stand_in.change_user(user_id, auth_epoch=user["auth_epoch"] + 1)

    def _delete(self, body: Body, user_id: str) -> tuple[int, Body]:
        if user_id in self.stand_in.users:
            self.stand_in.users[user_id]["is_active"] = False
            self.stand_in.users[user_id]["username"] = f"deleted:{user_id}"
            self.stand_in.changes.append((user_id, True))
        return 204, {}

    def _changes(self, body: Body) -> tuple[int, Body]:
        query = parse_qs(urlsplit(self.path).query)
        after, limit = int(query["after"][0]), int(query["limit"][0])
        if after > len(self.stand_in.changes):
            after = 0
        # Each user once, at the latest change: no other would fit what the user is now.
        latest = {
            user_id: (seq, deleted)
            for seq, (user_id, deleted) in enumerate(self.stand_in.changes, start=1)
        }
        rows = [
            {"seq": seq, "deleted": deleted, "user": self.stand_in.users[user_id]}
            for user_id, (seq, deleted) in sorted(latest.items(), key=lambda item: item[1])
            if seq > after
        ][:limit]
        return 200, {"changes": rows, "next_after": rows[-1]["seq"] if rows else after}

    def _audit(self, body: Body) -> tuple[int, Body]:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        limit, before = int(query.pop("limit")), int(query.pop("before", 2**63))
        since, until = query.pop("since", ""), query.pop("until", "~")
        self.stand_in.audit_reads += 1
        if self.stand_in.audit_reads == self.stand_in.audit_fails_at:
            raise Refusal(503, "unavailable")
        found = [
            event
            for event in sorted(self.stand_in.audit, key=lambda event: -int(event["id"]))
            if int(event["id"]) < before
            and since <= event["at"] < until
            and all(event[name] == value for name, value in query.items())
        ]
        page = found[:limit]
        following = page[-1]["id"] if len(page) == limit else None
        return 200, {"results": page, "next_before": following}

    def _export(self, body: Body) -> tuple[int, Body]:
        self.stand_in.exports.append(body)
        return 204, {}


_ID = "([0-9a-f-]{36})"
_ROUTES: list[tuple[str, str, Callable[..., tuple[int, Body]]]] = [
    ("POST", "/internal/users", _Handler._create),
    ("GET", "/internal/users/changes", _Handler._changes),
    ("GET", "/internal/audit", _Handler._audit),
    ("POST", "/internal/audit/exports", _Handler._export),
    ("GET", f"/internal/users/{_ID}", _Handler._read),
    ("PATCH", f"/internal/users/{_ID}", _Handler._change),
    ("POST", f"/internal/users/{_ID}/deactivate", _Handler._deactivate),
    ("POST", f"/internal/users/{_ID}/password", _Handler._set_password),
    ("DELETE", f"/internal/users/{_ID}", _Handler._delete),
    ("POST", f"/internal/users/{_ID}/second-factor", _Handler._start_enrolment),
    ("GET", f"/internal/users/{_ID}/second-factor", _Handler._enrolment),
    ("POST", f"/internal/users/{_ID}/second-factor/confirm", _Handler._confirm_enrolment),
    ("DELETE", f"/internal/users/{_ID}/second-factor", _Handler._reset_second_factor),
]
