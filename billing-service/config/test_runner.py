"""Lets `manage.py test` run the pytest suite, as the original's instructions say."""

import os
import subprocess
import sys
from typing import Any


class PytestRunner:
    """Django's TEST_RUNNER protocol in front of pytest."""

    def __init__(self, *, verbosity: int = 1, failfast: bool = False, **_: Any) -> None:
        self._options = ["-x"] if failfast else []
        self._options += ["-v"] if verbosity > 1 else []

    def run_tests(self, test_labels: list[str], **_: Any) -> int:
        """Run pytest in a process of its own and return its exit code.

        A new process, because the tests configure Django for themselves. The database server
        is the service's own one unless TEST_DATABASE_URL names another.
        """
        environment = {"TEST_DATABASE_URL": os.environ["BILLING_DATABASE_URL"], **os.environ}
        # With it, pytest would set Django up before the tests have prepared its environment.
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        # A container's file system is read-only, so pytest keeps no cache.
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
        command += [*self._options, *test_labels]
        return subprocess.run(command, env=environment, check=False).returncode
