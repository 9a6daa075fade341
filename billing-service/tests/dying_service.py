"""A service process that kills itself at a chosen step: `python -m tests.dying_service`.

It reads one JSON line a request and forks a child for each; the child answers the request in the
real Django stack, counting the steps at which the outside world can see it: before and after
every call to Stripe, and before and after every commit. At the chosen step it sends itself
SIGKILL, or something happens elsewhere. The parent never opens a connection, so that every child
starts clean.
"""

import json
import os
import re
import signal
import sys
from collections.abc import Callable
from typing import Any

import django
import httpx


class _Steps:
    """Counts steps, and lets something happen at one of them.

    Args:
        at: The number of the step; None for never.
        what: `kill`, `authenticate <intent>` (the user completes 3-D Secure in the bank's page at
            that moment) or `other-account <address>` (the next call goes to another account).
    """

    def __init__(self, *, at: int | None, what: str) -> None:
        self._at = at
        self._what, _, self._argument = what.partition(" ")
        self.names: list[str] = []
        self.next_base = ""

    def reach(self, name: str) -> None:
        """Note a step; one that kills never returns."""
        self.names.append(name)
        if len(self.names) - 1 != self._at:
            return
        if self._what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self._what == "authenticate":
            url = f"{os.environ['STRIPE_API_BASE']}/hosted/authenticate/{self._argument}"
            # Refused if the payment was given up before: the user was too late.
            httpx.post(url, data={"outcome": "complete"})
        if self._what == "other-account":
            self.next_base = self._argument

    def around(self, name: str, work: Callable[[], Any]) -> Any:
        """Do some work with a step before and one after it."""
        self.reach(f"before {name}")
        result = work()
        self.reach(f"after {name}")
        return result


def _watch(steps: _Steps) -> None:
    from django.db.backends.base.base import BaseDatabaseWrapper  # noqa: PLC0415 - Django must be set up first
    from django.db.backends.utils import CursorWrapper  # noqa: PLC0415 - Django must be set up first

    from subscriptions.stripe_gateway.client import _BudgetSession  # noqa: PLC0415 - Django must be set up first

    send, commit, execute = (
        _BudgetSession.request,
        BaseDatabaseWrapper._commit,  # type: ignore[attr-defined]  # unknown to the stubs
        CursorWrapper.execute,
    )

    def watched_send(self: Any, method: str, url: str, **kwargs: Any) -> Any:
        name = f"{method.upper()} {_resource(url)}"

        def sent() -> Any:
            base, steps.next_base = steps.next_base, ""
            address = url.replace(os.environ["STRIPE_API_BASE"], base) if base else url
            return send(self, method, address, **kwargs)

        return steps.around(name, sent)

    def watched_commit(self: Any) -> Any:
        return steps.around("commit", lambda: commit(self))

    def watched_execute(self: Any, sql: Any, params: Any = None) -> Any:
        writes = str(sql).lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE")
        if writes and not self.db.in_atomic_block:
            return steps.around("single write", lambda: execute(self, sql, params))
        return execute(self, sql, params)

    _BudgetSession.request = watched_send  # type: ignore[method-assign]
    BaseDatabaseWrapper._commit = watched_commit  # type: ignore[attr-defined]
    CursorWrapper.execute = watched_execute  # type: ignore[method-assign]


def _resource(url: str) -> str:
    """Name what a call is about, without ids: those have an underscore and a digit."""
    path = url.partition("/v1/")[2].partition("?")[0]
    return "/".join(part for part in path.split("/") if not re.search(r"_.*[A-Z0-9]", part))


def _send_also(extra: dict[str, dict[str, Any]]) -> None:
    """Call Stripe as another release of this service would.

    Args:
        extra: Parameters to add to the POSTs at a path.
    """
    from subscriptions.stripe_gateway import client, customers, subscriptions  # noqa: PLC0415 - Django must be set up first

    call = client.call

    def changed(method: Any, path: str, *ids: str, params: Any = None, **kwargs: Any) -> Any:
        added = extra.get(path, {}) if method == "post" else {}
        return call(method, path, *ids, params={**(params or {}), **added}, **kwargs)

    for module in (customers, subscriptions):
        module.call = changed  # type: ignore[attr-defined]


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    from django.test import Client  # noqa: PLC0415 - Django must be set up first

    steps = _Steps(at=request["at"], what=request["what"])
    _watch(steps)
    _send_also(request["extra_params"])
    answer = Client().post(
        request["path"],
        data=request["body"],
        content_type="application/json",
        headers=request["headers"],
    )
    return {"status": answer.status_code, "steps": steps.names}


def main() -> None:
    """Answer until standard input ends."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    # Imports everything a request needs, so that children start at once.
    from django.urls import get_resolver  # noqa: PLC0415 - Django must be set up first

    get_resolver().url_patterns  # noqa: B018 - the import is the point
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            os.write(writing, json.dumps(_answer(json.loads(line))).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            answer = pipe.read()
        _, status = os.waitpid(child, 0)
        died = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        sys.stdout.write(json.dumps({"died": died, **json.loads(answer or "{}")}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
