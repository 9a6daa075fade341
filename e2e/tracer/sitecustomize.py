"""Notes which functions of ours each request and each job runs.

Python imports this file by itself in every process that has its folder in PYTHONPATH. `make walk`
starts the services so, with these variables:

    WALK_SERVER   uvicorn, gunicorn or worker: the program whose requests are traced
    WALK_SOURCES  the folder of our code
    WALK_FILE     takes one line of JSON per request or job when it has ended
"""

import functools
import importlib
import inspect
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """Where a server begins to work on one request: a method, and what the request is called."""

    module: str
    type_name: str
    method: str
    title: Callable[..., str]


ENTRIES = {
    "uvicorn": Entry(
        "uvicorn.protocols.http.httptools_impl",
        "RequestResponseCycle",
        "run_asgi",
        lambda cycle, *_: f"{cycle.scope['method']} {cycle.scope['path']}",
    ),
    "gunicorn": Entry(
        "gunicorn.workers.gthread",
        "ThreadWorker",
        "handle_request",
        lambda _worker, request, *_: f"{request.method} {request.path}",
    ),
    # The worker gives the events of one customer to a thread of a pool.
    "worker": Entry(
        "concurrent.futures.thread",
        "_WorkItem",
        "run",
        lambda item: f"thread {item.fn.__name__}",
    ),
}

_SOURCES = os.environ["WALK_SOURCES"]
# The functions of the request at hand, by file; both in the order of their first call. A context
# variable follows the request into other threads and tasks, and stays out of background work.
_functions: ContextVar[dict[str, dict[str, None]] | None] = ContextVar("functions", default=None)


def _note(frame: FrameType, event: str, _arg: object) -> None:
    if event != "call" or (functions := _functions.get()) is None:
        return
    code = frame.f_code
    file = code.co_filename
    if file.startswith(_SOURCES) and "/.venv/" not in file and code.co_name != "<module>":
        functions.setdefault(file[len(_SOURCES) + 1 :], {})[code.co_qualname] = None


@contextmanager
def _traced(title: str) -> Iterator[None]:
    functions: dict[str, dict[str, None]] = {}
    token = _functions.set(functions)
    try:
        yield
    finally:
        _functions.reset(token)
        files = [[file, len(names)] for file, names in functions.items()]
        line = json.dumps({"title": title, "files": files})
        with open(os.environ["WALK_FILE"], "a") as output:
            output.write(f"{line}\n")


def _wrap(entry: Entry) -> None:
    owner = getattr(importlib.import_module(entry.module), entry.type_name)
    method = getattr(owner, entry.method)

    @functools.wraps(method)
    def traced(*arguments: Any) -> Any:
        with _traced(entry.title(*arguments)):
            return method(*arguments)

    @functools.wraps(method)
    async def traced_coroutine(*arguments: Any) -> Any:
        with _traced(entry.title(*arguments)):
            return await method(*arguments)

    wrapper = traced_coroutine if inspect.iscoroutinefunction(method) else traced
    setattr(owner, entry.method, wrapper)


_wrap(ENTRIES[os.environ["WALK_SERVER"]])
threading.setprofile(_note)
sys.setprofile(_note)
