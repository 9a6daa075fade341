"""Runs jobs out of the database."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from procrastinate import PsycopgConnector
from procrastinate.contrib.django import app
from procrastinate.contrib.django.utils import connector_params

# Nothing announces a job, see migration 0002 of this app. What users wait for, such as their bank's
# yes, waits half of this on average.
_POLL_SECONDS = 0.25
_GRACE_SECONDS = 30.0
# Jobs under way at once, each in a thread that mostly waits for Stripe. News of a customer whose
# job waits costs nothing more, of one whose job is under way another fetch: so not more than help.
_JOBS = 8


async def work(*, until_stopped: bool) -> None:
    """Run jobs.

    Args:
        until_stopped: Go on until cancelled, which lets running jobs end; otherwise stop when
            nothing is due.
    """
    # Else the event loop has a few threads of its own, and jobs that were taken wait for one.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_JOBS))
    connector = PsycopgConnector(kwargs=connector_params(), min_size=1, max_size=_JOBS + 1)
    with app.replace_connector(connector):
        async with app.open_async():
            await app.run_worker_async(
                wait=until_stopped,
                listen_notify=False,
                install_signal_handlers=False,
                concurrency=_JOBS,
                fetch_job_polling_interval=_POLL_SECONDS,
                shutdown_graceful_timeout=_GRACE_SECONDS,
                delete_jobs="successful",
            )
