"""Mails on their way: an SMTP server that accepts, refuses, hangs or drops the connection."""

import asyncio
import os
import queue
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from auth_service.mail import outbox, smtp
from auth_service.mail.smtp import SmtpServer
from auth_service.tokens.one_time import Purpose
from auth_service.users import account_requests
from auth_service.users.accounts import User
from tests.conftest import MovableClock, Service
from tests.mails import Mailbox, text_of, token_in

ADA = "ada@example.org"


@dataclass
class Handler:
    """What the server does with the next mails.

    Attributes:
        rcpt, data: The answers to these commands; empty accepts.
        drop_after_data: Closes the connection instead of confirming what it has accepted.
    """

    rcpt: str = ""
    data: str = ""
    drop_after_data: bool = False
    received: list[EmailMessage] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)

    async def handle_RCPT(  # noqa: N802 # aiosmtpd's name and arguments
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        self.commands.append("RCPT")
        if self.rcpt:
            return self.rcpt
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.commands.append("DATA")
        if self.data:
            return self.data
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        message["X-Rcpt"] = ",".join(envelope.rcpt_tos)
        self.received.append(message)
        self.arrived.set()
        if self.drop_after_data:
            server.transport.abort()
        return "250 OK"


@contextmanager
def smtp_server(handler: Handler, **options: Any) -> Iterator[SmtpServer]:
    """Run a server on a free port."""
    controller = Controller(handler, hostname="127.0.0.1", port=_free_port(), **options)
    controller.start()
    try:
        yield SmtpServer(host="127.0.0.1", port=controller.port, start_tls=False)
    finally:
        controller.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def handler() -> Handler:
    """The behaviour of the server."""
    return Handler()


@pytest.fixture
def server(handler: Handler) -> Iterator[SmtpServer]:
    """A server that accepts everything, unless the handler says otherwise."""
    with smtp_server(handler) as running:
        yield running


@pytest.fixture
def one_mail(service: Service, add_user: Callable[..., User]) -> User:
    """A password reset that was asked for."""
    user = add_user("ada", email=ADA)
    with service.engine.begin() as connection:
        account_requests.ask(connection, Purpose.RESET_PASSWORD, email=ADA, now=service.clock())
    return user


def test_a_mail_arrives(
    one_mail: User, mailbox: Mailbox, handler: Handler, server: SmtpServer
) -> None:
    """With both bodies, and the headers that make it a mail of its own."""
    mailbox.deliver(server)

    (message,) = handler.received
    (row,) = mailbox.rows()
    assert (message["To"], message["X-Rcpt"]) == (ADA, ADA)
    assert message["From"] == "Example <no-reply@example.org>"
    assert message["Message-ID"] == f"<{row.id}@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Subject"] == "Reset your password"
    assert token_in(message) in text_of(message, "html")
    assert row.sent_at


def test_a_mail_waits_for_a_server_that_is_down(
    one_mail: User, mailbox: Mailbox, handler: Handler, clock: MovableClock
) -> None:
    """Each pause is longer than the one before, and the mail is the same one at last."""
    clock.stop()
    nowhere = SmtpServer(host="127.0.0.1", port=_free_port(), start_tls=False)
    mailbox.deliver(nowhere)
    (waiting,) = mailbox.rows()
    assert (waiting.attempts, waiting.sent_at) == (1, None)
    assert waiting.last_error == "SMTPConnectError"

    with smtp_server(handler) as running:
        clock.advance(seconds=9)
        mailbox.deliver(running)
        assert handler.received == []
        clock.advance(seconds=2)
        mailbox.deliver(running)
    assert handler.received[0]["Message-ID"] == f"<{waiting.id}@example.org>"


FINAL = {"rcpt": "550 5.1.1 No such user", "data": "554 5.7.1 Refused as spam"}
FOR_NOW = {"rcpt": "450 4.2.1 Mailbox busy", "data": "451 4.3.0 Try again later"}


@pytest.mark.parametrize("answers", [FINAL, FOR_NOW], ids=["5xx", "4xx"])
@pytest.mark.parametrize("command", ["rcpt", "data"])
def test_refusals_end_and_delays_are_repeated(
    one_mail: User, mailbox: Mailbox, clock: MovableClock, command: str, answers: dict[str, str]
) -> None:
    """A 5xx for the recipient or the mail is final; a 4xx is not."""
    handler = Handler()
    with smtp_server(handler) as server:
        setattr(handler, command, answers[command])
        mailbox.deliver(server)
        assert answers[command].partition(" ")[2] in (mailbox.rows()[0].last_error or "")
        setattr(handler, command, "")
        clock.advance(minutes=10)
        mailbox.deliver(server)

    assert len(handler.received) == (0 if answers is FINAL else 1)


def test_a_server_that_hangs_holds_a_worker_for_a_bounded_time(
    one_mail: User, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It accepts the connection and says nothing."""
    monkeypatch.setattr(smtp, "_COMMAND_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        mailbox.deliver(SmtpServer(host="127.0.0.1", port=silent.getsockname()[1], start_tls=False))

    assert time.monotonic() - started < 5
    assert mailbox.rows()[0].last_error == "SMTPConnectTimeoutError"


def test_a_server_that_trickles_holds_a_worker_for_a_bounded_time(
    one_mail: User, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line comes in time, but the greeting never ends."""
    monkeypatch.setattr(smtp, "_TOTAL_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        trickle = threading.Thread(target=_trickle, args=(listener,), daemon=True)
        trickle.start()
        mailbox.deliver(
            SmtpServer(host="127.0.0.1", port=listener.getsockname()[1], start_tls=False)
        )
        trickle.join(10)

    assert mailbox.rows()[0].last_error == "TimeoutError"


def _trickle(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        for _ in range(100):
            try:
                connection.sendall(b"220-wait\r\n")
            except OSError:
                return
            time.sleep(0.05)


def test_a_lost_confirmation_means_the_same_mail_twice(
    one_mail: User, mailbox: Mailbox, handler: Handler, server: SmtpServer, clock: MovableClock
) -> None:
    """We cannot know that it was accepted. The second one has the same Message-ID and link."""
    handler.drop_after_data = True
    mailbox.deliver(server)
    handler.drop_after_data = False
    clock.advance(minutes=1)
    mailbox.deliver(server)
    clock.advance(minutes=30)
    mailbox.deliver(server)

    first, second = handler.received
    assert first["Message-ID"] == second["Message-ID"]
    assert (first["Date"], token_in(first)) == (second["Date"], token_in(second))


def test_mails_are_given_up_after_a_day(
    service: Service, mailbox: Mailbox, clock: MovableClock
) -> None:
    """A notice that comes days later only confuses."""
    nowhere = SmtpServer(host="127.0.0.1", port=_free_port(), start_tls=False)
    context = {"username": "ada", "at": "today", "network": "x"}
    with service.engine.begin() as connection:
        outbox.enqueue(connection, "password_changed", recipient=ADA, now=clock(), context=context)
    attempts = 0
    for _ in range(60):
        mailbox.deliver(nowhere)
        attempts = mailbox.rows()[0].attempts
        clock.advance(hours=1, seconds=1)

    assert 20 < attempts < 35
    with service.engine.connect() as connection:
        assert outbox.backlog(connection)._replace(oldest=None) == (0, None, 1)


def test_a_link_that_is_no_longer_good_is_not_sent(
    one_mail: User, mailbox: Mailbox, handler: Handler, server: SmtpServer, clock: MovableClock
) -> None:
    """The server was down for longer than the link is good for."""
    mailbox.deliver(SmtpServer(host="127.0.0.1", port=_free_port(), start_tls=False))
    clock.advance(hours=2)
    mailbox.deliver(server)

    assert handler.received == []
    assert mailbox.rows()[0].last_error == "The link is no longer good."


def test_a_password_is_not_sent_in_the_clear(
    one_mail: User, mailbox: Mailbox, handler: Handler
) -> None:
    """A server that asks for it without TLS gets neither the password nor the mail."""
    seen: list[Any] = []

    def authenticate(_s: Any, _session: Any, _e: Any, _mechanism: str, data: Any) -> AuthResult:
        seen.append(data)
        return AuthResult(success=True)

    with smtp_server(handler, auth_require_tls=False, authenticator=authenticate) as running:
        real = SmtpServer(host="127.0.0.1", port=running.port, username="us", password="secret")
        mailbox.deliver(real)

    assert seen == handler.received == []
    assert "secret" not in (mailbox.rows()[0].last_error or "")


def test_mail_over_tls_with_a_password(
    one_mail: User,
    mailbox: Mailbox,
    handler: Handler,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """STARTTLS, a checked certificate, then the password."""
    certificate = _certificate_for_localhost(tmp_path / "certificate.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    seen: queue.Queue[tuple[bytes, bytes]] = queue.Queue()

    def authenticate(_s: Any, _session: Any, _e: Any, _mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        seen.put((data.login, data.password))
        return AuthResult(success=True)

    options = {
        "tls_context": context,
        "require_starttls": True,
        "auth_required": True,
        "authenticator": authenticate,
    }
    with smtp_server(handler, **options) as running:
        real = SmtpServer(host="localhost", port=running.port, username="us", password="secret")
        mailbox.deliver(real)
        assert handler.received == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with mailbox.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE mail_outbox SET next_attempt_at = now()")
        mailbox.deliver(real)

    assert len(handler.received) == 1
    assert seen.get_nowait() == (b"us", b"secret")


def _certificate_for_localhost(path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return path


def test_two_workers_send_each_mail_once(
    service: Service, mailbox: Mailbox, handler: Handler, server: SmtpServer
) -> None:
    """What one has taken, the other leaves."""
    context = {"username": "ada", "at": "today", "network": "x"}
    with service.engine.begin() as connection:
        for number in range(20):
            outbox.enqueue(
                connection,
                "password_changed",
                recipient=f"user{number}@example.org",
                now=service.clock(),
                context=context,
            )
    threads = [threading.Thread(target=mailbox.deliver, args=(server,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(m["To"] for m in handler.received) == sorted(
        f"user{n}@example.org" for n in range(20)
    )


def test_without_a_server_mails_are_given_up_at_once(one_mail: User, mailbox: Mailbox) -> None:
    """Nothing piles up to be sent when a server is configured later."""
    worker = mailbox.worker(keeps=False)

    async def work() -> None:
        await worker.answer_next()
        mail = await worker.claim()
        assert mail
        await worker.deliver(mail)

    asyncio.run(work())

    assert mailbox.rows()[0].last_error == "SMTP_URL is not set."


# ---- The command


@contextmanager
def worker_process(
    environ: dict[str, str], server: SmtpServer
) -> Iterator[subprocess.Popen[bytes]]:
    """`auth-service worker` as its own process."""
    env = {
        **os.environ,
        **environ,
        "SMTP_URL": f"smtp+plaintext://{server.host}:{server.port}",
        "MAIL_FROM": "Example <no-reply@example.org>",
    }
    process = subprocess.Popen([sys.executable, "-m", "auth_service", "worker"], env=env)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_killed_between_commit_and_mail(
    one_mail: User, mailbox: Mailbox, environ: dict[str, str], service: Service
) -> None:
    """The mail arrives once another worker's turn comes, at most twice, as the same mail."""
    handler = Handler()
    hanging = threading.Event()
    release = threading.Event()

    async def slow_data(server: Any, session: Any, envelope: Any) -> str:
        hanging.set()
        await asyncio.to_thread(release.wait, 30)
        return "451 4.3.0 Too late"

    original = handler.handle_DATA
    handler.handle_DATA = slow_data  # type: ignore[method-assign, assignment] # the first mail hangs here
    with smtp_server(handler) as server:
        with worker_process(environ, server) as first:
            assert hanging.wait(30)
            first.send_signal(signal.SIGKILL)
            first.wait(10)
        release.set()
        handler.handle_DATA = original  # type: ignore[method-assign]
        with service.engine.begin() as connection:
            # The lease of the dead worker ends.
            connection.exec_driver_sql("UPDATE mail_outbox SET next_attempt_at = now()")
        with worker_process(environ, server):
            assert handler.arrived.wait(30)
            _wait_for(lambda: mailbox.rows()[0].sent_at is not None)

    (message,) = handler.received
    assert message["Message-ID"] == f"<{mailbox.rows()[0].id}@example.org>"


def test_sigterm_lets_a_mail_finish(
    one_mail: User, mailbox: Mailbox, environ: dict[str, str]
) -> None:
    """A deployment neither loses nor repeats a mail."""
    handler = Handler()
    hanging, release = threading.Event(), threading.Event()
    original = handler.handle_DATA

    async def slow_data(server: Any, session: Any, envelope: Any) -> str:
        hanging.set()
        await asyncio.to_thread(release.wait, 30)
        return await original(server, session, envelope)

    handler.handle_DATA = slow_data  # type: ignore[method-assign, assignment] # waits for the signal
    with smtp_server(handler) as server, worker_process(environ, server) as process:
        assert hanging.wait(30)
        process.terminate()
        time.sleep(0.3)
        assert process.poll() is None
        release.set()
        assert process.wait(20) == 0

    assert len(handler.received) == 1
    assert mailbox.rows()[0].sent_at is not None


def test_the_check_finds_a_running_worker(
    service: Service, environ: dict[str, str], server: SmtpServer
) -> None:
    """Compose restarts a container whose worker is gone."""
    command = [sys.executable, "-m", "auth_service", "worker", "--check"]

    def check() -> int:
        return subprocess.run(
            command, env={**os.environ, **environ}, check=False, capture_output=True
        ).returncode

    assert check() == 1
    with worker_process(environ, server):
        _wait_for(lambda: check() == 0)


def _wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(200):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it never happened")


def run_mail(environ: dict[str, str], *arguments: str, smtp_url: str = "") -> tuple[int, str]:
    """A command of operators: its exit status, and what it printed."""
    env = {**os.environ, **environ, "SMTP_URL": smtp_url, "MAIL_FROM": "no-reply@example.org"}
    command = [sys.executable, "-m", "auth_service", "mail", *arguments]
    done = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_an_operator_finds_out_why_and_repeats(
    one_mail: User, mailbox: Mailbox, handler: Handler, server: SmtpServer, environ: dict[str, str]
) -> None:
    """What the server answered, a mail to oneself, and all that waits once it is mended."""
    handler.rcpt = "550 5.7.1 Relaying denied"
    mailbox.deliver(server)
    url = f"smtp+plaintext://{server.host}:{server.port}"
    status, listed = run_mail(environ, "list", "--unsent")
    refused = run_mail(environ, "test", "me@example.org", smtp_url=url)
    assert (status, "given up" in listed, "Relaying denied" in listed) == (0, True, True)
    assert refused[0] == 1
    assert "Relaying denied" in refused[1]

    handler.rcpt = ""
    accepted = run_mail(environ, "test", "me@example.org", smtp_url=url)
    assert accepted[0] == 0
    assert handler.received[0]["Message-ID"] in accepted[1]
    assert run_mail(environ, "retry")[0] == 0
    mailbox.deliver(server)
    assert [m["To"] for m in handler.received] == ["me@example.org", ADA]
    assert run_mail(environ, "list", "--unsent") == (0, "")


# ---- The page of `local`, and the metrics


def test_in_local_a_page_shows_the_mails(
    one_mail: User, mailbox: Mailbox, http: httpx.Client
) -> None:
    """With links that work, so that everything can be tried offline."""
    mailbox.deliver()
    page = http.get("/account/mail")

    assert page.status_code == 200
    assert f"token={mailbox.token(ADA)}" in page.text
    assert page.headers["Cache-Control"] == "no-store"


def test_metrics_show_a_worker_that_is_missing(
    one_mail: User, mailbox: Mailbox, http: httpx.Client
) -> None:
    """What waits, for how long, and what was given up."""
    mailbox.deliver(SmtpServer(host="127.0.0.1", port=_free_port(), start_tls=False))
    http.post("/api/account/reset-password", json={"email": "eve@example.org"})
    text = http.get("/metrics").text

    assert "auth_mail_waiting 2.0" in text
    assert "auth_mail_oldest_seconds" in text
    assert "auth_mail_failed 0.0" in text
