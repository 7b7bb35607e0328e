"""The size of a generated hospital, and expressions of SQL that its tables' rows share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

SECONDS_APART = 30
"""Between two studies: a million are a year, and as many come in a day whatever the size."""
RECEIVING, COMPLETE, QUEUED, UNREAD = 20, 40, 100, 300
"""Of the newest studies so many are still being received; are so or complete; ... wait to be delivered; to be read."""
PARKED = 100
"""Deliveries that were given up, as far apart as can be."""

Columns: TypeAlias = Mapping[str, str]

K = "CAST(k AS text)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The size, the moment (seconds since 1970) at which it is looked at, and how this database says three things."""

    studies: int
    now: int
    all_unread: bool
    at: Callable[[str], str]  # seconds since 1970 as an instant
    day: Callable[[str], str]  # the same as YYYYMMDD
    digest: Callable[[str], str]  # 64 hexadecimal digits that depend on a text in no visible way
    picture: str  # a heat map of 2 KB

    @property
    def received(self) -> str:
        """When the study was received, in seconds."""
        return f"({self.now} - ({self.studies} - n) * {SECONDS_APART} - 60)"

    def later(self, seconds: int) -> str:
        """Return the instant so many seconds after the study was received."""
        return self.at(f"({self.received} + {seconds})")

    def newest(self, count: int) -> str:
        """Return the condition that the study is one of so many newest ones."""
        return f"n > {self.studies - count}"

    def digest_of(self, what: str) -> str:
        """Return the digest of the part `k` of the study."""
        return self.digest(f"'{what} ' || CAST(n AS text) || '.' || CAST(k AS text)")

    @property
    def is_parked(self) -> str:
        """The condition that the study has a delivery that was given up."""
        return f"n % {max(self.studies // PARKED, 1)} = 0"


def text(expression: str) -> str:
    """Return a number as text."""
    return f"CAST({expression} AS text)"


def uid(n: str, further: str = "''") -> str:
    """Return a Study Instance UID, or one below it: scattered over the index, as those of several scanners are."""
    return f"'1.2.826.0.1.3680043.10.' || {text(f'({n} * 7919) % 9973')} || '.' || {text(n)} || {further}"


def path(digest: str) -> str:
    """Return the name of a file in the store."""
    return f"'ab/' || {digest} || '.dcm'"


def one_of(number: str, *words: str) -> str:
    """Return one of the words, in turns."""
    cases = " ".join(f"WHEN {index} THEN '{word}'" for index, word in enumerate(words[:-1]))
    return f"CASE ({number}) % {len(words)} {cases} ELSE '{words[-1]}' END"
