"""Files that another run of the launcher reads: whole, or not there."""

import os
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a file that nobody else may read; whoever is killed meanwhile leaves the old one.

    Args:
        path: The file; an older one is replaced.
        text: What it holds.
    """
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    staging.replace(path)
