"""Sends the mails of the outbox, and answers what people ask for by mail.

Several workers can run: each takes one row at a time, which the others skip.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from psycopg2 import Error as DriverError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from auth_service.clock import Clock
from auth_service.mail import outbox
from auth_service.mail.outbox import Mail
from auth_service.mail.rendering import Composer
from auth_service.mail.smtp import NotSent, Refused, SmtpServer
from auth_service.tokens.one_time import OneTimeTokens, Purpose
from auth_service.users.account_requests import Answers

# People wait for these mails with the page open.
_PAUSE_SECONDS = 0.5
_DATABASE_PAUSE_SECONDS = 5.0
# Sending mostly waits for the server.
_AT_ONCE = 4
_PAGES = {
    Purpose.SIGN_UP: "sign-up",
    Purpose.VERIFY_EMAIL: "verify-email",
    Purpose.RESET_PASSWORD: "reset-password",
    Purpose.CHANGE_EMAIL: "change-email",
}

_DATABASE_ERRORS = (SQLAlchemyError, DriverError)

T = TypeVar("T")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """The links of mails, with the tokens that they need.

    Attributes:
        pages_url: Where they lead, without a trailing slash.
    """

    tokens: OneTimeTokens
    pages_url: str

    def of(self, connection: Connection, mail: Mail, *, now: datetime) -> str | None:
        """Return the link of a mail; None if it has none, or its token cannot be used any more."""
        if mail.token_id is None:
            return None
        found = self.tokens.for_link(connection, mail.token_id, now=now)
        if found is None:
            return None
        purpose, token = found
        # A query, because a page without JavaScript cannot read a fragment. The gateway's log
        # drops queries, and the page sends no referrer.
        return f"{self.pages_url}/{_PAGES[purpose]}?token={token}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailWorker:
    """Works until it is asked to stop.

    Attributes:
        engine: The pool for transactions.
        smtp: None in `local`, where mails are shown on a page instead; elsewhere they are given up.
        keeps: Whether mails without a server count as sent, because a page shows them.
    """

    engine: Engine
    clock: Clock
    composer: Composer
    links: Links
    smtp: SmtpServer | None
    keeps: bool

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then finish what was begun."""
        free = asyncio.Semaphore(_AT_ONCE)

        async def deliver_and_free(mail: Mail) -> None:
            try:
                await self.deliver(mail)
            except _DATABASE_ERRORS as error:
                # The mail is due again when its lease ends.
                _log_lost_database(error)
            finally:
                free.release()

        async with asyncio.TaskGroup() as deliveries:
            while not stopping.is_set():
                await free.acquire()
                try:
                    has_answered, mail = await self.answer_next(), await self.claim()
                except _DATABASE_ERRORS as error:
                    free.release()
                    _log_lost_database(error)
                    await _wait(stopping, seconds=_DATABASE_PAUSE_SECONDS)
                    continue
                if mail:
                    deliveries.create_task(deliver_and_free(mail))
                else:
                    free.release()
                if not mail and not has_answered:
                    await _wait(stopping, seconds=_PAUSE_SECONDS)

    async def answer_next(self) -> bool:
        """Answer one request; False if there is none."""
        answers = Answers(tokens=self.links.tokens)
        return await self._in_transaction(
            lambda connection: answers.answer_next(connection, now=self.clock())
        )

    async def claim(self) -> Mail | None:
        """Take the next mail that is due; None if there is none."""
        return await self._in_transaction(
            lambda connection: outbox.claim(connection, now=self.clock())
        )

    async def deliver(self, mail: Mail) -> None:
        """Send a claimed mail, and write down what became of it."""
        link = await self._in_transaction(
            lambda connection: self.links.of(connection, mail, now=self.clock())
        )
        if mail.token_id is not None and link is None:
            await self._give_up(mail, "The link is no longer good.")
        elif self.smtp is not None:
            await self._send(self.smtp, mail, link)
        elif self.keeps:
            await self._mark_sent(mail)
        else:
            await self._give_up(mail, "SMTP_URL is not set.")

    async def _send(self, smtp: SmtpServer, mail: Mail, link: str | None) -> None:
        try:
            message = self.composer.compose(mail, link=link)
        except ValueError:
            await self._give_up(mail, "The address is not one that mail can be sent to.")
            return
        sender = self.composer.sender.addr_spec
        try:
            await smtp.send(message, sender=sender, recipient=mail.recipient)
        except Refused as error:
            await self._give_up(mail, str(error))
        except NotSent as error:
            await self._postpone(mail, str(error))
        else:
            await self._mark_sent(mail)

    async def _mark_sent(self, mail: Mail) -> None:
        await self._in_transaction(
            lambda connection: outbox.mark_sent(connection, mail, now=self.clock())
        )
        logger.info("mail %s sent: %s", mail.id, mail.template)

    async def _give_up(self, mail: Mail, reason: str) -> None:
        await self._in_transaction(
            lambda connection: outbox.mark_failed(connection, mail, reason=reason)
        )
        # The server's answer can contain the address, so it stays in the table.
        logger.warning("mail %s given up: %s", mail.id, mail.template)

    async def _postpone(self, mail: Mail, reason: str) -> None:
        waits = await self._in_transaction(
            lambda connection: outbox.postpone(connection, mail, reason=reason, now=self.clock())
        )
        outcome = "not sent yet" if waits else "given up"
        logger.warning("mail %s %s: %s, attempt %d", mail.id, outcome, mail.template, mail.attempts)

    async def _in_transaction(self, work: Callable[[Connection], T]) -> T:
        def run() -> T:
            with self.engine.begin() as connection:
                return work(connection)

        return await asyncio.to_thread(run)


def _log_lost_database(error: Exception) -> None:
    logger.warning("the worker lost the database: %s", type(error).__name__)


async def _wait(stopping: asyncio.Event, *, seconds: float) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), timeout=seconds)
    except TimeoutError:
        return
