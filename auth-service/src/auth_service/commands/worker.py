"""`auth-service worker`: sends the mails."""

import asyncio
import logging
import logging.config
import signal
import sys

import click
from sqlalchemy.exc import OperationalError

from auth_service import queries
from auth_service.clock import utc_now
from auth_service.commands.context import Refused, settings_or_exit
from auth_service.database import open_engine
from auth_service.mail.rendering import Composer
from auth_service.mail_worker import Links, MailWorker
from auth_service.observability.logs import log_config
from auth_service.settings import Settings
from auth_service.tokens.one_time import OneTimeTokens

# How the health check recognizes a running worker among the sessions of the database.
_APPLICATION_NAME = "auth-service worker"


@click.command()
@click.option("--check", is_flag=True, help="Say whether a worker is running, and exit.")
def worker(*, check: bool) -> None:
    """Send the mails that wait in the database, until the process is asked to end."""
    settings = settings_or_exit()
    if check:
        _check(settings)
        return
    logging.config.dictConfig(log_config(settings.log_level))
    if not settings.has_mail:
        logging.getLogger(__name__).warning("SMTP_URL is not set: mails are given up")
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    engine = open_engine(settings.database_url, application_name=_APPLICATION_NAME)
    tokens = OneTimeTokens(secret=settings.derive_secret("one-time tokens"))
    mail_worker = MailWorker(
        engine=engine,
        clock=utc_now,
        composer=Composer(sender=settings.mail_from, app_name=settings.app_name),
        links=Links(tokens=tokens, pages_url=settings.account_pages_url),
        smtp=settings.smtp,
        keeps=settings.is_local,
    )
    try:
        logging.getLogger(__name__).info("ready to send mails")
        await mail_worker.run(stopping)
    finally:
        engine.dispose()


def _check(settings: Settings) -> None:
    engine = open_engine(settings.database_url, pool_size=1)
    try:
        with engine.connect() as connection:
            is_running = queries.has_session(connection, _APPLICATION_NAME)
    except OperationalError as error:
        raise Refused(f"The database cannot be reached: {str(error.orig).strip()}") from error
    finally:
        engine.dispose()
    click.echo("A worker is running." if is_running else "No worker is running.")
    sys.exit(0 if is_running else 1)
