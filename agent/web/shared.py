"""Parts of pages that are alike for all readers: made once for each version of the database, whoever asks.

Fifty readers look at one worklist. What differs between them (who they are, their own views) is put around the part.
"""

import gzip
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from db.change_watch import ChangeWatch

MOST = 64
"""Views that are kept; beyond these the one that was asked for longest ago is made anew when it is asked for again."""

LONGEST_SECONDS = 15.0
"""A part says how long studies have waited: it is made anew after so long, though nothing was committed."""

_LEVEL = 5


@dataclass(frozen=True, slots=True)
class Part:
    """A part as it was made: its text, the digest of that, and the text as it goes over the wire."""

    html: str
    version: str
    packed: bytes = field(repr=False)


class SharedParts:
    """The parts that were made last, by view. Threads share it."""

    def __init__(self, watch: ChangeWatch, clock: Callable[[], float] = time.monotonic) -> None:
        """Ask `watch` whether a part is still true; `clock` counts seconds."""
        self._watch = watch
        self._clock = clock
        self._lock = threading.Lock()
        self._places: OrderedDict[str, _Place] = OrderedDict()

    def get(self, view: str, make: Callable[[], str], *, wanted: str = "") -> Part:
        """Return the part of a view as of now, made by `make` unless it has been for this version of the database.

        Whoever was told of a version and asks for it is given that (`wanted`), though more has been committed since:
        of that they are told next. Raises what `make` raises.
        """
        with self._lock:
            place = self._places.setdefault(view, _Place())
            self._places.move_to_end(view)
            if len(self._places) > MOST:
                self._places.popitem(last=False)
        made, asked_at = place.part, self._clock()
        if wanted and made is not None and made.version == wanted and asked_at - place.began_at < LONGEST_SECONDS:
            return made
        with place.turn:
            if place.part is not None and place.began_at >= asked_at:  # made while this one waited for its turn
                return place.part
            began_at, seen = self._clock(), self._watch.version()  # before the rows are read: they may be newer
            fresh = began_at - place.began_at < LONGEST_SECONDS
            if place.part is None or not fresh or seen != place.seen:
                place.part = _packed(make())
                place.began_at, place.seen = began_at, seen
            return place.part


@dataclass(slots=True)
class _Place:
    turn: threading.Lock = field(default_factory=threading.Lock)
    part: Part | None = None
    began_at: float = 0.0
    seen: str = ""


def _packed(html: str) -> Part:
    text = html.encode()
    return Part(html, hashlib.sha256(text).hexdigest()[:32], gzip.compress(text, _LEVEL, mtime=0))
