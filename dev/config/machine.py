"""Variables of the machine or the terminal, which are no settings of the system."""

from fnmatch import fnmatchcase

# What any program needs from the machine it runs on.
_MACHINE = (
    "PATH",
    "HOME",
    "LANG",
    "LC_*",
    "TZ",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)


def is_of_the_machine(name: str) -> bool:
    """Whether a variable describes the machine or the terminal rather than the system."""
    return any(fnmatchcase(name, pattern) for pattern in _MACHINE)
