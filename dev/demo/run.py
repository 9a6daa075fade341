"""Starts a system for the demo if none is running, and stops what it started."""

from dev import lifecycle
from dev.demo.journey import walk
from dev.demo.show import Show
from dev.screen import Progress, console
from dev.system import System


def against(base_url: str) -> None:
    """Walk the demo through a gateway that is running already.

    Args:
        base_url: The gateway's address.

    Raises:
        DemoFailed: A step got another answer than the one it shows.
    """
    show = Show(console)
    show.opening(base_url)
    walk(base_url, show)
    show.summary("Nothing was started, nothing was stopped.")


def on_this_machine(system: System) -> None:
    """Walk the demo on this machine; what the demo starts, it stops.

    Args:
        system: The system of these settings, running or not.

    Raises:
        LauncherError: The system cannot be started, or a step went wrong.
    """
    url = system.settings.public_url
    show = Show(console)
    show.opening(url)
    found_running = lifecycle.runs_any(system)
    try:
        if not lifecycle.is_up(system):
            with Progress([component.name for component in system.components]) as progress:
                lifecycle.bring_up(system, watcher=progress)
        walk(url, show)
    finally:
        if not found_running:
            lifecycle.take_down(system)
    show.summary(
        f"The system keeps running: {url}/api/docs/"
        if found_running
        else "Everything that was started is stopped. Try it yourself: make up"
    )
