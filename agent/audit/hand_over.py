"""Hands the audit trail over: in order, each event once, or again after a crash. Patient care never waits for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from agent.audit.message import Reporter, audit_message
from agent.audit.sinks import Message, Sink
from agent.errors import AuditError
from db.audit_outbox import follow, prune, record_failure, record_taken, waiting
from db.database import Database

log = structlog.get_logger(__name__)

_AT_ONCE: Final = 200
_LONGEST: Final = timedelta(minutes=4)
"""How long one call goes on handing over; the next one goes on from there."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """Gives every sink what it has not taken yet, and removes what is older than is kept."""

    database: Database
    sinks: Mapping[str, Sink]
    reporter: Reporter
    keep: timedelta | None
    clock: Callable[[], datetime]

    def run(self) -> None:
        """Hand over what waits. Raises AuditError, when the others had their turn, if a sink did not take it."""
        follow(self.database, self.sinks, now=self.clock())
        failed = [name for name, sink in self.sinks.items() if not self._serve(name, sink)]
        if self.keep is not None:
            self._prune(self.keep)
        if failed:
            message = f"expected every sink of the audit trail to take it. Received: failed={', '.join(failed)}"
            raise AuditError(message)

    def _serve(self, name: str, sink: Sink) -> bool:
        until = self.clock() + _LONGEST
        while self.clock() < until and (rows := waiting(self.database, name, limit=_AT_ONCE)):
            try:
                sink.take([Message(row.event, audit_message(row.event, self.reporter)) for row in rows])
            except AuditError as error:
                log.warning("audit_not_handed_over", sink=name, reason=str(error))
                record_failure(self.database, name, str(error), at=self.clock())
                return False
            record_taken(self.database, name, rows, at=self.clock())
        return True

    def _prune(self, keep: timedelta) -> None:
        now = self.clock()
        if count := prune(self.database, before=now - keep, now=now):
            log.info("audit_pruned", events=count)
