"""Traefik, and its static file, in which it does not replace variables itself."""

import sys
from pathlib import Path

from dev.errors import BadSetting


def write_files(source: Path, target: Path, *, port: int, ops_port: int) -> None:
    """Write a static file for these ports; the dynamic directory is used where it is.

    Args:
        source: The repository's gateway folder.
        target: The folder of the static file.
        port: The port for clients.
        ops_port: The port of ping and metrics.

    Raises:
        BadSetting: The repository's static file has lost a line that is replaced.
    """
    static = (source / "traefik.yml").read_text()
    for written, ours in {
        'address: ":8000"': f'address: "127.0.0.1:{port}"',
        'address: "127.0.0.1:8082"': f'address: "127.0.0.1:{ops_port}"',
        "directory: dynamic": f"directory: {source / 'dynamic'}",
        # On one machine there is no load balancer that has to notice first.
        "requestAcceptGraceTimeout: 2s": "requestAcceptGraceTimeout: 0s",
    }.items():
        if written not in static:
            raise BadSetting(f"gateway/traefik.yml no longer has the line {written!r}.")
        static = static.replace(written, ours)
    target.mkdir(parents=True, exist_ok=True)
    (target / "traefik.yml").write_text(static)


def argv(target: Path) -> tuple[str, ...]:
    """The command that runs the gateway on the files written to the target."""
    program = Path(sys.executable).with_name("traefik")
    return (str(program), f"--configFile={target / 'traefik.yml'}")
