"""When to try again, as a value and a decision, apart from the trying."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeAlias

Chance: TypeAlias = Callable[[], float]
"""Draws a number from 0 up to 1, as `random.random` does."""

LONGEST_ASKED: Final = timedelta(hours=1)
"""Who asks to be left alone for longer (Retry-After) is asked again after this."""
_SLOWER: Final = 12
_JITTER: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Wait `first`, then twice as long each time up to `longest`; give up after `attempts` attempts in all."""

    first: timedelta = timedelta(seconds=5)
    longest: timedelta = timedelta(minutes=15)
    attempts: int = 50

    def after(
        self,
        attempt: int,
        *,
        slowly: bool = False,
        asked: timedelta | None = None,
        chance: Chance | None = None,
    ) -> timedelta | None:
        """Return how long to wait after the given failed attempt (1 for the first), or None to give up.

        `slowly`: begin with a wait twelve times as long. `asked`: how long the other side wants to be left alone.
        With `chance` the wait is up to a quarter shorter, so that those who failed together do not come back together.
        """
        if attempt >= self.attempts:
            return None
        doublings = min(attempt - 1, 30)  # beyond that the longest wait is reached whatever the first was
        wait: timedelta = min(self.first * (_SLOWER if slowly else 1) * 2**doublings, self.longest)
        if chance is not None:
            wait *= 1 - _JITTER * chance()
        return wait if asked is None else max(wait, min(asked, LONGEST_ASKED))
