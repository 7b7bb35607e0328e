"""Whether this agent can do its work, part by part. It names nobody and nothing of the site: anybody may ask."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from agent.watch.disk import free_bytes
from db import kinds
from db.breaker import rests
from db.database import Database
from db.errors import DatabaseError
from db.queue import Queue
from db.ticks import Health, ticks
from db.triage import triage_off

PATIENCE: Final = timedelta(minutes=5)
"""An image that has waited so long for a working process says that there is none that can do its work."""

_MEGABYTE: Final = 1_000_000
_FRESH: Final = 1.0  # seconds: anybody may ask, and as often as they like
_STALE: Final = 10.0  # seconds: after them an answer is none any more
_MOMENT: Final = 1.0  # seconds: longer than a look takes where the database answers


class Condition(StrEnum):
    """How a part is, the best first."""

    READY = "ready"
    UNKNOWN = "unknown"  # there is nothing to go by
    DEGRADED = "degraded"  # studies are accepted, and something of them waits
    DOWN = "down"  # studies are not accepted


@dataclass(frozen=True, slots=True)
class Part:
    """One part, and in words what is wrong with it."""

    name: str
    condition: Condition
    says: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    """How all parts are. While none is down the agent does its work."""

    parts: tuple[Part, ...]

    @property
    def condition(self) -> Condition:
        """The worst of all parts."""
        return max((part.condition for part in self.parts), key=list(Condition).index)

    @property
    def status(self) -> int:
        """What is answered by HTTP: degraded is not down."""
        return 503 if self.condition is Condition.DOWN else 200

    def document(self) -> dict[str, object]:
        """Return it as JSON has it."""
        parts = {
            part.name: {"status": part.condition} | ({"says": part.says} if part.says else {}) for part in self.parts
        }
        return {"status": self.condition, "parts": parts}


_UNANSWERED: Final = Readiness((Part("database", Condition.DOWN, "it does not answer"),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Where the store lies, or its cache: below `low_megabytes` there is little room, below the others none."""

    folder: Path
    low_megabytes: int
    refused_megabytes: int


@dataclass(slots=True, kw_only=True)
class ReadinessCheck:
    """Looks at the parts; nobody is called for it, what is read is small, and it looks once in a second at most.

    Of those who ask one looks. The others are told what was seen last, and wait a moment where that is none any more:
    a database that does not answer holds one thread.

    `weights` tells what keeps the model from loading, "" for nothing; `living` how many processes live of each role
    that was ever started here.
    """

    database: Database
    queue: Queue
    room: Room
    weights: Callable[[], str]
    living: Callable[[], dict[str, int]]
    clock: Callable[[], datetime]
    _last: Readiness = field(init=False, default=_UNANSWERED)
    _until: float = field(init=False, default=0.0)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def look(self) -> Readiness:
        """Return how all parts are, or were just now if somebody else is looking."""
        if not self._lock.acquire(timeout=0.0 if self._is_known() else _MOMENT):
            return self._last if self._is_known() else _UNANSWERED
        try:
            if time.monotonic() >= self._until:
                self._last, self._until = self._look(), time.monotonic() + _FRESH
            return self._last
        finally:
            self._lock.release()

    def _is_known(self) -> bool:
        return time.monotonic() < self._until + _STALE

    def _look(self) -> Readiness:
        try:
            of_rows = tuple(self._of_rows())
        except DatabaseError:
            of_rows = _UNANSWERED.parts
        return Readiness((*of_rows, self._store(), self._processes()))

    def _of_rows(self) -> Iterator[Part]:
        now = self.clock()
        resting, off = len(rests(self.database, only_open=True)), triage_off(self.database)
        late = sorted(row.name for row in ticks(self.database) if row.health(now) is Health.OVERDUE)
        yield Part("database", Condition.READY)
        yield _part("model", self._model(now))
        yield _part("triage", "" if off is None else "switched off")
        yield _part("destinations", f"{resting} rest" if resting else "")
        yield _part("clock", f"overdue: {', '.join(late)}" if late else "")

    def _model(self, now: datetime) -> str:
        if problem := self.weights():
            return problem
        waited = [one.oldest_run_at for one in self.queue.depth(now) if one.kind == kinds.SCORE]
        since = waited[0] if waited else None
        if since is None or now - since < PATIENCE:
            return ""
        return f"an image has waited for {(now - since).total_seconds():.0f} s"

    def _store(self) -> Part:
        folder = self.room.folder
        try:
            free = free_bytes(folder) // _MEGABYTE
        except OSError as error:
            return Part("store", Condition.DOWN, error.strerror or "it cannot be looked at")
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            return Part("store", Condition.DOWN, "nothing can be written there")
        if free < self.room.refused_megabytes:
            return Part("store", Condition.DOWN, f"{free} MB are free: Instances are refused")
        return _part("store", f"{free} MB are free" if free < self.room.low_megabytes else "")

    def _processes(self) -> Part:
        roles = self.living()
        gone = [role for role, count in roles.items() if not count]
        if not roles:  # also where somebody has cleaned the folder away in which they count
            return Part("processes", Condition.UNKNOWN, "nothing is on record of any")
        if not gone:
            return Part("processes", Condition.READY)
        condition = Condition.DOWN if "receive" in gone else Condition.DEGRADED
        return Part("processes", condition, f"none lives of {', '.join(gone)}")


def _part(name: str, wrong: str) -> Part:
    """Return a part that at the worst is degraded."""
    return Part(name, Condition.DEGRADED if wrong else Condition.READY, wrong)
