"""The queue: one contract and two engines, `embedded` on SQLite and `procrastinate_engine` on PostgreSQL.

A job is a (kind, key). The key names the row that the job is about; everything else the handler reads from that row. A
handler may be called again for work that it has already committed (its process died in between, or was suspended for
longer than its lease), so it looks before it leaps: what it did is on record, and its writes compare and set.
"""

import importlib
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, cast

from sqlalchemy import Connection

from db.database import Database
from db.queue.policy import Policy

LONGEST_KIND = 40
"""Characters: PostgreSQL's channels, on which idle workers listen, have names of 63 bytes, of which 23 are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a handler is called with. `attempt` is 1 for the first run."""

    kind: str
    key: str
    attempt: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Done:
    """The job has ended and is forgotten."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Run the job again, not before `at`. `reason` is kept for people: identifiers only, no patient data."""

    at: datetime
    reason: str

    def __post_init__(self) -> None:
        """Refuse a naive time."""
        if self.at.tzinfo is None:
            msg = f"expected an aware datetime. Received: at={self.at.isoformat()}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Park:
    """Keep the job where people see it and can requeue it. `reason` as in `RetryAt`."""

    reason: str


Settlement = Done | RetryAt | Park
Handler = Callable[[Job], Settlement]
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedJob:
    """A job that waits for a person. `attempts` counts its runs."""

    kind: str
    key: str
    reason: str
    attempts: int
    parked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningJob:
    """A job that a worker has: its process by name where the engine knows it, and until when unless it renews that."""

    kind: str
    key: str
    attempt: int
    due_at: datetime
    worker: str
    claimed_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KindDepth:
    """How many jobs of a kind are `waiting` to run now, planned for `later`, `running` and `parked`."""

    kind: str
    waiting: int
    later: int
    running: int
    parked: int
    oldest_run_at: datetime | None
    """Since when the job that has waited longest might have run; None if none waits."""
    first_due_at: datetime | None = None
    """The earliest time at which one that waits to run now is due; None if none waits."""


class Queue(Protocol):
    """At most one job of a (kind, key) waits, one runs and one is parked; any number of processes take part."""

    def enqueue(self, connection: Connection, kind: str, key: str, *, due_at: datetime, run_at: datetime) -> None:
        """Let a job wait, inside the caller's transaction: it exists if and when that commits.

        Where one waits already it keeps the earlier `due_at` and the earlier `run_at`. While one runs, one more may
        wait and starts after that one has ended. A parked one is no longer parked: this job takes its place, as new.
        Jobs start in the order of `due_at` (to the second) once their `run_at` has come.

        Raises `ValueError` for a naive time or a kind of more than `LONGEST_KIND` characters, else `DatabaseError`.
        """

    def run(
        self,
        handlers: Mapping[str, Handler],
        *,
        stop: threading.Event,
        concurrency: int,
        longest: timedelta | None = None,
    ) -> None:
        """Run jobs of the kinds in `handlers`, `concurrency` at once in threads, until `stop` is set and they end.

        A job is claimed by one worker at a time, and a claim lasts while its process lives (it is renewed in the
        background). An exception that leaves a handler is logged and the job tried again, as the queue's `Policy` says,
        and then parked under the exception's class name; for `DatabaseUnavailableError` it is never parked. A database
        that cannot be reached is waited for; any other exception of the queue itself is a defect, and leaves `run` once
        the other jobs have ended. `ValueError` without any handler.

        A job that runs for more than `longest` (the policy's, if None) hangs. That is recorded as a death of its worker
        with that reason; the others may end, or go back as if they had not run; and **this process ends**, with exit
        status 70: there is no other way to end a thread. Whoever started it starts it again.
        """

    def reap(self, now: datetime) -> int:
        """Take back the jobs of workers that died and return how many; call it every few seconds, anywhere.

        They wait again from `now` on, or are parked ("worker died") if that happened `Policy.deaths` times in a row, of
        which the last time nothing else ran in that process: no job is parked for what its neighbour did. A worker
        counts as dead when it has not renewed its claims for `Policy.lease`.
        """

    def running(self) -> tuple[RunningJob, ...]:
        """Return the jobs that workers have, those due first at the beginning."""

    def parked(self) -> tuple[ParkedJob, ...]:
        """Return the parked jobs, the latest first."""

    def requeue(
        self, kind: str, key: str, now: datetime, *, also: Callable[[Connection], object] | None = None
    ) -> bool:
        """Let a parked job wait again from `now` on, as if it were new; False if there is no such parked job.

        If there is, `also` is called in the same transaction.
        """

    def has_any(self, connection: Connection, jobs: Collection[tuple[str, str]]) -> bool:
        """Tell, inside the caller's transaction, whether any of these (kind, key) waits, runs or is parked."""

    def depth(self, now: datetime) -> tuple[KindDepth, ...]:
        """Return how many jobs there are of each kind that has any, by kind."""


def utc_now() -> datetime:
    """Return the time, aware and in UTC."""
    return datetime.now(UTC)


def open_queue(database: Database, policy: Policy | None = None, clock: Clock = utc_now) -> Queue:
    """Return the queue in `database`: the engine that fits it. The other engine is not imported."""
    name, cls = {
        "sqlite": ("db.queue.embedded", "EmbeddedQueue"),
        "postgresql": ("db.queue.procrastinate_engine", "ProcrastinateQueue"),
    }[database.dialect]
    make = getattr(importlib.import_module(name), cls)
    return cast("Queue", make(database, policy or Policy(), clock))
