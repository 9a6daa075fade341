"""The gateway's program and its static file, which Traefik cannot fill ports into itself."""

import sys
from pathlib import Path

from dev.errors import BadSetting


def write_files(source: Path, target: Path, *, port: int, ops_port: int) -> None:
    """Write a static file for these ports; the dynamic directory is used where it is.

    Args:
        source: The repository's gateway folder.
        target: Where the static file goes.
        port: Where clients connect.
        ops_port: Where ping and metrics are.

    Raises:
        BadSetting: The repository's static file no longer has a line that is filled in.
    """
    static = (source / "traefik.yml").read_text()
    for written, ours in {
        'address: ":8000"': f'address: "127.0.0.1:{port}"',
        'address: "127.0.0.1:8082"': f'address: "127.0.0.1:{ops_port}"',
        "directory: dynamic": f"directory: {source / 'dynamic'}",
        # On one machine nobody has to be told to send requests elsewhere first.
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
