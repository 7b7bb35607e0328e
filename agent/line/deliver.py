"""The fifth line: a report is rendered once, its bytes are kept, and every attempt sends those bytes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import random
from typing import Final

import structlog

from agent.destinations import Destination, Outgoing, mapped
from agent.destinations.folder import Trial
from agent.errors import AgentError, DeliveryError, Retry
from agent.job_log import about
from agent.line.breaker import Breaker
from agent.line.confirm import Confirmer
from agent.line.described import instance_attributes
from agent.line.rendering import Renderer
from agent.line.retry import Backoff, Chance
from agent.reports.document import DICOM, ReportSettings
from agent.unforeseen import unforeseen
from db.concluded import concluded_study
from db.confirmation import record_stored
from db.database import Database
from db.delivery import (
    DeliveryTask,
    RenderedInstance,
    StoredReport,
    delivery_task,
    record_rendered,
)
from db.delivery_attempt import (
    Begun,
    Ending,
    Hold,
    acknowledge,
    begin_attempt,
    close_interrupted,
    record_failed_attempt,
    record_tested,
)
from db.errors import DatabaseError
from db.fall_back import fall_back
from db.queue import Done, Job, Queue, RetryAt, Settlement
from db.rejection import CLASS_REFUSED
from dicom_io.errors import DecoderError, StoreError
from dicom_io.header import read_header
from dicom_io.store import Store

log = structlog.get_logger(__name__)

BEHIND: Final = timedelta(seconds=1)
"""How long a report waits before it looks again whether an earlier version is still on its way."""


@dataclass(frozen=True, slots=True)
class Deliverer:
    """Handler of the jobs `deliver:<destination>`."""

    database: Database
    queue: Queue
    store: Store
    installation: str
    destinations: Mapping[str, Destination]
    report_settings: Mapping[str, ReportSettings]
    breaker: Breaker
    confirmer: Confirmer
    backoff: Backoff
    clock: Callable[[], datetime]
    chance: Chance = random

    def deliver(self, job: Job) -> Settlement:
        """Attempt the delivery whose id is the job's key. Safe to repeat: the same UID is the same bytes."""
        task = delivery_task(self.database, int(job.key))
        if task is None:
            close_interrupted(self.database, int(job.key), at=self.clock())
            return Done()
        about(task.study_instance_uid)
        if task.stored_at is not None:
            return self.confirmer.confirm(task)
        nobodys = (StoreError, DecoderError, DatabaseError, OSError)  # nothing wrong with the report: it is tried again
        facts = {"delivery": task.delivery_id, "destination": task.destination}
        try:
            with unforeseen(log, "delivery_broke", but=(AgentError, *nobodys), **facts) as ended:
                outgoing = self._outgoing(task)
        except AgentError as error:
            return self._parked(task, str(error))
        if ended.by is not None:
            return self._parked(task, f"the report could not be made: {type(ended.by).__name__}")
        return self._when_it_may(task, outgoing)

    def _when_it_may(self, task: DeliveryTask, outgoing: Outgoing) -> Settlement:
        """Attempt it, unless its destination rests or something else goes first."""
        resting = self.breaker.wait(task.destination, self.destinations[task.destination])
        if resting is not None:
            return RetryAt(resting, "the destination rests")
        begun = begin_attempt(self.database, task.delivery_id, sha256=outgoing.sha256, at=self.clock())
        if isinstance(begun, Begun):
            return self._attempt(task, outgoing, begun)
        self.breaker.ended(task.destination, None)  # nothing to send, but where it was asked it has answered
        if begun is Hold.BEHIND:
            return RetryAt(self.clock() + BEHIND, "an earlier version is on its way")
        return Done()

    def _attempt(self, task: DeliveryTask, outgoing: Outgoing, begun: Begun) -> Settlement:
        """Send, and commit how it went."""
        try:
            with mapped(task.destination):
                detail = self.destinations[task.destination].send(outgoing)
        except DeliveryError as error:
            self.breaker.ended(task.destination, error)
            if not (error.already_there and begun.sent_before):
                return self._failed(task, begun, error)
            detail = f"{error.status}: these bytes were sent there before"
        else:
            self.breaker.ended(task.destination, None)
        return self._has_it(task, begun, detail)

    def _has_it(self, task: DeliveryTask, begun: Begun, detail: str) -> Settlement:
        """Commit that the receiver says so: that settles it, unless it is to be confirmed."""
        now = self.clock()
        if isinstance(self.destinations[task.destination], Trial):
            record_tested(self.database, task.delivery_id, detail=detail, at=now, attempt_id=begun.attempt_id)
            _log(task, begun.number, "tested", detail, now)
            return Done()
        if self.confirmer.wants(task.destination):
            record_stored(self.database, task.delivery_id, detail=detail, at=now, attempt_id=begun.attempt_id)
            _log(task, begun.number, "stored", detail, now)
            return RetryAt(now, "to be confirmed")
        acknowledge(
            self.database,
            task.delivery_id,
            detail=detail,
            at=now,
            attempt_id=begun.attempt_id,
            confirmation=self.confirmer.unable(task.destination),
        )
        _log(task, begun.number, "acknowledged", detail, now)
        return Done()

    def _outgoing(self, task: DeliveryTask) -> Outgoing:
        """Return the report's bytes: those on record, or rendered now, once and for all."""
        stored, data = (task.stored, b"") if task.stored else self._render(task)
        if not data:
            with self.store.local(stored.path) as path:
                data = path.read_bytes()
        return Outgoing(
            media_type=task.media_type,
            data=data,
            identifier=stored.identifier,
            study_instance_uid=task.study_instance_uid,
        )

    def _render(self, task: DeliveryTask) -> tuple[StoredReport, bytes]:
        """Render and keep a report; return what is on record now, and its bytes, b"" if they are another process's."""
        document = self._renderer.render(task.kind, concluded_study(self.database, task.report_id))
        file = self.store.put(document.data)
        stored = StoredReport(
            identifier=document.identifier,
            sop_class_uid=document.sop_class_uid,
            series_instance_uid=document.series_instance_uid,
            sha256=file.sha256,
            path=file.path,
            size=file.size,
        )
        rendered = None
        if document.media_type == DICOM:
            header = read_header(document.data)
            rendered = RenderedInstance(header.transfer_syntax_uid, header.is_image, instance_attributes(header))
        on_record = record_rendered(self.database, task.report_id, stored, rendered, at=self.clock())
        return on_record, document.data if on_record == stored else b""

    def _failed(self, task: DeliveryTask, begun: Begun, error: DeliveryError) -> Settlement:
        wait = self._wait(begun.tries, error) if error.retry else None
        now = self.clock()
        falls_back = error.status == CLASS_REFUSED and task.fall_back < self._renderer.module(task.kind)[1].fall_backs
        record_failed_attempt(
            self.database,
            task.delivery_id,
            reason=str(error),
            parked=wait is None and not falls_back,
            at=now,
            attempt_id=begun.attempt_id,
            ending=_ending(error),
            status=error.status,
        )
        if falls_back:
            fall_back(self.database, self.queue, task.delivery_id, at=now)
            _log(task, begun.number, "falls back", str(error), now)
            return Done()
        _log(task, begun.number, "parked" if wait is None else "failed", str(error), now)
        return Done() if wait is None else RetryAt(now + wait, str(error))

    @property
    def _renderer(self) -> Renderer:
        return Renderer(self.store, self.installation, self.report_settings)

    def _parked(self, task: DeliveryTask, reason: str) -> Settlement:
        now = self.clock()
        record_failed_attempt(self.database, task.delivery_id, reason=reason, parked=True, at=now)
        _log(task, 0, "parked", reason, now)
        return Done()

    def _wait(self, attempt: int, error: DeliveryError) -> timedelta | None:
        slowly = error.patience is Retry.SLOWLY
        return self.backoff.after(attempt, slowly=slowly, asked=error.retry_after, chance=self.chance)


def _ending(error: DeliveryError) -> Ending:
    """Return how an attempt ended that came to this: who may have the bytes without saying so has broken off."""
    if error.sent:
        return Ending.BROKE
    return Ending.REFUSED if error.status else Ending.FAILED


def _log(task: DeliveryTask, attempt: int, how: str, detail: str, now: datetime) -> None:
    """Write the attempt's line, which is counted too; `seconds` are those since the report was ordered."""
    facts = {
        "delivery": task.delivery_id,
        "destination": task.destination,
        "report": task.kind,
        "attempt": attempt,
        "study_instance_uid": task.study_instance_uid,
        "revision": task.revision,
        "detail": detail,
        "seconds": round((now - task.created_at).total_seconds(), 3),
    }
    log.info("delivery", how=how, **facts)
    if how == "parked":
        log.error("delivery_parked", **facts)
