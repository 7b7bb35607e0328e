"""How much one party may ask of this process: a burst, and so many requests a second after it."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Allowed:
    """So many requests at once, and so many a second."""

    burst: float
    per_second: float


OF_PERSON: Final = Allowed(600, 60)
"""For somebody who has signed in, or a program: a viewer asks for hundreds of images at once."""
OF_NOBODY: Final = Allowed(120, 10)
"""For the address of somebody who has not."""


class Pace:
    """Counts requests of a bounded number of parties, in buckets that fill up with time. Safe for threads.

    Each process counts its own. What guessing costs is counted for all of them together (`db.failures`).
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives seconds that never go back."""
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()

    def is_known(self, shown: bytes) -> bool:
        """Tell whether somebody was found by what a request shows (a digest of it) when it was looked up last."""
        with self._lock:
            return shown in self._known

    def remember(self, shown: bytes, *, found: bool) -> None:
        """Remember whether somebody was found by it."""
        with self._lock:
            self._known.pop(shown, None)
            if found:
                self._known[shown] = None
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)

    def wait(self, party: str, allowed: Allowed, *, counts: bool = True) -> float:
        """Count a request if it `counts`; return for how many seconds it comes too early, 0 if it may be answered."""
        with self._lock:
            now = self._clock()
            left, at = self._left.pop(party, (allowed.burst, now))
            left = min(allowed.burst, left + (now - at) * allowed.per_second)
            late = 0.0 if left >= 1 else (1 - left) / allowed.per_second
            self._left[party] = (left if late or not counts else left - 1, now)
            while len(self._left) > _REMEMBERED:
                self._left.popitem(last=False)
            return late
