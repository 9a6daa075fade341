"""Whether the gateway's configuration boots, found out by booting it.

Traefik drops a router whose middleware is wrong, or the whole dynamic file for one unknown
name, and its health check stays green; only its log tells.
"""

import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from auth_service.commands.findings import Finding, ok, unchecked, wrong

_SUBJECT = "gateway"
_ADDRESS = re.compile(r'address: "[^"]*"')
# The dynamic file is read after the provider's throttle of one second.
_WATCH_SECONDS = 3.0
_STOP_SECONDS = 5.0


def check_gateway(gateway_dir: Path, *, traefik: str | None) -> Finding:
    """Start Traefik on a copy of the configuration, on free ports, and read its log.

    Args:
        gateway_dir: The folder with `traefik.yml` and `dynamic/`.
        traefik: The program; None where there is none.
    """
    if traefik is None:
        return unchecked(_SUBJECT, "not checked: there is no traefik program on PATH.")
    if not (gateway_dir / "traefik.yml").is_file():
        return unchecked(_SUBJECT, f"not checked: there is no traefik.yml in {gateway_dir}.")
    with tempfile.TemporaryDirectory(prefix="auth-service-doctor-") as name:
        directory = Path(name)
        shutil.copytree(gateway_dir, directory, dirs_exist_ok=True)
        static = directory / "traefik.yml"
        static.write_text(_ADDRESS.sub(_free_address, static.read_text()))
        complaints, exit_code = _watch(traefik, directory)
    if exit_code is not None:
        reason = complaints[0] if complaints else f"exit code {exit_code}"
        return wrong(_SUBJECT, f"Traefik does not start on {gateway_dir}: {reason}")
    if complaints:
        return wrong(_SUBJECT, f"Traefik drops part of {gateway_dir}: {complaints[0]}")
    return ok(_SUBJECT, f"Traefik starts on {gateway_dir} without a complaint.")


def program(named: str | None) -> str | None:
    """Find the traefik program: the one named, else the one on PATH."""
    found = shutil.which(named or "traefik")
    # Absolute, because it is started in another directory.
    return str(Path(found).absolute()) if found else None


def _watch(traefik: str, directory: Path) -> tuple[list[str], int | None]:
    log = directory / "traefik.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 # the operator names the program
            [traefik, "--configFile=traefik.yml"],
            cwd=directory,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + _WATCH_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    exit_code = process.returncode
    if exit_code is None:
        process.terminate()
        process.wait(_STOP_SECONDS)
    return _complaints(log.read_text(errors="replace")), exit_code


def _complaints(log: str) -> list[str]:
    found = []
    for line in log.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            entry = {"level": "error", "message": line} if "error" in line.lower() else {}
        if entry.get("level") in ("error", "fatal", "panic"):
            found.append(str(entry.get("error") or entry.get("message")))
    return found


def _free_address(_: re.Match[str]) -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f'address: "127.0.0.1:{probe.getsockname()[1]}"'
