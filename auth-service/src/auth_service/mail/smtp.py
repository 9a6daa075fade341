"""Sends one mail to the SMTP server, within a bounded time, and says what a failure means."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPResponseException,
)

# For each command, and for the whole conversation; the latter is shorter than the outbox's lease.
_COMMAND_SECONDS = 10.0
_TOTAL_SECONDS = 30.0
_PERMANENT = range(500, 600)
_LONGEST_REASON = 200


class NotSent(Exception):
    """The server could not be reached, or does not accept the mail now; the message says why."""


class Refused(Exception):
    """The server will never accept this mail; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """Where mails are sent.

    Attributes:
        implicit_tls: The connection begins with TLS (`smtps://`).
        start_tls: The connection must become TLS before anything else is said (`smtp://`).
    """

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    implicit_tls: bool = False
    start_tls: bool = True

    async def send(self, message: EmailMessage, *, sender: str, recipient: str) -> None:
        """Send a mail to one recipient.

        Raises:
            NotSent: Repeat it later. The server may have accepted it although it says nothing.
            Refused: Repeating it is of no use.
        """
        try:
            async with asyncio.timeout(_TOTAL_SECONDS):
                await self._send(message, sender=sender, recipient=recipient)
        except SMTPRecipientsRefused as error:
            raise _failure(error.recipients[0]) from error
        except (SMTPDataError, SMTPRecipientRefused) as error:
            raise _failure(error) from error
        except SMTPResponseException as error:
            # Our own account or sender address is refused, which an operator can correct.
            raise NotSent(_reason(error)) from error
        except SMTPNotSupported as error:
            raise _not_supported(error) from error
        except (SMTPException, OSError, TimeoutError) as error:
            raise NotSent(type(error).__name__) from error

    async def _send(self, message: EmailMessage, *, sender: str, recipient: str) -> None:
        client = SMTP(
            hostname=self.host,
            port=self.port,
            username=self.username,
            password=self.password,
            use_tls=self.implicit_tls,
            start_tls=self.start_tls,
            timeout=_COMMAND_SECONDS,
        )
        try:
            await client.connect()
            await client.send_message(message, sender=sender, recipients=[recipient])
            # The mail is accepted; a lost QUIT changes nothing.
            with suppress(SMTPException, OSError, TimeoutError):
                await client.quit()
        finally:
            client.close()


def _failure(error: SMTPResponseException) -> Exception:
    is_permanent = error.code in _PERMANENT
    return (Refused if is_permanent else NotSent)(_reason(error))


def _not_supported(error: SMTPNotSupported) -> Exception:
    # Without SMTPUTF8, this server cannot deliver to an address outside ASCII. A missing STARTTLS
    # is a matter of configuration.
    return (Refused if "SMTPUTF8" in error.message else NotSent)(error.message[:_LONGEST_REASON])


def _reason(error: SMTPResponseException) -> str:
    return f"{type(error).__name__} {error.code} {error.message}"[:_LONGEST_REASON]
