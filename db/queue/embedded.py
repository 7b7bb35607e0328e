"""The queue in a table of the same SQLite database: no server, no other process."""

import os
import threading
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from socket import gethostname
from sqlite3 import Error
from time import monotonic

from sqlalchemy import ColumnElement, Connection, case, exists, func, select, update

from db.database import Database
from db.foreign import translated
from db.queue import Clock, Handler, Job, KindDepth, ParkedJob, RunningJob, Settlement, ledger
from db.queue.changes import ChangeCounter
from db.queue.job_rows import HAS_JOB, ClaimRows, JobRows
from db.queue.job_table import is_leased, is_parked, is_waiting, job
from db.queue.policy import Policy
from db.queue.room import Room
from db.queue.runner import Claim, LastChance, Runner, Running, kinds_of

_POLL = 0.025  # seconds between two looks at SQLite's change counter
_SOON = 0.005  # the same of a worker that has lately had something to do
_LATELY = 5.0  # seconds


class EmbeddedQueue:
    """`db.queue.Queue` on SQLite."""

    def __init__(self, database: Database, policy: Policy, clock: Clock) -> None:
        """Prefer `db.queue.open_queue`."""
        self._database = database
        self._policy = policy
        self._clock = clock
        self._rows = JobRows()
        self._room: Room[Running] = Room()

    def enqueue(self, connection: Connection, kind: str, key: str, *, due_at: datetime, run_at: datetime) -> None:
        """See `Queue.enqueue`."""
        ledger.enqueue(self._rows, connection, kind, key, due_at=due_at, run_at=run_at)

    def run(
        self,
        handlers: Mapping[str, Handler],
        *,
        stop: threading.Event,
        concurrency: int,
        longest: timedelta | None = None,
    ) -> None:
        """See `Queue.run`."""
        kinds = kinds_of(handlers)
        with closing(ChangeCounter(self._database)) as changes:
            worker = EmbeddedWorker(self._database, kinds, self._policy, self._clock, changes)
            Runner(worker, handlers, self._policy, self._clock, self._room, longest).run(
                stop=stop, concurrency=concurrency
            )

    def reap(self, now: datetime) -> int:
        """See `Queue.reap`."""
        with self._database.read() as connection:
            if not self._rows.any_expired(connection, now):
                return 0
        with self._database.begin() as connection:
            return ledger.reap(self._rows, connection, now=now, policy=self._policy)

    def running(self) -> tuple[RunningJob, ...]:
        """See `Queue.running`."""
        columns = (job.c.kind, job.c.key, job.c.attempt, job.c.due_at, job.c.owner, job.c.leased_until)
        query = select(*columns).where(is_leased).order_by(job.c.due_at, job.c.id)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return tuple(
            RunningJob(
                kind=row.kind,
                key=row.key,
                attempt=row.attempt,
                due_at=row.due_at,
                worker=row.owner.rpartition(":")[0],
                claimed_until=row.leased_until,
            )
            for row in rows
        )

    def parked(self) -> tuple[ParkedJob, ...]:
        """See `Queue.parked`."""
        columns = (job.c.kind, job.c.key, job.c.reason, job.c.attempt.label("attempts"), job.c.parked_at)
        query = select(*columns).where(is_parked).order_by(job.c.parked_at.desc(), job.c.id.desc())
        with self._database.read() as connection:
            return tuple(ParkedJob(**row) for row in connection.execute(query).mappings())

    def requeue(
        self, kind: str, key: str, now: datetime, *, also: Callable[[Connection], object] | None = None
    ) -> bool:
        """See `Queue.requeue`."""
        with self._database.begin() as connection:
            found = ledger.requeue(self._rows, connection, kind, key, now=now)
            if found and also is not None:
                also(connection)
        return found

    def has_any(self, connection: Connection, jobs: Collection[tuple[str, str]]) -> bool:
        """See `Queue.has_any`."""
        return any(bool(connection.execute(HAS_JOB, {"kind": kind, "key": key}).scalar_one()) for kind, key in jobs)

    def depth(self, now: datetime) -> tuple[KindDepth, ...]:
        """See `Queue.depth`."""
        waits, due = is_waiting, job.c.run_at <= now
        query = (
            select(
                job.c.kind,
                _count(waits & due).label("waiting"),
                _count(waits & ~due).label("later"),
                _count(is_leased).label("running"),
                _count(is_parked).label("parked"),
                func.min(case((waits & due, job.c.run_at))).label("oldest_run_at"),
                func.min(case((waits & due, job.c.due_at))).label("first_due_at"),
            )
            .group_by(job.c.kind)
            .order_by(job.c.kind)
        )
        with self._database.read() as connection:
            return tuple(KindDepth(**row) for row in connection.execute(query).mappings())


class EmbeddedWorker:
    """`db.queue.runner.Worker` on the job table."""

    def __init__(
        self, database: Database, kinds: Sequence[str], policy: Policy, clock: Clock, changes: ChangeCounter
    ) -> None:
        """Begin a presence; its name in the rows is `owner`: host, process, and what nobody else has.

        It commits lightly: what a power failure undoes of a claim or a settlement is a job that is run again.
        """
        self._database = database
        self._policy = policy
        self._clock = clock
        self._owner = f"{gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"
        self._rows = JobRows()
        self._changes = changes
        self._seen = 0
        self._planned: datetime | None = None
        self._watchful_until = 0.0
        self._next = ClaimRows(kinds)

    def claim(self, *, alone: bool) -> Claim | None:
        """See `Worker.claim`. Looks before it takes the write lock, so that an idle worker disturbs no receiver."""
        self._seen = self._changes.read()
        now = self._clock()
        with translated(Error):
            if not self._next.any(self._changes.connection, now):
                self._planned = self._next.planned(self._changes.connection, now)
                return None
        with self._database.begin_lightly() as connection:
            row = self._next.take(connection, now, self._owner, now + self._policy.lease)
            if row is not None and self._policy.is_last_chance(row.deaths) and not alone:
                raise LastChance
        if row is None:  # another worker was first
            self._planned = now
            return None
        self._watchful_until = monotonic() + _LATELY
        taken = Job(kind=row.kind, key=row.key, attempt=row.attempt, due_at=row.due_at)
        return Claim(row.id, taken, row.failures)

    def settle(self, claim: Claim, settlement: Settlement, failures: int) -> bool:
        """See `Worker.settle`."""
        with self._database.begin_lightly() as connection:
            return ledger.settle(self._rows, connection, claim.id, settlement, failures=failures, now=self._clock())

    def give_back(self, claim: Claim, *, blame: str) -> bool:
        """See `Worker.give_back`."""
        now, policy = self._clock(), self._policy
        with self._database.begin() as connection:
            return ledger.give_back(self._rows, connection, claim.id, blame=blame, now=now, policy=policy)

    def renew(self) -> None:
        """See `Worker.renew`."""
        mine = (job.c.owner == self._owner) & is_leased
        with self._database.read() as connection:
            if not connection.execute(select(exists().where(mine))).scalar_one():
                return
        with self._database.begin_lightly() as connection:
            connection.execute(update(job).where(mine).values(leased_until=self._clock() + self._policy.lease))

    def wait(self, stop: threading.Event, timeout: float) -> None:
        """See `Worker.wait`. SQLite tells nobody of a commit; its change counter is cheap to ask."""
        planned = float("inf") if self._planned is None else (self._planned - self._clock()).total_seconds()
        end = monotonic() + min(timeout, planned)
        while monotonic() < end and self._changes.read() == self._seen:
            if stop.wait(_SOON if monotonic() < self._watchful_until else _POLL):
                return


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))
