"""Password hashes of other services: Django's PBKDF2, bcrypt, scrypt and argon2, and bare ones.

They are verified as they are until their users log in; `hashing.py` then replaces them. Their cost
comes from the file that was imported, so it has limits: about a second of one core and 128 MiB.
"""

import base64
import binascii
import hashlib
import hmac
import re

import bcrypt

# RFC 8018 §4.2 recommends at least 1,000; Django 6.0 uses 1,200,000.
_PBKDF2_ITERATIONS = range(1_000, 2_000_001)
# Django uses 12.
_BCRYPT_ROUNDS = range(4, 15)
# Django's N=2^14, r=8, p=5 are 16 MiB and 655,360.
_SCRYPT_MEMORY = 64 << 20
_SCRYPT_WORK = 2_621_440
# In KiB, and KiB times passes; Django uses 102,400 and 204,800.
_ARGON2_MEMORY = 131_072
_ARGON2_WORK = 819_200
_ARGON2_LANES = 16

_LONGEST = 1024
# What bcrypt reads of a password; other implementations cut it off silently.
_BCRYPT_BYTES = 72

_NUMBER = "[1-9][0-9]{0,9}"
_BASE64 = "[A-Za-z0-9+/]+={0,2}"
# The last character of the salt has four bits that are not used, and have to be zero.
_BARE_BCRYPT = r"\$2[aby]\$(?P<rounds>[0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}"
_PBKDF2 = re.compile(
    rf"pbkdf2_sha256\$(?P<iterations>{_NUMBER})\$(?P<salt>[^$]+)\$(?P<digest>{_BASE64})"
)
_BCRYPT = re.compile(rf"(?P<sha256>bcrypt_sha256\$)?(?P<bare>{_BARE_BCRYPT})")
_SCRYPT = re.compile(
    rf"scrypt\$(?P<n>{_NUMBER})\$(?P<salt>[^$]+)\$(?P<r>{_NUMBER})\$(?P<p>{_NUMBER})"
    rf"\$(?P<digest>{_BASE64})"
)
# A salt of at least 8 bytes, a digest of at least 16.
_ARGON2 = re.compile(
    rf"\$argon2id\$v=19\$m=(?P<m>{_NUMBER}),t=(?P<t>{_NUMBER}),p=(?P<p>{_NUMBER})"
    r"\$(?P<salt>[A-Za-z0-9+/]{11,})\$(?P<digest>[A-Za-z0-9+/]{22,})"
)
_KINDS = (
    "pbkdf2_sha256$",
    "bcrypt$",
    "bcrypt_sha256$",
    "$2a$",
    "$2b$",
    "$2y$",
    "scrypt$",
    "argon2$argon2id$",
    "$argon2id$",
)
_PBKDF2_BYTES = hashlib.sha256().digest_size
_SCRYPT_BYTES = 64


class HashRefused(ValueError):
    """A hash that cannot be imported.

    Args:
        code: `password_hash_unsupported`, `password_hash_malformed` or `password_hash_costly`.
        sentence: Why, without the hash.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


def accept(password_hash: str) -> str:
    """Check a hash, and return it as it is stored: bcrypt and argon2 without Django's prefix.

    Raises:
        HashRefused: Its algorithm is not supported, it is malformed, or it costs too much.
    """
    if not password_hash.startswith(_KINDS):
        raise HashRefused(
            "password_hash_unsupported",
            "Use a hash of PBKDF2-SHA256, bcrypt, scrypt or argon2id, as Django writes it",
        )
    bare = password_hash.removeprefix("bcrypt$")
    if bare.startswith("argon2$"):
        bare = bare.removeprefix("argon2")
    if len(bare) > _LONGEST or not bare.isascii():
        raise _malformed()
    if found := _PBKDF2.fullmatch(bare):
        _check_digest(found["digest"], size=_PBKDF2_BYTES)
        _check_cost(within=int(found["iterations"]) in _PBKDF2_ITERATIONS)
    elif found := _BCRYPT.fullmatch(bare):
        _check_cost(within=int(found["rounds"]) in _BCRYPT_ROUNDS)
    elif found := _SCRYPT.fullmatch(bare):
        _check_digest(found["digest"], size=_SCRYPT_BYTES)
        n, r, p = (int(found[name]) for name in "nrp")
        if n & (n - 1) or n == 1:
            raise _malformed()
        _check_cost(within=128 * n * r <= _SCRYPT_MEMORY and n * r * p <= _SCRYPT_WORK)
    elif found := _ARGON2.fullmatch(bare):
        _check_argon2(found)
    else:
        raise _malformed()
    return bare


def is_imported(password_hash: str) -> bool:
    """Say whether a stored hash is of another algorithm than argon2."""
    return password_hash.startswith(("pbkdf2_sha256$", "bcrypt_sha256$", "$2", "scrypt$"))


def matches(password: str, password_hash: str) -> bool:
    """Compare a password with a hash that `accept` has returned; others match nothing."""
    secret = password.encode()
    if found := _PBKDF2.fullmatch(password_hash):
        computed = hashlib.pbkdf2_hmac(
            "sha256", secret, found["salt"].encode(), int(found["iterations"])
        )
        return hmac.compare_digest(computed, base64.b64decode(found["digest"]))
    if found := _SCRYPT.fullmatch(password_hash):
        n, r, p = (int(found[name]) for name in "nrp")
        computed = hashlib.scrypt(
            secret,
            salt=found["salt"].encode(),
            n=n,
            r=r,
            p=p,
            maxmem=2 * _SCRYPT_MEMORY,
            dklen=_SCRYPT_BYTES,
        )
        return hmac.compare_digest(computed, base64.b64decode(found["digest"]))
    if found := _BCRYPT.fullmatch(password_hash):
        if found["sha256"]:
            secret = hashlib.sha256(secret).hexdigest().encode()
        return bcrypt.checkpw(secret[:_BCRYPT_BYTES], found["bare"].encode())
    return False


def _check_argon2(found: re.Match[str]) -> None:
    memory, passes, lanes = (int(found[name]) for name in "mtp")
    # No length in Base64 leaves one character over.
    if memory < 8 * lanes or any(len(found[name]) % 4 == 1 for name in ("salt", "digest")):
        raise _malformed()
    _check_cost(
        within=memory <= _ARGON2_MEMORY
        and memory * passes <= _ARGON2_WORK
        and lanes <= _ARGON2_LANES
    )


def _check_digest(digest: str, *, size: int) -> None:
    try:
        decoded = base64.b64decode(digest, validate=True)
    except binascii.Error:
        raise _malformed() from None
    if len(decoded) != size:
        raise _malformed()


def _check_cost(*, within: bool) -> None:
    if not within:
        raise HashRefused(
            "password_hash_costly",
            "The cost of this hash is outside the limits in docs/moving-in.md",
        )


def _malformed() -> HashRefused:
    return HashRefused("password_hash_malformed", "This is not a whole hash of its algorithm")
