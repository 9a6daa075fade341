"""Codes of an app (RFC 6238: SHA-1, six digits, 30 seconds) and recovery codes."""

import base64
import io
import re
import secrets
from datetime import datetime

import pyotp
import segno
from pyotp.utils import strings_equal

# Clocks of phones differ, and typing takes time: one step before and after (RFC 6238 §5.2).
_STEPS_OF_DRIFT = 1
RECOVERY_CODES = 10
# 80 bits, which is too many to guess even offline: a fast digest is enough.
_RECOVERY_CODE_BYTES = 10
_NEITHER_LETTER_NOR_DIGIT = re.compile(r"[^0-9A-Z]")
# Base 32 has no such digits, so a digit read from paper means the letter.
_LETTERS_FOR_DIGITS = str.maketrans("018", "OIB")


def new_secret() -> str:
    """Return a random secret: 160 bits in base 32, as apps take it."""
    return pyotp.random_base32()


def otpauth_uri(secret: str, *, username: str, issuer: str) -> str:
    """Return the address that a QR code carries into an app."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=issuer)


def qr_code(text: str) -> str:
    """Return a QR code as an SVG document, black on white in dark pages too."""
    written = io.BytesIO()
    segno.make(text, micro=False).save(
        written,
        kind="svg",
        scale=4,
        dark="#000",
        light="#fff",
        xmldecl=False,
        nl=False,
        svgclass=None,
        lineclass=None,
        title="QR code",
    )
    return written.getvalue().decode()


def step_of(code: str, *, secret: str, now: datetime) -> int | None:
    """Return the time step of a code; None if the code is not one of the present ones."""
    totp = pyotp.TOTP(secret)
    present = totp.timecode(now)
    steps = range(present - _STEPS_OF_DRIFT, present + _STEPS_OF_DRIFT + 1)
    matching = [step for step in steps if strings_equal(totp.generate_otp(step), code)]
    return max(matching, default=None)


def new_recovery_codes() -> list[str]:
    """Return ten new codes, as users write them down: `ABCD-EFGH-IJKL-MNOP`."""
    return [_new_recovery_code() for _ in range(RECOVERY_CODES)]


def normal_form(recovery_code: str) -> str:
    """Return a typed recovery code without the differences that do not matter."""
    letters = _NEITHER_LETTER_NOR_DIGIT.sub("", recovery_code.upper())
    return letters.translate(_LETTERS_FOR_DIGITS)


def _new_recovery_code() -> str:
    letters = base64.b32encode(secrets.token_bytes(_RECOVERY_CODE_BYTES)).decode()
    return "-".join(letters[start : start + 4] for start in range(0, len(letters), 4))
