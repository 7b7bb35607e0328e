"""A destination that is down is left alone: after some failures of its own in a row only a ping goes there.

What waits for it meanwhile makes no attempts. When it answers, one report goes first; when that has arrived, all do.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import random
from sys import maxsize
from typing import Final

import structlog

from agent.destinations import Destination, mapped
from agent.errors import DeliveryError, DestinationDownError
from agent.line.retry import Backoff, Chance
from db.breaker import Pass, Wait, look, note_answer, note_fault, rest_of
from db.database import Database
from db.queue import Queue

log = structlog.get_logger(__name__)

LONGEST_PAUSE: Final = timedelta(minutes=2)
"""Between two pings: they cost it next to nothing. After one that was answered, and a sending that failed all the same,
it is left alone for as long as `Backoff` says."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """Decides for every lane whether its destination is sent to; `limit` failures in a row and it rests."""

    database: Database
    queue: Queue
    backoff: Backoff
    limit: int
    clock: Callable[[], datetime]
    chance: Chance = random

    def wait(self, name: str, destination: Destination) -> datetime | None:
        """Return until when nothing may be sent there, None if it may be; asks it where that is due."""
        found = look(self.database, name, now=self.clock())
        if isinstance(found, Wait):
            return found.until
        if found is Pass.PROBE:
            try:
                with mapped(name):
                    destination.ping()
            except DeliveryError as error:
                return self._fault(name, error, longest=LONGEST_PAUSE)
        return None

    def ended(self, name: str, error: DeliveryError | None) -> None:
        """Take note of how a sending ended: a refusal of what was sent is an answer as well."""
        if isinstance(error, DestinationDownError):
            self._fault(name, error, longest=self.backoff.longest)
        elif note_answer(self.database, self.queue, name, at=self.clock()):
            log.info("destination_back", destination=name)

    def _fault(self, name: str, error: DeliveryError, *, longest: timedelta) -> datetime:
        """Commit a failure; return when the destination may be asked again."""
        known, now = rest_of(self.database, name), self.clock()
        unending = replace(self.backoff, attempts=maxsize, longest=min(self.backoff.longest, longest))
        probes = 1 if known is None else known.probes + 1
        wait = unending.after(probes, asked=error.retry_after, chance=self.chance) or longest
        if note_fault(self.database, name, reason=str(error), limit=self.limit, probe_in=wait, at=now):
            log.error("destination_rests", destination=name, reason=str(error), failures=self.limit)
        return now + wait
