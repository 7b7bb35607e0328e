"""Codes of an authenticator app (TOTP, RFC 6238), their QR code, and recovery codes for when the app is lost."""

import hashlib
import io
import secrets
from datetime import datetime
from typing import Final

import pyotp
import segno

_PERIOD: Final = 30
_DIGITS: Final = 6
_RECOVERY_CODES: Final = 10
_RECOVERY_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"  # 32 of them: 5 bits each
_RECOVERY_LENGTH: Final = 24


def new_secret() -> str:
    """Return a secret of 160 random bits in base 32 (RFC 4226 4)."""
    return pyotp.random_base32(32)


def uri(secret: str, *, account: str, site: str) -> str:
    """Return what an app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=site)


def qr_code(text: str) -> str:
    """Return a QR code as an SVG element to stand in a page: no style, and nothing that runs."""
    written = io.BytesIO()
    made = segno.make(text, error="m", micro=False)
    made.save(written, kind="svg", xmldecl=False, svgns=True, scale=4, border=4, light="#fff", dark="#000")
    return written.getvalue().decode()


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """Return the time step whose code it is: of now, or one before or after, as clocks differ. None if it is wrong."""
    given = "".join(code.split())
    if len(given) != _DIGITS or not (given.isascii() and given.isdigit()):
        return None
    step = int(now.timestamp()) // _PERIOD
    found = None
    for candidate in (step - 1, step, step + 1):  # all of them, so that the time taken says nothing
        if pyotp.utils.strings_equal(given, pyotp.TOTP(secret).generate_otp(candidate)):
            found = candidate
    return found


def new_recovery_codes() -> tuple[str, ...]:
    """Return codes of 120 random bits each, to be used once."""
    made = ("".join(secrets.choice(_RECOVERY_LETTERS) for _ in range(_RECOVERY_LENGTH)) for _ in range(_RECOVERY_CODES))
    return tuple("-".join(code[start : start + 4] for start in range(0, _RECOVERY_LENGTH, 4)) for code in made)


def recovery_digest(code: str) -> str:
    """Return the digest under which a recovery code is on record."""
    plain = "".join(letter for letter in code.lower() if letter.isalnum())
    return hashlib.sha256(plain.encode()).hexdigest()


def looks_like_recovery(code: str) -> bool:
    """Tell whether what somebody typed is longer than any code of an app."""
    return len("".join(letter for letter in code if letter.isalnum())) > _DIGITS
