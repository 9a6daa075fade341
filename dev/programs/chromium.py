"""Finds a Chromium for the browser tests, or installs one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from dev.errors import ToolMissing

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def executable() -> str:
    """The path of a Chromium; it is installed if there is none.

    A distribution's package is preferred, because it brings the libraries it needs. Where we may
    not install packages, Playwright's own build is used.

    Raises:
        ToolMissing: There is none, and none could be installed.
    """
    for get in (_installed, _from_apt, _from_playwright):
        if path := get():
            return path
    raise ToolMissing("Chromium is missing: install it, the browser tests need it.")


def _installed() -> str | None:
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def _from_apt() -> str | None:
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return None
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        subprocess.run([apt, "-qq", *arguments], env=env, capture_output=True, check=False)
    return _installed()


def _from_playwright() -> str | None:
    from playwright.sync_api import sync_playwright

    def path() -> str | None:
        with sync_playwright() as playwright:
            found = Path(playwright.chromium.executable_path)
        return str(found) if found.exists() else None

    if path() is None:
        command = [sys.executable, "-m", "playwright", "install", "chromium"]
        subprocess.run(command, capture_output=True, check=False)
    return path()
