"""The key directory on disk: its modes, and that no crash or race breaks it."""

import json
import multiprocessing
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from auth_service.keys import (
    KeyFileRefused,
    KeysBusy,
    KeysError,
    KeyStore,
    KeyTimings,
    open_key_ring,
    read_passphrase,
    thumbprint,
)
from auth_service.keys.files import exclusive_lock, write_private_file

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
TIMINGS = KeyTimings(access_lifetime_seconds=300, refresh_lifetime_seconds=86_400)


def store_at(keys_dir: Path, passphrase: bytes | None = None) -> KeyStore:
    """Open a key directory as the commands do."""
    return KeyStore(keys_dir, passphrase=passphrase, environment="local", timings=TIMINGS)


@pytest.fixture
def keys_dir(tmp_path: Path) -> Path:
    """A key directory with one signing key."""
    store_at(tmp_path / "keys").ensure(now=NOW, spare=False)
    return tmp_path / "keys"


def test_keys_are_readable_by_their_owner_only(keys_dir: Path) -> None:
    """Another user of the machine can read neither keys nor manifest."""
    modes = {stat.S_IMODE(path.stat().st_mode) for path in keys_dir.iterdir()}

    assert stat.S_IMODE(keys_dir.stat().st_mode) == 0o700
    assert modes == {0o600}


def test_the_directory_of_a_fresh_clone_gets_mode_0700_before_the_first_key(tmp_path: Path) -> None:
    """Git cannot store mode 0700, so the first start sets it."""
    keys_dir = tmp_path / "keys"
    keys_dir.mkdir(mode=0o755)
    (keys_dir / "README.md").write_text("what this folder is")

    store_at(keys_dir).ensure(now=NOW, spare=False)

    assert stat.S_IMODE(keys_dir.stat().st_mode) == 0o700


def test_every_kid_is_the_thumbprint_of_its_key(keys_dir: Path) -> None:
    """A kid can be recomputed from its key, so two keys cannot share one."""
    (entry,) = json.loads((keys_dir / "manifest.json").read_text())["keys"]

    assert entry["kid"] == thumbprint(entry["public_jwk"])
    assert len(entry["kid"]) == 43


def test_the_thumbprint_is_that_of_the_rfc() -> None:
    """RFC 7638 §3.1 has an example with its thumbprint."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJ"
        "ECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2Q"
        "vzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6W"
        "eZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )

    kid = thumbprint({"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"})

    assert kid == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize("name", ["manifest.json", "*.pem"])
def test_a_file_that_others_can_read_is_refused(keys_dir: Path, name: str) -> None:
    """The key may have leaked. The message has the command that corrects the mode."""
    next(keys_dir.glob(name)).chmod(0o640)

    with pytest.raises(KeyFileRefused, match=r"mode 0640.*chmod 600"):
        open_key_ring(keys_dir, passphrase=None, now=NOW)


def test_a_directory_that_others_can_enter_is_refused(keys_dir: Path) -> None:
    """A user who can write to the directory can replace a key."""
    keys_dir.chmod(0o750)

    with pytest.raises(KeyFileRefused, match=r"mode 0750.*chmod 700"):
        open_key_ring(keys_dir, passphrase=None, now=NOW)
    with pytest.raises(KeyFileRefused, match="mode 0750"):
        store_at(keys_dir).rotate(now=NOW)


@pytest.mark.parametrize("name", ["manifest.json", "*.pem"])
def test_a_symbolic_link_in_place_of_a_file_is_refused(
    keys_dir: Path, tmp_path: Path, name: str
) -> None:
    """A link could lead to a file of another user."""
    path = next(keys_dir.glob(name))
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(KeyFileRefused, match="symbolic link"):
        open_key_ring(keys_dir, passphrase=None, now=NOW)


def test_a_symbolic_link_in_place_of_the_directory_is_refused(
    keys_dir: Path, tmp_path: Path
) -> None:
    """The directory itself can be swapped in the same way."""
    link = tmp_path / "link"
    link.symlink_to(keys_dir)

    with pytest.raises(KeyFileRefused, match="symbolic link"):
        open_key_ring(link, passphrase=None, now=NOW)


def test_files_of_another_user_are_refused(keys_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another user owns can be changed by that user at any time."""
    owner = keys_dir.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)

    with pytest.raises(KeyFileRefused, match=f"belongs to user {owner}"):
        open_key_ring(keys_dir, passphrase=None, now=NOW)


def test_a_missing_directory_names_the_command_that_creates_it(tmp_path: Path) -> None:
    """The first error that a new operator sees has the command to run."""
    with pytest.raises(KeysError, match="keys init"):
        open_key_ring(tmp_path / "nowhere", passphrase=None, now=NOW)


def test_encrypted_keys_need_their_passphrase(tmp_path: Path) -> None:
    """A stolen backup of the directory is useless without the passphrase."""
    keys_dir = tmp_path / "keys"
    store_at(keys_dir, b"correct horse").ensure(now=NOW, spare=True)

    ring = open_key_ring(keys_dir, passphrase=b"correct horse", now=NOW)
    assert ring.signing_key(NOW).kid in ring.jwks(NOW).kids
    assert b"ENCRYPTED" in next(keys_dir.glob("*.pem")).read_bytes()
    with pytest.raises(KeysError, match="Check the passphrase"):
        open_key_ring(keys_dir, passphrase=b"wrong", now=NOW)
    with pytest.raises(KeysError, match="KEYS_PASSPHRASE_FILE"):
        open_key_ring(keys_dir, passphrase=None, now=NOW)


def test_encryption_can_start_with_a_rotation(keys_dir: Path) -> None:
    """Unencrypted keys stay usable until their encrypted successors sign."""
    store_at(keys_dir, b"from now on").rotate(now=NOW)

    ring = open_key_ring(keys_dir, passphrase=b"from now on", now=NOW)

    assert len(ring.jwks(NOW).kids) == 3


def test_the_runbook_leaves_no_key_in_plain_text(keys_dir: Path) -> None:
    """After encryption was enabled, the spare key is replaced, then the signing key."""
    spare = store_at(keys_dir).ensure(now=NOW, spare=True).records[1]
    store = store_at(keys_dir, b"from now on")

    store.revoke(spare.kid, now=NOW)
    old = store.rotate(now=NOW).records[0]
    assert old.unpublish_at
    store.add_spare(now=old.unpublish_at)

    left = [path.read_bytes() for path in keys_dir.glob("*.pem")]
    assert [b"ENCRYPTED" in pem for pem in left] == [True, True]


def test_the_passphrase_file_is_protected_like_a_key(tmp_path: Path) -> None:
    """It decrypts the keys, so it needs the same mode."""
    path = tmp_path / "passphrase"
    write_private_file(path, b"correct horse\n")
    assert read_passphrase(path) == b"correct horse"
    assert read_passphrase(None) is None

    path.chmod(0o644)
    with pytest.raises(KeyFileRefused, match="0644"):
        read_passphrase(path)

    write_private_file(path, b"\n")
    with pytest.raises(KeysError, match="empty"):
        read_passphrase(path)


def test_a_private_key_under_another_name_is_refused(keys_dir: Path, tmp_path: Path) -> None:
    """Its tokens would name a key that cannot verify them."""
    store_at(tmp_path / "other").ensure(now=NOW, spare=False)
    foreign = next((tmp_path / "other").glob("*.pem"))
    foreign.rename(next(keys_dir.glob("*.pem")))

    with pytest.raises(KeysError, match="another private key"):
        open_key_ring(keys_dir, passphrase=None, now=NOW)


def test_processes_that_start_at_once_agree_on_one_first_key(tmp_path: Path) -> None:
    """Four workers find an empty directory; one of them creates the keys."""
    keys_dir = tmp_path / "keys"
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[list[str]] = context.Queue()
    workers = [context.Process(target=_ensure, args=(keys_dir, results)) for _ in range(4)]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()

    assert len(found[0]) == 2
    assert found.count(found[0]) == 4
    assert len(list(keys_dir.glob("*.pem"))) == 2


def test_two_commands_do_not_change_keys_at_once(keys_dir: Path) -> None:
    """The second operator gets an error message, and the manifest stays consistent."""
    with (
        exclusive_lock(keys_dir),
        pytest.raises(KeysBusy, match="Another process"),
        exclusive_lock(keys_dir, timeout_seconds=0),
    ):
        pass


def test_a_crash_while_writing_leaves_the_old_keys_in_use(
    keys_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Power lost between the new key's file and the manifest: the next rotation cleans up."""
    before = (keys_dir / "manifest.json").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("auth_service.keys.store.format_manifest", _power_cut)
        with pytest.raises(PowerCutError):
            store_at(keys_dir).rotate(now=NOW)

    assert (keys_dir / "manifest.json").read_bytes() == before
    assert len(list(keys_dir.glob("*.pem"))) == 3, "two new keys were written, and are not used"

    store_at(keys_dir).rotate(now=NOW)
    ring = open_key_ring(keys_dir, passphrase=None, now=NOW)
    assert {path.stem for path in keys_dir.glob("*.pem")} == set(ring.jwks(NOW).kids)


def test_a_full_disk_leaves_no_half_written_file(
    keys_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The full disk is reported before the old file is replaced."""
    target = keys_dir / "manifest.json"
    before, names = target.read_bytes(), sorted(keys_dir.iterdir())
    monkeypatch.setattr(os, "fsync", _disk_full)

    with pytest.raises(OSError, match="No space"):
        write_private_file(target, b"half")

    assert target.read_bytes() == before
    assert sorted(keys_dir.iterdir()) == names


class PowerCutError(Exception):
    """Raised where the process would end."""


def _power_cut(_manifest: object) -> bytes:
    raise PowerCutError


def _disk_full(_descriptor: int) -> None:
    raise OSError(28, "No space left on device")


def _ensure(keys_dir: Path, results: "multiprocessing.Queue[list[str]]") -> None:
    manifest = store_at(keys_dir).ensure(now=NOW, spare=True)
    results.put([record.kid for record in manifest.records])
