"""Checks the gateway's configuration by starting Traefik on it.

Traefik ignores a router whose middleware is wrong, and the whole dynamic file for one unknown
name. Its health check stays green; only its log shows it.
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
# Traefik reads the dynamic file after its provider's throttle of one second.
_RUN_SECONDS = 3.0
_STOP_SECONDS = 5.0


def check_gateway(gateway_dir: Path, *, traefik: str | None) -> Finding:
    """Start Traefik for three seconds on a copy of the configuration, and read its log.

    Args:
        gateway_dir: The folder with `traefik.yml` and `dynamic/`. Free ports replace its ports.
        traefik: Path of the program, or None if it is not installed.
    """
    if traefik is None:
        return unchecked(_SUBJECT, "Not checked: there is no traefik program on PATH.")
    if not (gateway_dir / "traefik.yml").is_file():
        return unchecked(_SUBJECT, f"Not checked: there is no traefik.yml in {gateway_dir}.")
    with tempfile.TemporaryDirectory(prefix="auth-service-doctor-") as name:
        directory = Path(name)
        shutil.copytree(gateway_dir, directory, dirs_exist_ok=True)
        static = directory / "traefik.yml"
        static.write_text(_ADDRESS.sub(_free_address, static.read_text()))
        errors, exit_code = _run_traefik(traefik, directory)
    if exit_code is not None:
        reason = errors[0] if errors else f"exit code {exit_code}"
        return wrong(_SUBJECT, f"Traefik does not start on {gateway_dir}: {reason}")
    if errors:
        return wrong(_SUBJECT, f"Traefik ignores a part of {gateway_dir}: {errors[0]}")
    return ok(_SUBJECT, f"Traefik starts on {gateway_dir} without an error.")


def find_traefik(program: str | None) -> str | None:
    """Return the absolute path of a program, or of `traefik` on PATH; None if there is none."""
    found = shutil.which(program or "traefik")
    return str(Path(found).absolute()) if found else None


def _run_traefik(traefik: str, directory: Path) -> tuple[list[str], int | None]:
    log = directory / "traefik.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 # the operator chooses the program
            [traefik, "--configFile=traefik.yml"],
            cwd=directory,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + _RUN_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    exit_code = process.returncode
    if exit_code is None:
        process.terminate()
        process.wait(_STOP_SECONDS)
    return _errors(log.read_text(errors="replace")), exit_code


def _errors(log: str) -> list[str]:
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
