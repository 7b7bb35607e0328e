"""Router mode's line: received Instances go on, bytes untouched, until each is acknowledged or parked."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from agent.destinations import Forwarding
from agent.destinations.folder import Trial
from agent.errors import DeliveryError
from agent.line.retry import Backoff
from db import kinds
from db.database import Database
from db.forwarding import (
    Ended,
    ForwardTask,
    due_forwards,
    next_forward_at,
    note_forwards,
    park_quarantined,
)
from db.queue import Done, Job, RetryAt, Settlement
from dicom_io.errors import LostError
from dicom_io.store import Store

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 100
MOST_BYTES_AT_ONCE = 1 << 30
"""How much of one study goes before a more urgent one gets its turn (and before a drain has to wait no longer)."""


@dataclass(frozen=True, slots=True)
class Forwarder:
    """Handler of the jobs `forward:<destination>`."""

    database: Database
    store: Store
    destinations: Mapping[str, Forwarding]
    backoff: Backoff
    clock: Callable[[], datetime]

    def forward(self, job: Job) -> Settlement:
        """Send what is due of the study whose id is the job's key. Safe to repeat: the same UID is the same bytes."""
        destination, study_id = job.kind.removeprefix(kinds.forward("")), int(job.key)
        if parked := park_quarantined(self.database, study_id, destination, at=self.clock()):
            log.warning("forwards_held_back", destination=destination, study_id=study_id, instances=parked)
        due = due_forwards(self.database, study_id, destination, now=self.clock(), limit=MOST_AT_ONCE)
        with ExitStack() as stack:
            there, away = self._at_hand(_affordable(due), stack)
            self._send(destination, there)
        self._miss(destination, away)
        following = next_forward_at(self.database, study_id, destination)
        return Done() if following is None else RetryAt(max(following, self.clock()), "more to forward")

    def _at_hand(
        self, tasks: Sequence[ForwardTask], stack: ExitStack
    ) -> tuple[list[tuple[ForwardTask, Path]], list[ForwardTask]]:
        """Return the files that are there for as long as `stack` is open, and the tasks whose files are not.

        Raises StoreError where nobody can tell: then all wait.
        """
        there, away = [], []
        for task in tasks:
            try:
                there.append((task, stack.enter_context(self.store.local(task.path))))
            except LostError:
                away.append(task)
        return there, away

    def _send(self, destination: str, files: Sequence[tuple[ForwardTask, Path]]) -> None:
        if not files:
            return
        sending = Sending(self, destination, [task for task, _ in files])
        try:
            self.destinations[destination].forward([path for _, path in files], sending)
        except DeliveryError as error:
            sending.broke(error)
        finally:
            sending.finish()

    def _miss(self, destination: str, tasks: Sequence[ForwardTask]) -> None:
        """Account for files that are not there: a store that is away comes back, so they are tried again."""
        if tasks:
            sending = Sending(self, destination, tasks)
            sending.broke(DeliveryError("expected the stored file. Received: it is not there", retry=True))
            sending.finish()


def _affordable(tasks: Sequence[ForwardTask]) -> Sequence[ForwardTask]:
    """Return the first tasks, as many as are not too much at once, but at least one."""
    total = 0
    for number, task in enumerate(tasks):
        total += task.size
        if total > MOST_BYTES_AT_ONCE and number:
            return tasks[:number]
    return tasks


@dataclass(slots=True)
class Sending:
    """One batch on its way (`agent.destinations.Progress`): what has ended is committed with the next beginning."""

    forwarder: Forwarder
    destination: str
    tasks: Sequence[ForwardTask]
    _current: int | None = None
    _ended: dict[int, Ended] = field(default_factory=dict)
    _committed: set[int] = field(default_factory=set)
    _started_at: datetime | None = None

    def begins(self, index: int) -> None:
        """See `Progress`."""
        self._started_at = self._started_at or self.forwarder.clock()
        if not self._commit(self.tasks[index]):
            message = "expected an Instance that is still to be sent. Received: one that is settled or quarantined"
            raise DeliveryError(message, retry=True)
        self._current = index

    def stored(self, index: int, detail: str) -> None:
        """See `Progress`."""
        task, is_first = self.tasks[index], not any(one.acknowledged for one in self._ended.values())
        self._end(
            index,
            Ended(
                delivery_id=task.delivery_id,
                acknowledged=True,
                reason=detail,
                attempts=task.attempts + 1,
                on_trial=isinstance(self.forwarder.destinations[self.destination], Trial),
                is_told=is_first,
            ),
        )

    def failed(self, index: int, error: DeliveryError) -> None:
        """See `Progress`. "Already there" means stored only where these bytes may have arrived before."""
        task = self.tasks[index]
        if error.already_there and task.sent_before:
            self.stored(index, f"sent before: {error}")
            return
        retry = error.retry and not error.already_there
        wait = self.forwarder.backoff.after(task.attempts + 1) if retry else None
        self._end(index, self._failure(task, str(error), wait, attempts=task.attempts + 1, error=error))

    def broke(self, error: DeliveryError) -> None:
        """Account for a lost or missing connection: an attempt of what was on its way, or of all if nothing was."""
        open_ones = [index for index in range(len(self.tasks)) if index not in self._ended]
        for index in open_ones:
            if self._current is None or self._current == index:
                self.failed(index, error)
            else:
                task, wait = self.tasks[index], self.forwarder.backoff.after(1) or timedelta()
                self._ended[index] = self._failure(task, f"not yet sent: {error}", wait, attempts=task.attempts)

    def finish(self) -> None:
        """Commit what is left, and say how it went."""
        self._commit(None)
        ends = list(self._ended.values())
        acknowledged = sum(one.acknowledged for one in ends)
        parked = sum(not one.acknowledged and one.not_before is None for one in ends)
        now = self.forwarder.clock()
        log.info(
            "forwarded",
            destination=self.destination,
            study_instance_uid=self.tasks[0].study_instance_uid,
            acknowledged=acknowledged,
            failed=len(ends) - acknowledged - parked,
            parked=parked,
            bytes=sum(self.tasks[index].size for index, one in self._ended.items() if one.acknowledged),
            seconds=round((now - (self._started_at or now)).total_seconds(), 3),
            detail=next((one.reason for one in ends if not one.acknowledged), ""),
        )

    def _failure(
        self,
        task: ForwardTask,
        reason: str,
        wait: timedelta | None,
        *,
        attempts: int,
        error: DeliveryError | None = None,
    ) -> Ended:
        return Ended(
            delivery_id=task.delivery_id,
            acknowledged=False,
            reason=reason,
            attempts=attempts,
            not_before=None if wait is None else self.forwarder.clock() + wait,
            forget_sending=error is not None and error.already_there,
        )

    def _end(self, index: int, ended: Ended) -> None:
        self._ended[index] = ended
        if self._current == index:
            self._current = None

    def _commit(self, begins: ForwardTask | None) -> bool:
        new = {index: one for index, one in self._ended.items() if index not in self._committed}
        if not new and begins is None:
            return True
        may_go = note_forwards(self.forwarder.database, list(new.values()), begins, at=self.forwarder.clock())
        self._committed.update(new)
        return may_go
