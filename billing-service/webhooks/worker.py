"""Runs jobs out of the database."""

from django.conf import settings
from procrastinate import PsycopgConnector
from procrastinate.contrib.django import app
from procrastinate.contrib.django.utils import connector_params

# Nothing announces a job, see migration 0002 of this app. What users wait for, such as their bank's
# yes, waits half of this on average.
_POLL_SECONDS = 0.25
_GRACE_SECONDS = 30.0


async def work(*, until_stopped: bool) -> None:
    """Run jobs.

    Args:
        until_stopped: Go on until cancelled, which lets running jobs end; otherwise stop when
            nothing is due.
    """
    connector = PsycopgConnector(
        kwargs=connector_params(), min_size=1, max_size=settings.BILLING.threads + 1
    )
    with app.replace_connector(connector):
        async with app.open_async():
            await app.run_worker_async(
                wait=until_stopped,
                listen_notify=False,
                install_signal_handlers=False,
                concurrency=settings.BILLING.threads,
                fetch_job_polling_interval=_POLL_SECONDS,
                shutdown_graceful_timeout=_GRACE_SECONDS,
                delete_jobs="successful",
            )
