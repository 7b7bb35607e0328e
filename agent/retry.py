"""When to try again, as a value and a decision, apart from the trying."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Wait `first`, then twice as long each time up to `longest`; give up after `attempts` attempts in all."""

    first: timedelta = timedelta(seconds=5)
    longest: timedelta = timedelta(minutes=15)
    attempts: int = 50

    def after(self, attempt: int) -> timedelta | None:
        """Return how long to wait after the given failed attempt (1 for the first), or None to give up."""
        if attempt >= self.attempts:
            return None
        doublings = min(attempt - 1, 30)  # beyond that the longest wait is reached whatever the first was
        wait: timedelta = self.first * 2**doublings
        return min(wait, self.longest)
