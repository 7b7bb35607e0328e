"""Passwords: kept as argon2id, and chosen by the advice of NIST SP 800-63B-4 (3.1.1.2).

Length counts. Nothing is asked of letters, digits or signs, none has to be changed because time has passed, all of
Unicode and blanks are welcome, and what many others have chosen is refused.
"""

import secrets
import threading
import unicodedata
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from agent.errors import TooManyError

SHORTEST: Final = 15
"""Characters of a password that stands alone."""
SHORTEST_WITH_CODES: Final = 8
"""Characters of one beside which a code is asked for."""
LONGEST: Final = 256
_LOOKED_AT: Final = 72  # characters whose guessing is estimated: the time that takes grows with them
_FEWEST_GUESSES: Final = 1e8
_INITIAL_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # none that look alike

MOST_WAITING: Final = 8
"""People whose passwords are looked at, or wait for that, in one process."""

TOO_SHORT: Final = "Choose at least {} characters: a few words in a row are easy to remember."
TOO_LONG: Final = "Choose at most {} characters."
TOO_COMMON: Final = "This is among the first that somebody would try. Choose something less common."


class Hasher:
    """Argon2id (RFC 9106) with the second recommended parameters: 64 MiB, three passes. Safe for threads.

    Only so many at once: each takes its memory, and guessing must not take all of it.
    """

    def __init__(self, hasher: PasswordHasher | None = None, *, at_once: int = 2) -> None:
        """Use other parameters only for tests, which hash often."""
        self._hasher = hasher or PasswordHasher(type=Type.ID)
        self._turn = threading.Semaphore(at_once)
        self._places = threading.Semaphore(MOST_WAITING)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take one of the few places for those who sign in, for a block. TooManyError: all are taken just now.

        Who waits for a turn keeps a thread of the site meanwhile: guessers must not keep all of them.
        """
        if not self._places.acquire(blocking=False):
            message = f"expected at most {MOST_WAITING} who sign in at once. Received: one more"
            raise TooManyError(message)
        try:
            yield
        finally:
            self._places.release()

    def hash(self, password: str) -> str:
        """Return what is kept of a password."""
        with self._turn:
            return self._hasher.hash(_plain(password))

    def verify(self, kept: str | None, password: str) -> bool:
        """Tell whether it is the password. Where there is none it takes as long to say no."""
        try:
            with self._turn:
                return self._hasher.verify(kept or self._nobodys, _plain(password)) and kept is not None
        except (VerificationError, InvalidHashError):
            return False

    def is_outdated(self, kept: str) -> bool:
        """Tell whether a password was kept with other parameters than those of today."""
        return self._hasher.check_needs_rehash(kept)

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash(secrets.token_urlsafe(32))


def initial_password() -> str:
    """Return a password to hand to somebody once, of 98 random bits, easily read aloud."""
    letters = "".join(secrets.choice(_INITIAL_LETTERS) for _ in range(20))
    return "-".join(letters[start : start + 5] for start in range(0, 20, 5))


def is_long(password: str) -> bool:
    """Tell whether a password may stand alone."""
    return len(_plain(password)) >= SHORTEST


def objection(password: str, *, with_codes: bool, about: Collection[str]) -> str:
    """Return what is wrong with a password that somebody chooses, "" if nothing is.

    `about` are words that lead to it: the account's name, the name of its person.
    """
    plain = _plain(password)
    shortest = SHORTEST_WITH_CODES if with_codes else SHORTEST
    if len(plain) < shortest:
        return TOO_SHORT.format(shortest)
    if len(plain) > LONGEST:
        return TOO_LONG.format(LONGEST)
    return TOO_COMMON if _guesses(plain, about) < _FEWEST_GUESSES else ""


def _guesses(plain: str, about: Collection[str]) -> float:
    """Return about how many guesses it takes: lists of common passwords, names and words, repeats, keyboards, dates."""
    from zxcvbn import zxcvbn  # noqa: PLC0415 - its lists are loaded only where a password is chosen

    words = ["tibabu", "hospital", "radiology", "dicom", *about, *(word for text in about for word in text.split())]
    return float(zxcvbn(plain[:_LOOKED_AT], user_inputs=words)["guesses"])


def _plain(password: str) -> str:
    """Return a password as it is compared, however a keyboard composed its letters (NIST SP 800-63B-4, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)
