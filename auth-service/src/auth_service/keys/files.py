"""The key directory on disk: who may touch it, atomic writes, and the lock between writers."""

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
    """Name the file of a private key."""
    return f"{kid}.pem"


def prepare_directory(keys_dir: Path) -> None:
    """Create the key directory, or take over one that holds no manifest yet.

    A fresh clone brings the directory with whatever mode the umask gave it; nothing secret has
    been in it so far, so closing it is safe. Once it holds keys, a loose mode is refused instead.

    Raises:
        KeyFileRefused: It is a symbolic link, not a directory, or belongs to somebody else.
    """
    try:
        keys_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (keys_dir / MANIFEST_NAME).exists() and keys_dir.stat().st_uid == os.geteuid():
            keys_dir.chmod(0o700)
    except OSError as error:
        raise KeyFileRefused(f"Cannot create the key directory {keys_dir}: {error}.") from error
    check_directory(keys_dir)


def check_directory(keys_dir: Path) -> None:
    """Refuse a key directory that somebody else could look or write into.

    Raises:
        KeyFileRefused: One sentence that says what to change.
    """
    try:
        found = os.lstat(keys_dir)
    except OSError as error:
        raise KeyFileRefused(
            f"The key directory {keys_dir} cannot be read ({error.strerror}); "
            "`auth-service keys init` creates it."
        ) from error
    if stat.S_ISLNK(found.st_mode):
        raise KeyFileRefused(f"{keys_dir} is a symbolic link; set KEYS_DIR to the real directory.")
    if not stat.S_ISDIR(found.st_mode):
        raise KeyFileRefused(f"{keys_dir} is not a directory.")
    _check_owner_and_mode(keys_dir, found, allowed_mode=0o700)


def read_private_file(path: Path) -> bytes:
    """Read a file of the key directory after checking the very file that was opened.

    Raises:
        KeyFileRefused: A symbolic link, a foreign owner or a mode looser than 0600.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise KeyFileRefused(
                f"{path} is a symbolic link; put the file itself there."
            ) from error
        raise KeyFileRefused(f"{path} cannot be read: {error.strerror}.") from error
    with os.fdopen(descriptor, "rb") as opened:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise KeyFileRefused(f"{path} is not a regular file.")
        _check_owner_and_mode(path, found, allowed_mode=0o600)
        return opened.read()


def write_private_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old one or the new one whole."""
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
    """Make a rename or a removal survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def exclusive_lock(keys_dir: Path, *, timeout_seconds: float = 30.0) -> Iterator[None]:
    """Let one process at a time change the keys; the kernel frees the lock of a dead one.

    Raises:
        KeysBusy: Another process held it for `timeout_seconds`.
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
    """Store a private key as PKCS#8, encrypted where a passphrase is given."""
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
    """Read a private key back.

    Raises:
        KeyFileRefused: The file may not be trusted.
        KeysError: It is no RSA key, or the passphrase is missing or wrong.
    """
    path = keys_dir / pem_name(kid)
    pem = read_private_file(path)
    # A passphrase for a key that was stored without one is an error to cryptography; here it
    # is an ordinary moment of switching encryption on.
    encrypted = b"BEGIN ENCRYPTED PRIVATE KEY" in pem
    if encrypted and passphrase is None:
        raise KeysError(f"{path} is encrypted; set KEYS_PASSPHRASE_FILE.")
    try:
        key = serialization.load_pem_private_key(pem, password=passphrase if encrypted else None)
    except (ValueError, TypeError) as error:
        raise KeysError(f"{path} cannot be opened; is the passphrase right? ({error})") from error
    if not isinstance(key, RSAPrivateKey):
        raise KeysError(f"{path} is not an RSA key.")
    return key


def read_passphrase(path: Path | None) -> bytes | None:
    """Read the passphrase of the private keys; a final line break is not part of it.

    Raises:
        KeyFileRefused: Others could have read it.
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
            f"{path} belongs to user {found.st_uid}, but this process is user {os.geteuid()}; "
            f"change its owner."
        )
    mode = stat.S_IMODE(found.st_mode)
    if mode & ~allowed_mode:
        raise KeyFileRefused(
            f"{path} has mode {mode:04o}, so others may reach it; "
            f"run `chmod {allowed_mode:o} {path}` and, unless you know that nobody did, "
            "rotate the keys."
        )


def _wait_for_lock(descriptor: int, keys_dir: Path, *, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise KeysBusy(
                    f"Another process has been changing {keys_dir} for {timeout_seconds:.0f} s; "
                    "try again when it is done."
                ) from error
        time.sleep(_LOCK_RETRY_SECONDS)
