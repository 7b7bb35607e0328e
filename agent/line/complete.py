"""The third line: studies that have ended are completed, and jobs that were given up are accounted for."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from db import kinds
from db.amendment import enqueue_amendments
from db.analysis import ImageResult, record_image_result, score_task
from db.arrival import forget_associations
from db.commitment import record_failed_report
from db.comparison import compare_task, record_comparison
from db.completion import MOST_AT_ONCE, close_due, enqueue_outstanding, enqueue_settled, next_close
from db.database import Database
from db.delivery_attempt import record_failed_attempt
from db.errors import DatabaseBusyError, DatabaseError, DatabaseUnavailableError
from db.forwarding import park_forwards
from db.outcome import Outcome
from db.priority import Allowances
from db.queue import ParkedJob, Queue
from db.withdrawal import enqueue_withdrawals
from db.workitem_events import park_events
from db.workitems import tidy

log = structlog.get_logger(__name__)

_OLD_ASSOCIATION = timedelta(days=1)
"""What is said to bring a study for longer than that is a process that died."""

_NOTE_AGAIN: Final = timedelta(minutes=1)
"""How long a rejection note waits that could not be heeded."""


@dataclass(frozen=True, slots=True)
class Completer:
    """The periodic part of the pipeline. Every method is safe to run twice, on any host, and to miss."""

    database: Database
    queue: Queue
    allowances: Allowances
    clock: Callable[[], datetime]

    def close(self) -> datetime | None:
        """Complete the studies whose time to close has come; return when the next one's comes."""
        now = self.clock()
        if closed := close_due(self.database, self.queue, now=now):
            log.info("studies_completed", studies=closed)
        return now if closed >= MOST_AT_ONCE else next_close(self.database, after=now)

    def reap(self) -> None:
        """Take back jobs whose worker died, and give every parked job its consequence."""
        if reaped := self.queue.reap(self.clock()):
            log.warning("jobs_reaped", jobs=reaped)
        errors = []
        for parked in self.queue.parked():
            try:
                self._account_for(parked)
            except (DatabaseUnavailableError, DatabaseBusyError):
                raise
            except DatabaseError as error:  # it holds up no other; the tick says that it failed
                log.exception("parked_job_not_settled", kind=parked.kind, key=parked.key)
                errors.append(error)
        if errors:
            raise errors[0]

    def heal(self) -> None:
        """Enqueue what studies wait for where somehow no job is there to do it; forget associations of the dead."""
        now = self.clock()
        if missing := enqueue_outstanding(self.database, self.queue, now=now):
            log.warning("jobs_missing", jobs=missing)
        enqueue_settled(self.database, self.queue, now=now)
        enqueue_withdrawals(self.database, self.queue, now=now)
        enqueue_amendments(self.database, self.queue, now=now)
        forget_associations(self.database, before=now - _OLD_ASSOCIATION)

    def tidy(self) -> None:
        """Cancel the reading tasks of studies that were read otherwise; make those that are missing."""
        if tasks := tidy(self.database, self.queue, now=self.clock()):
            log.info("reading_tasks_tidied", tasks=tasks)

    def _account_for(self, parked: ParkedJob) -> None:
        """Settle what a job that will not run again leaves open: its study neither waits nor passes as analysed."""
        now = self.clock()
        if parked.kind == kinds.SCORE and (image := score_task(self.database, int(parked.key))) is not None:
            failed = ImageResult(
                outcome=Outcome.FAILED,
                reason=f"the analysis was given up: {parked.reason}",
                started_at=now,
                finished_at=now,
            )
            record_image_result(self.database, self.queue, image, failed, allowances=self.allowances)
            log.error("image_failed", sop_instance_uid=image.sop_instance_uid, reason=failed.reason)
        elif parked.kind == kinds.COMPARE and (pair := compare_task(self.database, int(parked.key))) is not None:
            record_comparison(self.database, self.queue, pair, same=False, at=now)
            log.error("comparison_failed", sop_instance_uid=pair.sop_instance_uid, reason=parked.reason)
        elif parked.kind.startswith(kinds.deliver("")):
            record_failed_attempt(self.database, int(parked.key), reason=parked.reason, parked=True, at=now)
        elif parked.kind.startswith(prefix := kinds.forward("")):
            destination = parked.kind.removeprefix(prefix)
            park_forwards(self.database, int(parked.key), destination, reason=parked.reason, at=now)
        elif parked.kind.startswith(kinds.ups_event("")):
            park_events(self.database, parked.key, reason=parked.reason)
        elif parked.kind == kinds.REJECT:  # what it takes back must not count for ever: it is tried until it is heeded
            log.error("rejection_note_waits", instance=parked.key, reason=parked.reason)
            with self.database.begin() as connection:
                self.queue.enqueue(connection, kinds.REJECT, parked.key, due_at=now, run_at=now + _NOTE_AGAIN)
        elif parked.kind == kinds.COMMIT:
            record_failed_report(self.database, int(parked.key), reason=parked.reason, parked=True)
