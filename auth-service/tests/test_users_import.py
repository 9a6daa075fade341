"""Accounts of another system: their passwords stay, and a stopped import goes on."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import bcrypt
import httpx
import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner, Result
from django.conf import settings as django_settings
from django.contrib.auth import hashers
from sqlalchemy import Engine, event, func, select, update

from auth_service import queries
from auth_service.audit import Origin
from auth_service.cli import main
from auth_service.passwords.hashing import DUMMY_HASH, UNUSABLE, needs_rehash, verify_password
from auth_service.passwords.imported import HashRefused, accept
from auth_service.tables import audit_event, feed_position, users
from auth_service.users import accounts, changes
from auth_service.users.accounts import User, find_with_hash
from tests.conftest import PASSWORD, MovableClock, Service
from tests.mails import Mailbox

Run = Callable[..., Result]
Obtain = Callable[..., httpx.Response]
DIGEST = "A" * 43 + "="


def _django(kind: type[hashers.BasePasswordHasher], **cost: int) -> str:
    if not django_settings.configured:
        django_settings.configure()
    hasher = kind()
    for name, value in cost.items():
        setattr(hasher, name, value)
    encoded: str = hasher.encode(PASSWORD, hasher.salt())
    return encoded


HASHES = {
    "pbkdf2": lambda: _django(hashers.PBKDF2PasswordHasher, iterations=20_000),
    "bcrypt": lambda: _django(hashers.BCryptPasswordHasher, rounds=4),
    "bcrypt_sha256": lambda: _django(hashers.BCryptSHA256PasswordHasher, rounds=4),
    "scrypt": lambda: _django(hashers.ScryptPasswordHasher),
    "argon2": lambda: _django(hashers.Argon2PasswordHasher),
    "bare 2b": lambda: bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode(),
    "bare 2a": lambda: bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4, b"2a")).decode(),
    # As PHP writes it.
    "bare 2y": lambda: (
        bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$")
    ),
    "bare argon2id": lambda: PasswordHasher(2, 8192, 4).hash(PASSWORD),
}


@pytest.fixture
def run(environ: dict[str, str], service: Service) -> Run:
    """Import a file as an operator would."""

    def invoke(file: Path, *options: str) -> Result:
        return CliRunner().invoke(main, ["users", "import", str(file), *options], env=environ)

    return invoke


@pytest.fixture
def reset_by_mail(http: httpx.Client, mailbox: Mailbox) -> Callable[[str], None]:
    """Set PASSWORD with the link of a mail."""

    def reset(email: str) -> None:
        http.post("/api/account/reset-password", json={"email": email})
        body = {"token": mailbox.token(email), "new_password": PASSWORD}
        assert http.post("/api/account/reset-password/confirm", json=body).status_code < 300

    return reset


def _csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def _count(service: Service) -> int:
    with service.engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(users)).scalar_one()


def _found(service: Service, username: str = "ada") -> tuple[User, str]:
    with service.engine.connect() as connection:
        found = find_with_hash(connection, username)
    assert found is not None
    return found


@pytest.mark.parametrize("kind", HASHES)
def test_an_imported_hash_logs_in_and_is_replaced(
    run: Run, service: Service, obtain: Obtain, tmp_path: Path, kind: str
) -> None:
    """A wrong password is refused; the right one leaves a hash of today."""
    given = HASHES[kind]()
    done = run(_csv(tmp_path / "users.csv", [{"username": "ada", "password_hash": given}]))
    assert (done.exit_code, done.stdout.count("1 imported")) == (0, 1), done.output

    assert obtain(password="a wrong guess").status_code == 401
    assert needs_rehash(_found(service)[1])
    assert obtain().status_code == 200

    assert not needs_rehash(_found(service)[1])
    assert obtain().status_code == 200
    assert obtain(password="a wrong guess").status_code == 401


def test_a_password_longer_than_bcrypt_reads_is_no_error(
    run: Run, obtain: Obtain, tmp_path: Path
) -> None:
    """Other services cut it off after 72 bytes when they made the hash."""
    password = "correct horse battery " * 5
    given = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()
    run(_csv(tmp_path / "users.csv", [{"username": "ada", "password_hash": given}]))

    assert obtain(password="x" * 100).status_code == 401
    assert obtain(password=password).status_code == 200


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("md5$salt$5f4dcc3b5aa765d61d8327deb882cf99", "password_hash_unsupported"),
        ("5f4dcc3b5aa765d61d8327deb882cf99", "password_hash_unsupported"),
        ("pbkdf2_sha1$600000$salt$abc", "password_hash_unsupported"),
        ("$argon2i$v=19$m=19456,t=2,p=1$MOS3fphUvdg$" + "A" * 22, "password_hash_unsupported"),
        (f"pbkdf2_sha256$600000$${DIGEST}", "password_hash_malformed"),
        ("pbkdf2_sha256$600000$salt$AAAA", "password_hash_malformed"),
        (f"pbkdf2_sha256$-1$salt${DIGEST}", "password_hash_malformed"),
        ("$2b$12$" + "a" * 53, "password_hash_malformed"),
        ("$2b$12$short", "password_hash_malformed"),
        ("scrypt$16383$salt$8$5$" + "A" * 86 + "==", "password_hash_malformed"),
        ("$argon2id$v=19$m=19456,t=2,p=-1$MOS3fphUvdg$" + "A" * 22, "password_hash_malformed"),
        ("$argon2id$v=19$m=4,t=2,p=1$MOS3fphUvdg$" + "A" * 22, "password_hash_malformed"),
        (f"pbkdf2_sha256$1000000000$salt${DIGEST}", "password_hash_costly"),
        (f"pbkdf2_sha256$1$salt${DIGEST}", "password_hash_costly"),
        ("$2b$31$" + "a" * 21 + "." + "a" * 31, "password_hash_costly"),
        ("$2b$03$" + "a" * 21 + "." + "a" * 31, "password_hash_costly"),
        ("scrypt$1073741824$salt$8$1$" + "A" * 86 + "==", "password_hash_costly"),
        ("scrypt$16384$salt$8$500$" + "A" * 86 + "==", "password_hash_costly"),
        ("$argon2id$v=19$m=2097152,t=1,p=4$MOS3fphUvdg$" + "A" * 22, "password_hash_costly"),
        ("$argon2id$v=19$m=19456,t=9999,p=1$MOS3fphUvdg$" + "A" * 22, "password_hash_costly"),
    ],
)
def test_a_hash_that_would_never_match_or_cost_too_much_is_refused(given: str, code: str) -> None:
    """Each log-in computes it: its cost is the file's, so it has limits."""
    with pytest.raises(HashRefused) as refused:
        accept(given)

    assert refused.value.code == code


@pytest.mark.parametrize("given", ["", "!XkzBAdxR2fRjJ6m0PjhSo5uxYzoQ7e9JnJ1cT9mG"])
def test_an_account_without_a_password_gets_one_by_mail(
    run: Run, obtain: Obtain, reset_by_mail: Callable[[str], None], tmp_path: Path, given: str
) -> None:
    """No password logs in until its user has set one."""
    row = {"username": "ada", "email": "ada@example.com", "password_hash": given}
    run(_csv(tmp_path / "users.csv", [row]))
    for guess in ("!", given or " ", PASSWORD):
        assert obtain(password=guess).status_code == 401

    reset_by_mail("ada@example.com")

    assert obtain().status_code == 200


def test_an_account_without_a_password_takes_as_long_as_none() -> None:
    """A refusal at once would show that there is such an account."""

    def seconds(password_hash: str) -> float:
        started = time.thread_time()
        assert not verify_password("a guess", password_hash=password_hash)
        return time.thread_time() - started

    unusable, unknown = (min(seconds(one) for _ in range(5)) for one in (UNUSABLE, DUMMY_HASH))

    assert unusable == pytest.approx(unknown, rel=0.5)


def test_every_column_is_kept(run: Run, service: Service, tmp_path: Path) -> None:
    """As `psql \\copy` writes it: t and f, empty cells, a short offset. With BOM and quotes."""
    user_id = uuid4()
    file = tmp_path / "users.csv"
    file.write_text(
        "\ufeffid,username,email,email_verified,is_active,is_staff,is_superuser,created_at,"
        "last_login_at\r\n"
        f'{user_id},"ada",ada@example.com,t,t,t,f,2020-01-02 03:04:05.678+02,\r\n',
        encoding="utf-8",
    )

    done = run(file)

    assert done.exit_code == 0, done.output
    user, _ = _found(service)
    assert (user.id, user.email) == (user_id, "ada@example.com")
    assert (user.is_active, user.is_staff, user.is_superuser) == (True, True, False)
    assert user.created_at.isoformat() == "2020-01-02T01:04:05.678000+00:00"
    assert user.email_verified_at is not None
    assert user.last_login_at is None


def test_an_unknown_column_is_refused_before_anything_is_written(
    run: Run, service: Service, tmp_path: Path
) -> None:
    """In JSON lines also if it comes last."""
    sheet = _csv(tmp_path / "users.csv", [{"username": "ada", "is_admin": "t"}])
    lines = tmp_path / "users.jsonl"
    lines.write_text(
        "".join(f'{{"username": "user{n}"}}\n' for n in range(1500)) + '{"is_admin": 1}\n'
    )

    for file in (sheet, lines):
        done = run(file)
        assert done.exit_code == 2
        assert "Unknown columns: 'is_admin'." in done.output
    assert _count(service) == 0


@pytest.mark.parametrize("header", ["email\n", "username,username\n", ""])
def test_a_header_without_sense_is_wrong_usage(run: Run, tmp_path: Path, header: str) -> None:
    """No column with usernames, a column twice, an empty file."""
    file = tmp_path / "users.csv"
    file.write_text(header)

    assert run(file).exit_code == 2


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_bad_rows_are_reported_and_good_ones_go_in(
    run: Run, service: Service, tmp_path: Path, ending: str
) -> None:
    """Each with its line, field, code and sentence, and without its values."""
    file = tmp_path / "users.jsonl"
    md5 = "md5$a$secretsecret"
    rows: list[Any] = [
        {"username": "ada"},
        {"username": "a b"},
        {"email": "x@example.com"},
        {"username": "bob", "password_hash": md5, "is_staff": "maybe"},
        {"username": "eve", "id": "7"},
        {"username": "joe", "created_at": "2020-01-02 03:04:05"},
        {"username": "kim", "email_verified": True},
        {"username": "ADA", "email": None},
        {"username": "zoe"},
    ]
    broken = ['{"username": "half', "[1]", '{"username": "x", "username": "y"}']
    file.write_text("\n".join([*map(json.dumps, rows), *broken]) + "\n")
    report = tmp_path / f"refused.{ending}"

    done = run(file, "--report", str(report))

    assert done.exit_code == 1
    assert "2 imported, 0 skipped, 10 refused" in done.stdout
    assert _count(service) == 2
    with report.open(newline="") as written:
        found = list(csv.DictReader(written)) if ending == "csv" else [*map(json.loads, written)]
    assert [(int(row["line"]), row["field"], row["code"]) for row in found] == [
        (2, "username", "invalid"),
        (3, "username", "missing"),
        (4, "password_hash", "password_hash_unsupported"),
        (4, "is_staff", "invalid"),
        (5, "id", "invalid"),
        (6, "created_at", "invalid"),
        (7, "email_verified", "invalid"),
        (8, "username", "duplicate"),
        (10, "", "malformed_row"),
        (11, "", "malformed_row"),
        (12, "", "malformed_row"),
    ]
    assert found[7]["sentence"] == "Line 1 has the same."
    assert "secretsecret" not in report.read_text() + done.output


def test_a_row_of_csv_with_wrong_cells_or_bytes_is_refused_alone(
    run: Run, service: Service, tmp_path: Path
) -> None:
    """The rows around it go in."""
    file = tmp_path / "users.csv"
    file.write_bytes(b'username,email\nada,\nbob\n\xe9va,\n"c"d,\n\nzoe,z\xe9@example.com\nyan,\n')

    done = run(file)

    assert done.exit_code == 1
    assert "2 imported, 0 skipped, 4 refused" in done.stdout
    assert "line 3: Use 2 columns, as in the first line." in done.stderr
    assert "line 4: username: Use UTF-8." in done.stderr


def test_accounts_that_others_have_are_refused(
    run: Run, service: Service, add_user: Callable[..., User], clock: MovableClock, tmp_path: Path
) -> None:
    """An account that is there already is never changed."""
    ada = add_user("ada")
    with service.engine.begin() as connection:
        connection.execute(
            update(users)
            .where(users.c.id == ada.id)
            .values(email="a@example.com", email_verified_at=clock())
        )
    before = _found(service)
    rows = [
        {"username": "ADA", "email": "", "email_verified": ""},
        {"username": "bob", "email": "A@example.com", "email_verified": "true"},
        {"username": "eve", "email": "a@example.com", "email_verified": "false"},
    ]

    done = run(_csv(tmp_path / "users.csv", rows))

    assert "1 imported, 0 skipped, 2 refused" in done.stdout
    assert "line 2: username: Another account has this username." in done.stderr
    assert "line 3: email: Another account has verified this address." in done.stderr
    assert _found(service) == before


def test_a_second_run_changes_nothing(
    run: Run, service: Service, obtain: Obtain, tmp_path: Path
) -> None:
    """Also for users who have logged in, were renamed or were deleted meanwhile."""
    given = HASHES["bare argon2id"]()
    rows = [
        {"username": name, "password_hash": given, "id": uuid4() if name == "kept" else ""}
        for name in ("ada", "kept", "renamed", "deleted")
    ]
    file = _csv(tmp_path / "users.csv", rows)
    assert run(file).exit_code == 0
    assert obtain().status_code == 200
    for name in ("renamed", "deleted"):
        user, _ = _found(service, name)
        with changes.change(service.engine, origin=Origin(client="t"), now=service.clock()) as one:
            if name == "deleted":
                changes.delete(one, user.id)
            else:
                changes.update(one, user.id, {"username": "nova"}, expected_version=1)

    def everything() -> list[Any]:
        with service.engine.connect() as connection:
            tables = (users, feed_position, audit_event)
            return [connection.execute(select(table)).all() for table in tables]

    before = everything()
    done = run(file)

    assert (done.exit_code, "0 imported, 4 skipped, 0 refused" in done.stdout) == (0, True)
    assert everything() == before


def test_a_dry_run_writes_nothing(run: Run, service: Service, tmp_path: Path) -> None:
    """It finds what the run itself would find."""
    rows = [{"username": name} for name in ("ada", "b b", "Ada")]

    done = run(_csv(tmp_path / "users.csv", rows), "--dry-run")

    assert done.exit_code == 1
    assert "1 imported, 0 skipped, 2 refused. Nothing was written" in done.stdout
    assert _count(service) == 0


def test_a_batch_is_few_statements_and_the_feed_has_each_account_once(
    run: Run, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two batches of a thousand: one insert, one event and one range of positions each."""
    rows = [{"username": f"user{n}", "is_staff": n % 100 == 0} for n in range(2000)]
    file = _csv(tmp_path / "users.csv", rows)
    statements = []

    def note_statement(_c: object, _cursor: object, statement: str, *_more: object) -> None:
        if threading.current_thread() is threading.main_thread():
            statements.append(statement)

    def noting_import(*arguments: Any, **options: Any) -> set[UUID]:
        statements.append("import_users")
        return import_users(*arguments, **options)

    import_users = queries.import_users
    monkeypatch.setattr(queries, "import_users", noting_import)
    event.listen(Engine, "before_cursor_execute", note_statement)
    try:
        assert run(file).exit_code == 0
    finally:
        event.remove(Engine, "before_cursor_execute", note_statement)

    # The lock, the accounts, their positions in the feed, the event.
    assert len(statements) == 2 * 4
    with service.engine.connect() as connection:
        events = connection.execute(select(audit_event)).all()
        seen, position = [], 0
        while page := accounts.changes_after(connection, position, limit=300):
            seen += [user.username for user in page]
            position = page[-1].change_seq
        newest = connection.execute(select(feed_position.c.seq)).scalar_one()
    assert sorted(seen) == sorted(f"user{n}" for n in range(2000))
    assert newest == position
    detail = {"accounts": 1000, "staff": 10, "superusers": 0}
    assert [(one.action, one.source, one.detail) for one in events] == [
        ("users.imported", "auth-service users import", detail)
    ] * 2


def test_names_that_look_like_another_users_are_kept(run: Run, tmp_path: Path) -> None:
    """The rule is for new names: these are in use already."""
    rows = [{"username": name} for name in ("paypal", "paypaI")]

    assert run(_csv(tmp_path / "users.csv", rows)).exit_code == 0


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_an_import_that_is_stopped_goes_on(
    run: Run, service: Service, environ: dict[str, str], tmp_path: Path, sent: signal.Signals
) -> None:
    """Whole batches are there, and a second run adds the rest."""
    file = _csv(tmp_path / "users.csv", [{"username": f"user{n}"} for n in range(8000)])
    command = [sys.executable, "-m", "auth_service", "users", "import", str(file)]
    with subprocess.Popen(
        command, env={**os.environ, **environ}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + 60
        while not (there := _count(service)) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(sent)
        _, errors = process.communicate(timeout=60)

    there = _count(service)
    assert 0 < there < 8000
    assert there % 1000 == 0
    assert process.returncode == (1 if sent is signal.SIGINT else -signal.SIGKILL)
    assert (b"Run it again to go on." in errors) is (sent is signal.SIGINT)
    done = run(file)
    assert f"{8000 - there:,} imported, {there:,} skipped, 0 refused" in done.stdout
    assert _count(service) == 8000
