"""Ports of this machine: which are free, and which program has one that is not."""

import errno
import itertools
import os
import socket
from contextlib import suppress

import psutil

from dev.errors import PortTaken

# Below the range of outgoing connections, each port once, and a different range for each process:
# on a busy machine a port can be taken between the choice and its use.
_PORTS = itertools.count(10_000 + os.getpid() * 61 % 20_000)


def free_port() -> int:
    """A port that is free and that this process does not choose again."""
    # A port that a process has bound and does not listen on yet counts as taken here.
    return next(port for port in _PORTS if not is_taken(port, also_if_bound=True))


def require_free_port(variable: str, port: int) -> None:
    """Refuse to go on when another program listens on the port.

    Args:
        variable: The setting that changes the port.
        port: A port of this machine.

    Raises:
        PortTaken: Names the variable and, where it can be seen, the program.
    """
    if is_taken(port):
        raise PortTaken(
            f"Port {port} is taken by {_listener(port)}:"
            f" stop it, or set {variable} to another port."
        )


def is_taken(port: int, *, also_if_bound: bool = False) -> bool:
    """Whether a program listens on a port, at 127.0.0.1 or at ::1, which browsers try first.

    Args:
        port: A port of this machine.
        also_if_bound: Count ports that are bound without a listener, too. That includes the ports
            of connections which were closed within the last minute.
    """
    return any(
        _is_taken(port, family, address, reuse=not also_if_bound)
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
    )


def _is_taken(port: int, family: socket.AddressFamily, address: str, *, reuse: bool) -> bool:
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
            probe.bind((address, port))
    except OSError as error:
        # A machine without IPv6 has no such address.
        return error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return False


def _listener(port: int) -> str:
    with suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            local = connection.laddr
            if connection.pid and local and local.port == port and connection.status == "LISTEN":
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return "another program"
