"""The queue in a table of the same SQLite database: no server, no other process."""

import threading
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from time import monotonic
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects import sqlite

from db.database import Database
from db.queue import Clock, Handler, Job, KindDepth, ParkedJob, Settlement, ledger
from db.queue.changes import ChangeCounter
from db.queue.job_table import LEASED, PARKED, WAITING, job
from db.queue.ledger import Entry
from db.queue.policy import Policy
from db.queue.runner import Claim, Runner

_POLL = 0.025  # seconds between two looks at SQLite's change counter
_ENTRY = (job.c.kind, job.c.key, job.c.due_at, job.c.attempt, job.c.failures, job.c.deaths, job.c.reason)


class EmbeddedQueue:
    """`db.queue.Queue` on SQLite."""

    def __init__(self, database: Database, policy: Policy, clock: Clock) -> None:
        """Prefer `db.queue.open_queue`."""
        self._database = database
        self._policy = policy
        self._clock = clock
        self._rows = JobRows()

    def enqueue(self, connection: Connection, kind: str, key: str, *, due_at: datetime, run_at: datetime) -> None:
        """See `Queue.enqueue`."""
        ledger.enqueue(self._rows, connection, kind, key, due_at=due_at, run_at=run_at)

    def run(self, handlers: Mapping[str, Handler], *, stop: threading.Event, concurrency: int) -> None:
        """See `Queue.run`."""
        with closing(ChangeCounter(self._database)) as changes:
            worker = EmbeddedWorker(self._database, tuple(handlers), self._policy, self._clock, changes)
            Runner(worker, handlers, self._policy, self._clock).run(stop=stop, concurrency=concurrency)

    def reap(self, now: datetime) -> int:
        """See `Queue.reap`."""
        with self._database.read() as connection:
            if not connection.execute(select(exists().where(_expired(now)))).scalar_one():
                return 0
        with self._database.begin() as connection:
            return ledger.reap(self._rows, connection, now=now, policy=self._policy)

    def parked(self) -> tuple[ParkedJob, ...]:
        """See `Queue.parked`."""
        columns = (job.c.kind, job.c.key, job.c.reason, job.c.attempt.label("attempts"), job.c.parked_at)
        query = select(*columns).where(job.c.state == PARKED).order_by(job.c.parked_at.desc(), job.c.id.desc())
        with self._database.read() as connection:
            return tuple(ParkedJob(**row) for row in connection.execute(query).mappings())

    def requeue(self, kind: str, key: str, now: datetime) -> bool:
        """See `Queue.requeue`."""
        with self._database.begin() as connection:
            return ledger.requeue(self._rows, connection, kind, key, now=now)

    def depth(self, now: datetime) -> tuple[KindDepth, ...]:
        """See `Queue.depth`."""
        waits, due = job.c.state == WAITING, job.c.run_at <= now
        query = (
            select(
                job.c.kind,
                _count(waits & due).label("waiting"),
                _count(waits & ~due).label("later"),
                _count(job.c.state == LEASED).label("running"),
                _count(job.c.state == PARKED).label("parked"),
                func.min(case((waits & due, job.c.run_at)), type_=job.c.run_at.type).label("oldest_run_at"),
            )
            .group_by(job.c.kind)
            .order_by(job.c.kind)
        )
        with self._database.read() as connection:
            return tuple(KindDepth(**row) for row in connection.execute(query).mappings())


class JobRows:
    """`db.queue.ledger.Ledger` on the job table. SQLite's one writer makes several statements one step."""

    def take(self, connection: Connection, claim_id: int) -> Entry | None:
        """See `Ledger.take`."""
        return self._take(connection, (job.c.id == claim_id) & (job.c.state == LEASED))

    def take_parked(self, connection: Connection, kind: str, key: str) -> Entry | None:
        """See `Ledger.take_parked`."""
        return self._take(connection, (job.c.kind == kind) & (job.c.key == key) & (job.c.state == PARKED))

    def take_expired(self, connection: Connection, now: datetime) -> tuple[Entry, ...]:
        """See `Ledger.take_expired`."""
        return tuple(_entry(row) for row in connection.execute(delete(job).where(_expired(now)).returning(*_ENTRY)))

    def put_waiting(self, connection: Connection, entry: Entry, run_at: datetime) -> None:
        """See `Ledger.put_waiting`."""
        new = sqlite.insert(job).values(**_values(entry), state=WAITING, run_at=run_at)
        merged: dict[str, ColumnElement[object]] = {
            "reason": func.coalesce(func.nullif(new.excluded.reason, ""), job.c.reason)
        }
        # SQLite's min() and max() of two arguments are scalar functions.
        merged |= {name: func.min(job.c[name], new.excluded[name]) for name in ("due_at", "run_at")}
        merged |= {name: func.max(job.c[name], new.excluded[name]) for name in ("attempt", "failures", "deaths")}
        waiting = text("state = 'WAITING'")  # as the partial index says it
        connection.execute(
            new.on_conflict_do_update(index_elements=[job.c.kind, job.c.key], index_where=waiting, set_=merged)
        )

    def put_parked(self, connection: Connection, entry: Entry, parked_at: datetime) -> None:
        """See `Ledger.put_parked`."""
        self.take_parked(connection, entry.kind, entry.key)
        connection.execute(insert(job).values(**_values(entry), state=PARKED, run_at=parked_at, parked_at=parked_at))

    def _take(self, connection: Connection, where: ColumnElement[bool]) -> Entry | None:
        row = connection.execute(delete(job).where(where).returning(*_ENTRY)).one_or_none()
        return None if row is None else _entry(row)


class EmbeddedWorker:
    """`db.queue.runner.Worker` on the job table."""

    def __init__(
        self, database: Database, kinds: Sequence[str], policy: Policy, clock: Clock, changes: ChangeCounter
    ) -> None:
        """Begin a presence; its name in the rows is `owner`."""
        self._database = database
        self._kinds = kinds
        self._policy = policy
        self._clock = clock
        self._owner = uuid.uuid4().hex
        self._rows = JobRows()
        self._changes = changes
        self._seen = 0

    def claim(self) -> Claim | None:
        """See `Worker.claim`. Looks before it takes the write lock, so that an idle worker disturbs no receiver."""
        self._seen = self._changes.read()
        now = self._clock()
        with self._database.read() as connection:
            if connection.execute(_next_job(self._kinds, now)).scalar_one_or_none() is None:
                return None
        with self._database.begin() as connection:
            row = connection.execute(
                update(job)
                .where(job.c.id == _next_job(self._kinds, now).scalar_subquery())
                .values(
                    state=LEASED, owner=self._owner, leased_until=now + self._policy.lease, attempt=job.c.attempt + 1
                )
                .returning(job.c.id, *_ENTRY)
            ).one_or_none()
        if row is None:  # another worker was first
            return None
        taken = Job(kind=row.kind, key=row.key, attempt=row.attempt, due_at=row.due_at)
        return Claim(row.id, taken, row.failures)

    def settle(self, claim: Claim, settlement: Settlement, failures: int) -> bool:
        """See `Worker.settle`."""
        with self._database.begin() as connection:
            return ledger.settle(self._rows, connection, claim.id, settlement, failures=failures, now=self._clock())

    def renew(self) -> None:
        """See `Worker.renew`."""
        mine = (job.c.owner == self._owner) & (job.c.state == LEASED)
        with self._database.read() as connection:
            if not connection.execute(select(exists().where(mine))).scalar_one():
                return
        with self._database.begin() as connection:
            connection.execute(update(job).where(mine).values(leased_until=self._clock() + self._policy.lease))

    def wait(self, stop: threading.Event, timeout: float) -> None:
        """See `Worker.wait`. SQLite tells nobody of a commit; its change counter is cheap to ask."""
        end = monotonic() + min(timeout, self._until_planned())
        while monotonic() < end and self._changes.read() == self._seen:
            if stop.wait(_POLL):
                return

    def _until_planned(self) -> float:
        now = self._clock()
        query = select(func.min(job.c.run_at, type_=job.c.run_at.type)).where(
            job.c.state == WAITING, job.c.kind.in_(self._kinds), job.c.run_at > now
        )
        with self._database.read() as connection:
            planned = connection.execute(query).scalar_one()
        return float("inf") if planned is None else (planned - now).total_seconds()


def _next_job(kinds: Sequence[str], now: datetime) -> Select[tuple[int]]:
    """Select the id of the next job: per kind along the index, so that a long queue of another kind costs nothing."""
    busy = job.alias()
    firsts = [
        select(job.c.id, job.c.due_at)
        .where(job.c.state == literal(WAITING, literal_execute=True), job.c.kind == kind, job.c.run_at <= now)
        .where(
            ~exists().where(
                busy.c.state == literal(LEASED, literal_execute=True),
                busy.c.kind == job.c.kind,
                busy.c.key == job.c.key,
            )
        )
        .order_by(job.c.due_at, job.c.id)
        .limit(1)
        .subquery()
        for kind in kinds
    ]
    candidates = union_all(*(select(first.c.id, first.c.due_at) for first in firsts)).subquery()
    return select(candidates.c.id).order_by(candidates.c.due_at, candidates.c.id).limit(1)


def _expired(now: datetime) -> ColumnElement[bool]:
    return (job.c.state == LEASED) & (job.c.leased_until < now)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))


def _entry(row: Row[*tuple[Any, ...]]) -> Entry:
    return Entry(**row._mapping)  # noqa: SLF001 - the public name of SQLAlchemy's mapping view


def _values(entry: Entry) -> dict[str, object]:
    return {name: getattr(entry, name) for name in Entry.__slots__}
