"""Storage Commitment: a request is on record before it is answered; committed is only what was read back from disk."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from agent.line.retry import Backoff
from db.commitment import (
    CommitmentTask,
    StoredCopy,
    acknowledge_report,
    commitment_task,
    record_failed_report,
    record_request,
    record_verified,
    stored_copies,
)
from db.database import Database
from db.errors import DatabaseError, RefusedError
from db.queue import Done, Job, Queue, RetryAt, Settlement
from dicom_io.commitment import CommitmentReport, CommitmentRequest, send_report
from dicom_io.errors import CommitmentError, NetworkError, StoreError
from dicom_io.exchange import Caller
from dicom_io.peer import DEFAULT_TIMEOUTS, Peer
from dicom_io.statuses import (
    CLASS_INSTANCE_CONFLICT,
    INVALID_ARGUMENT,
    INVALID_SOP_INSTANCE,
    MISTYPED_ARGUMENT,
    NO_SUCH_ARGUMENT,
    NO_SUCH_EVENT_TYPE,
    NO_SUCH_SOP_CLASS,
    NO_SUCH_SOP_INSTANCE,
    PROCESSING_FAILURE,
    SUCCESS,
    UNRECOGNISED_OPERATION,
)
from dicom_io.store import Store

log = structlog.get_logger(__name__)

GRACE: Final = timedelta(seconds=10)
"""How long the peer may take to acknowledge the report over its own association before it gets one over ours."""
READ_AT_ONCE: Final = 200_000_000
"""Bytes that are read back while the peer's association waits; for more the report comes later, by the queue."""
PARKED_AT_ONCE: Final = frozenset(
    {
        NO_SUCH_EVENT_TYPE,
        NO_SUCH_ARGUMENT,
        INVALID_ARGUMENT,
        INVALID_SOP_INSTANCE,
        NO_SUCH_SOP_CLASS,
        CLASS_INSTANCE_CONFLICT,
        UNRECOGNISED_OPERATION,
        MISTYPED_ARGUMENT,
    }
)
"""Statuses after which the same report has no better luck (PS3.7 10.1.1.1.8)."""


@dataclass(frozen=True, slots=True)
class Committer:
    """What the SCP's Storage Commitment service asks, and the handler of the jobs `commit`."""

    database: Database
    queue: Queue
    store: Store
    peer_of: Callable[[str], Peer | None]
    backoff: Backoff
    clock: Callable[[], datetime]

    def requested(self, caller: Caller, request: CommitmentRequest) -> int:
        """Put a request on record; its report is now owed, whatever happens to this process."""
        now = self.clock()
        try:
            number = record_request(
                self.database,
                self.queue,
                transaction_uid=request.transaction_uid,
                calling_ae_title=caller.calling_ae_title.strip(),
                called_ae_title=caller.called_ae_title.strip(),
                instances=request.instances,
                now=now,
                report_at=now + GRACE,
            )
        except RefusedError as error:
            raise CommitmentError(INVALID_ARGUMENT) from error
        except DatabaseError as error:
            raise CommitmentError(PROCESSING_FAILURE) from error
        log.info(
            "commitment_requested",
            commitment=number,
            association_id=caller.association_id,
            calling_ae_title=caller.calling_ae_title,
            transaction_uid=request.transaction_uid,
            instances=len(request.instances),
        )
        return number

    def report(self, number: int) -> CommitmentReport | None:
        """Read the files back, unless that would keep the association waiting."""
        task = commitment_task(self.database, number)
        try:
            return None if task is None else self._report(task, most_bytes=READ_AT_ONCE)
        except StoreError as error:  # nobody knows: the job tells the peer later
            log.warning("commitment_not_reported", commitment=number, how="store away", attempt=0, reason=str(error))
            return None

    def answered(self, number: int, status: int) -> None:
        """Note that the report was taken over the peer's own association; if it was not, the job sends it again."""
        try:
            if status == SUCCESS:
                acknowledge_report(self.database, number, at=self.clock())
        except DatabaseError as error:  # the job sends it once more
            log.warning("commitment_not_reported", commitment=number, how="not recorded", attempt=0, reason=str(error))
            return
        log.info("commitment_reported", commitment=number, how="same association", status=f"{status:04X}")

    def send(self, job: Job) -> Settlement:
        """Send the report whose number is the job's key, unless it has been acknowledged. Safe to repeat."""
        task = commitment_task(self.database, int(job.key))
        if task is None:
            return Done()
        report = self._report(task)
        if report is None:  # only with a limit
            return Done()
        peer = self.peer_of(task.calling_ae_title)
        try:
            if peer is None:
                message = f"expected host and port of {task.calling_ae_title} in [[peers]]. Received: none"
                raise NetworkError(message)  # noqa: TRY301
            status = send_report(peer, report, calling_ae_title=task.called_ae_title, timeouts=DEFAULT_TIMEOUTS)
        except NetworkError as error:
            return self._failed(task, job.attempt, str(error), retry=True)
        if status != SUCCESS:
            reason = f"expected {peer} to take the report. Received: status={status:04X}"
            return self._failed(task, job.attempt, reason, retry=status not in PARKED_AT_ONCE)
        acknowledge_report(self.database, task.id, at=self.clock())
        log.info("commitment_reported", commitment=task.id, how="new association", status="0000")
        return Done()

    def _report(self, task: CommitmentTask, most_bytes: int | None = None) -> CommitmentReport | None:
        failures = task.failures
        if failures is None:
            copies = stored_copies(self.database, [sop_instance for _, sop_instance in task.instances])
            if most_bytes is not None and sum(one.size for many in copies.values() for one in many) > most_bytes:
                return None
            failures = {
                sop_instance: self._failure(sop_class, copies.get(sop_instance, []))
                for sop_class, sop_instance in task.instances
            }
            record_verified(self.database, task.id, failures, at=self.clock())
        return CommitmentReport(
            transaction_uid=task.transaction_uid,
            instances=task.instances,
            failures=failures,
            retrieve_ae_title=task.called_ae_title,
        )

    def _failure(self, sop_class_uid: str, copies: list[StoredCopy]) -> int:
        """Return why an Instance is not committed: whatever came under its UID has to be there as it came."""
        if not copies:
            return NO_SUCH_SOP_INSTANCE
        if all(copy.sop_class_uid != sop_class_uid for copy in copies):
            return CLASS_INSTANCE_CONFLICT
        is_there = all(self.store.is_intact(copy.path, copy.sha256) for copy in copies)
        return SUCCESS if is_there else PROCESSING_FAILURE

    def _failed(self, task: CommitmentTask, attempt: int, reason: str, *, retry: bool) -> Settlement:
        wait = self.backoff.after(attempt) if retry else None
        record_failed_report(self.database, task.id, reason=reason, parked=wait is None)
        how = "parked" if wait is None else "failed"
        log.warning("commitment_not_reported", commitment=task.id, how=how, attempt=attempt, reason=reason)
        return Done() if wait is None else RetryAt(self.clock() + wait, reason)
