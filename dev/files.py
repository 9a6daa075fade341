"""Files that another run of the launcher reads: complete, or not there."""

import os
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a file that only its owner may read.

    If the process is killed meanwhile, the old file is still there.
    """
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    staging.replace(path)
