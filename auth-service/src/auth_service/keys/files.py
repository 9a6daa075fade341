"""The key directory on disk: its owner and modes, atomic writes, and the lock of its writers."""

import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from auth_service.keys.errors import KeyFileRefused, KeysBusy, KeysError

MANIFEST_NAME = "manifest.json"
LOCK_NAME = ".lock"
_LOCK_RETRY_SECONDS = 0.05


def pem_name(kid: str) -> str:
    return f"{kid}.pem"


def prepare_directory(keys_dir: Path) -> None:
    """Create the key directory with mode 0700, or set that mode if it has no manifest yet.

    In a fresh clone the directory has the mode of the umask, and nothing secret has been in it.
    Once it has keys, a wrong mode is refused instead: the keys may have been read.

    Raises:
        KeyFileRefused: It is a symbolic link, no directory, or belongs to another user.
    """
    try:
        keys_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (keys_dir / MANIFEST_NAME).exists() and keys_dir.stat().st_uid == os.geteuid():
            keys_dir.chmod(0o700)
    except OSError as error:
        raise KeyFileRefused(f"Cannot create the key directory {keys_dir}: {error}.") from error
    check_directory(keys_dir)


def check_directory(keys_dir: Path) -> None:
    """Check that other users can neither read nor write the key directory.

    Raises:
        KeyFileRefused: They can; the message says what to change.
    """
    try:
        found = os.lstat(keys_dir)
    except OSError as error:
        raise KeyFileRefused(
            f"The key directory {keys_dir} cannot be read ({error.strerror}). "
            "`auth-service keys init` creates it."
        ) from error
    if stat.S_ISLNK(found.st_mode):
        raise KeyFileRefused(
            f"{keys_dir} is a symbolic link. Set KEYS_DIR to the directory itself."
        )
    if not stat.S_ISDIR(found.st_mode):
        raise KeyFileRefused(f"{keys_dir} is not a directory.")
    _check_owner_and_mode(keys_dir, found, allowed_mode=0o700)


def read_private_file(path: Path) -> bytes:
    """Read a file of the key directory. The checks apply to the file that was opened.

    Raises:
        KeyFileRefused: It is a symbolic link, belongs to another user, or its mode allows more
            than 0600.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise KeyFileRefused(
                f"{path} is a symbolic link. Replace it by the file itself."
            ) from error
        raise KeyFileRefused(f"{path} cannot be read: {error.strerror}.") from error
    with os.fdopen(descriptor, "rb") as opened:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise KeyFileRefused(f"{path} is not a regular file.")
        _check_owner_and_mode(path, found, allowed_mode=0o600)
        return opened.read()


def write_private_file(path: Path, content: bytes) -> None:
    """Replace a file in one step: a reader, or a crash, sees the old or the new content."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Flush a directory to disk, so that a rename or removal in it survives a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def exclusive_lock(keys_dir: Path, *, timeout_seconds: float = 30.0) -> Iterator[None]:
    """Hold the lock that lets one process at a time change the keys.

    The kernel releases the lock of a process that ends.

    Raises:
        KeysBusy: Another process held it for `timeout_seconds`.
        KeyFileRefused: The lock file cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(keys_dir / LOCK_NAME, flags, 0o600)
    except OSError as error:
        raise KeyFileRefused(f"Cannot change keys in {keys_dir}: {error.strerror}.") from error
    try:
        _wait_for_lock(descriptor, keys_dir, timeout_seconds=timeout_seconds)
        yield
    finally:
        os.close(descriptor)


def save_private_key(
    keys_dir: Path, kid: str, private_key: RSAPrivateKey, *, passphrase: bytes | None
) -> None:
    """Write a private key as a PKCS#8 PEM file, encrypted if there is a passphrase."""
    encryption = (
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption()
    )
    pem = private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
    write_private_file(keys_dir / pem_name(kid), pem)


def load_private_key(keys_dir: Path, kid: str, *, passphrase: bytes | None) -> RSAPrivateKey:
    """Read a private key.

    Raises:
        KeyFileRefused: Other users could have read or written the file.
        KeysError: It is not an RSA key, or the passphrase is missing or wrong.
    """
    path = keys_dir / pem_name(kid)
    pem = read_private_file(path)
    # cryptography refuses a passphrase for a key without one. But an operator who starts to use
    # a passphrase has such keys.
    encrypted = b"BEGIN ENCRYPTED PRIVATE KEY" in pem
    if encrypted and passphrase is None:
        raise KeysError(f"{path} is encrypted. Set KEYS_PASSPHRASE_FILE.")
    try:
        key = serialization.load_pem_private_key(pem, password=passphrase if encrypted else None)
    except (ValueError, TypeError) as error:
        raise KeysError(f"{path} cannot be decrypted. Check the passphrase. ({error})") from error
    if not isinstance(key, RSAPrivateKey):
        raise KeysError(f"{path} is not an RSA key.")
    return key


def read_passphrase(path: Path | None) -> bytes | None:
    """Read the passphrase of the private keys, without the line break at its end.

    Raises:
        KeyFileRefused: Other users could have read it.
        KeysError: It is empty.
    """
    if path is None:
        return None
    passphrase = read_private_file(path).rstrip(b"\r\n")
    if not passphrase:
        raise KeysError(f"The passphrase file {path} is empty.")
    return passphrase


def _check_owner_and_mode(path: Path, found: os.stat_result, *, allowed_mode: int) -> None:
    if found.st_uid != os.geteuid():
        raise KeyFileRefused(
            f"{path} belongs to user {found.st_uid}, but this process is user {os.geteuid()}. "
            f"Change its owner."
        )
    mode = stat.S_IMODE(found.st_mode)
    if mode & ~allowed_mode:
        raise KeyFileRefused(
            f"{path} has mode {mode:04o}, so other users may have read it. "
            f"Run `chmod {allowed_mode:o} {path}`, and rotate the keys if it was read."
        )


def _wait_for_lock(descriptor: int, keys_dir: Path, *, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise KeysBusy(
                    f"Another process has been changing {keys_dir} for {timeout_seconds:.0f} s. "
                    "Try again when it has finished."
                ) from error
        time.sleep(_LOCK_RETRY_SECONDS)
