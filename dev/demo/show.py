"""How the demo looks: a heading, the request, the answer and a verdict for each step."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.syntax import Syntax
from rich.text import Text

from dev.demo.visitor import Exchange
from dev.errors import DemoFailed

_TOKEN = re.compile(r"eyJ[\w-]{20,}(?:\.[\w-]+)*")
_SECRET_FIELDS = {"password", "password1", "password2"}
_THEME = "ansi_dark"
# Longer objects get a line for each member.
_ONE_LINE = 74


@dataclass(frozen=True)
class Line:
    """One line of the closing summary."""

    title: str
    exchange: Exchange


class Show:
    """Shows the demo on a console and remembers it for the summary."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.lines: list[Line] = []
        self._title = ""
        self._count = 0
        self._began = 0.0

    def opening(self, base_url: str) -> None:
        """Print what the demo is going to do."""
        words = Text.assemble(
            ("Auth and billing, step by step\n", "bold"),
            ("Every request below really goes through the gateway at ", "dim"),
            (base_url, "cyan"),
        )
        self.console.print(Panel(words, box=box.ROUNDED, border_style="cyan", padding=(0, 2)))

    def step(self, title: str) -> None:
        """Begin a step: its title says what the user does."""
        self._count += 1
        self._began = self._began or time.monotonic()
        self._title = title
        heading = Text.assemble((f"{self._count:>2} ", "bold cyan"), (title, "bold"))
        self.console.print()
        self.console.print(Rule(heading, align="left", style="dim", characters="─"))

    def expect(self, exchange: Exchange, status: int, remark: str = "") -> None:
        """Show an exchange and require its status.

        Args:
            exchange: The request and its answer.
            status: The status it must have.
            remark: What the answer shows.

        Raises:
            DemoFailed: Another status was answered.
        """
        right = exchange.status == status
        self.lines.append(Line(self._title, exchange))
        self.console.print(Padding(self._exchange(exchange, right=right), (0, 0, 0, 3)))
        if remark and right:
            self.console.print(Padding(Text(remark, style="dim italic"), (0, 0, 0, 3)))
        if not right:
            raise DemoFailed(
                f"{exchange.method} {exchange.path} answered {exchange.status} instead of {status}."
            )

    def ask(self, request: str) -> None:
        """Ask the person at the keyboard for something."""
        self.console.print(Padding(Text(request, style="bold yellow"), (0, 0, 0, 3)))

    @contextmanager
    def waiting(self, words: str) -> Iterator[None]:
        """Show that the demo is waiting."""
        if self.console.is_terminal:
            with self.console.status(words, spinner="dots"):
                yield
        else:
            yield

    def summary(self, closing: str) -> None:
        """Print all steps on one screen, and what happens to the system now."""
        # The border and its padding take four columns.
        width = self.console.width - 4
        lines = [
            _summary_line(number, line, width=width)
            for number, line in enumerate(self.lines, start=1)
        ]
        seconds = time.monotonic() - self._began
        end = Text.assemble(
            ("✓ ", "bold green"),
            (f"{len(self.lines)} steps in {seconds:.1f} s. ", "bold"),
            (closing, ""),
        )
        self.console.print()
        self.console.print(
            Panel(
                Group(*lines, Text(), end),
                title="[bold]The demo in one screen",
                title_align="left",
                box=box.ROUNDED,
                border_style="green",
                padding=(0, 1),
                expand=False,
            )
        )

    def _exchange(self, exchange: Exchange, *, right: bool) -> Group:
        request = Text.assemble(("→ ", "dim"), (f"{exchange.method} ", "bold"))
        request.append(exchange.path, style="cyan")
        answer = Text.assemble(
            ("✓ " if right else "✗ ", "bold green" if right else "bold red"),
            _status(exchange),
            (f"   {exchange.milliseconds:.0f} ms", "dim"),
        )
        return Group(
            request,
            *([_json(exchange.sent)] if exchange.sent else []),
            answer,
            *([_json(exchange.answer)] if exchange.answer else []),
        )


def _summary_line(number: int, line: Line, *, width: int) -> Text:
    exchange = line.exchange
    text = Text.assemble(
        (f"{number:>2}  ", "dim"),
        f"{line.title:<38.38} ",
        (f"{exchange.status} ", _status(exchange).style),
        (f"{exchange.milliseconds:>5.0f} ms  ", "dim"),
        (f"{exchange.method:<5}", "cyan"),
    )
    path, room = _short_path(exchange.path), width - len(text)
    # The end of a path says more than its beginning.
    text.append(path if len(path) <= room else f"…{path[-room + 1 :]}", "cyan")
    return text


def _status(exchange: Exchange) -> Text:
    style = {2: "green", 3: "green", 4: "yellow", 5: "red"}.get(exchange.status // 100, "")
    return Text(f"{exchange.status} {exchange.reason}", style=style)


def _json(value: Any) -> Padding:
    if isinstance(value, str):
        return Padding(Text(value, style="dim"), (0, 0, 0, 2))
    shown = _without_secrets(value)
    text = json.dumps(shown, ensure_ascii=False)
    if len(text) > _ONE_LINE:
        text = json.dumps(shown, indent=2, ensure_ascii=False)
    # Only the beginning of a token: it has 700 characters, and the output may end up in a log.
    text = _TOKEN.sub(lambda token: f"{token[0][:24]}…", text)
    syntax = Syntax(text, "json", theme=_THEME, background_color="default", word_wrap=True)
    return Padding(syntax, (0, 0, 0, 2))


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: "••••••••" if name in _SECRET_FIELDS else _without_secrets(inner)
            for name, inner in value.items()
        }
    return value


def _short_path(path: str) -> str:
    path = re.sub(r"https?://[^/]+", "", path).partition("?")[0]
    return re.sub(r"((?:pi|seti|cs)_\w{4})\w+", r"\1…", path)
