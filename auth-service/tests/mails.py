"""Reads mails as their recipients do."""

import asyncio
import re
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage

from sqlalchemy import Engine

from auth_service.clock import Clock
from auth_service.mail import outbox
from auth_service.mail.outbox import Mail
from auth_service.mail.rendering import Composer
from auth_service.mail.smtp import SmtpServer
from auth_service.mail_worker import Links, MailWorker
from auth_service.tokens.one_time import OneTimeTokens

PAGES_URL = "http://localhost:8000/account"
SENDER = Address(display_name="Example", addr_spec="no-reply@example.org")


@dataclass(frozen=True)
class Mailbox:
    """A worker that works when it is asked to, and the mails that it sent."""

    engine: Engine
    tokens: OneTimeTokens
    clock: Clock

    def worker(self, smtp: SmtpServer | None = None, *, keeps: bool = True) -> MailWorker:
        """A worker that sends to a server, or else keeps the mails."""
        return MailWorker(
            engine=self.engine,
            clock=self.clock,
            composer=Composer(sender=SENDER, app_name="Example"),
            links=Links(tokens=self.tokens, pages_url=PAGES_URL),
            smtp=smtp,
            keeps=keeps,
        )

    def deliver(self, smtp: SmtpServer | None = None) -> None:
        """Answer all requests and send all mails that are due."""
        asyncio.run(_deliver(self.worker(smtp)))

    def mails(self, recipient: str | None = None) -> list[Mail]:
        """The mails in the outbox after it was worked off, oldest first."""
        self.deliver()
        return self.rows(recipient)

    def rows(self, recipient: str | None = None) -> list[Mail]:
        """The mails in the outbox as they are, oldest first."""
        with self.engine.connect() as connection:
            found = outbox.latest(connection, limit=100)
        return [mail for mail in reversed(found) if recipient in {None, mail.recipient}]

    def message(self, mail: Mail) -> EmailMessage:
        """The message of a mail, with its link."""
        worker = self.worker()
        with self.engine.connect() as connection:
            link = worker.links.of(connection, mail, now=self.clock())
        return worker.composer.compose(mail, link=link)

    def token(self, recipient: str) -> str:
        """The token of the link in the latest mail to an address."""
        return token_in(self.message(self.mails(recipient)[-1]))


def token_in(message: EmailMessage) -> str:
    """The token of a message's link."""
    found = re.search(r"\?token=([\w-]+)", text_of(message))
    assert found, message
    return found[1]


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    """The text of a message, plain or html."""
    body = message.get_body((kind,))
    assert body is not None
    text: str = body.get_content()
    return text


async def _deliver(worker: MailWorker) -> None:
    while await worker.answer_next():
        pass
    while mail := await worker.claim():
        await worker.deliver(mail)
