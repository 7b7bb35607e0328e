"""The queue on PostgreSQL, in procrastinate's tables: any number of hosts.

From procrastinate come the schema and its functions: fetching by priority with SKIP LOCKED, one waiting job per
queueing lock, one running job per lock, NOTIFY to idle workers, workers with heartbeats; its tools show these jobs. Its
Python worker is not used, because it

- stops its heartbeat when it begins to drain, so that a job that outlasts the lease is run twice;
- settles a job by its id without asking whether the job is still its own;
- leaves a job running for ever, in the name of a living worker, when a settlement fails (the server restarts).

`db.queue.runner` runs the jobs on either engine.
"""

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from db.database import Database
from db.errors import DatabaseError
from db.queue import Clock, Handler, Job, KindDepth, ParkedJob, RunningJob, Settlement, ledger
from db.queue.announcements import Announcements
from db.queue.policy import Policy
from db.queue.procrastinate_rows import ProcrastinateRows, entry, lock_of
from db.queue.room import Room
from db.queue.runner import Claim, LastChance, Runner, Running, kinds_of

logger = logging.getLogger(__name__)

_FORGOTTEN = datetime(1970, 1, 1, tzinfo=UTC)

_FETCH = text("""
    SELECT id, queue_name, args, attempts + 1 AS attempt, now() AS looked_at
    FROM procrastinate.procrastinate_fetch_job_v2(CAST(:kinds AS varchar[]), :worker)
""")
_REGISTER = text("SELECT worker_id FROM procrastinate.procrastinate_register_worker_v1()")
_UNREGISTER = text("SELECT procrastinate.procrastinate_unregister_worker_v1(:worker)")
_RENEW = text("""
    UPDATE procrastinate.procrastinate_workers SET last_heartbeat = now() WHERE id = :worker RETURNING id
""")
_UNTIL_PLANNED = text("""
    SELECT extract(epoch FROM min(scheduled_at) - now()) FROM procrastinate.procrastinate_jobs
    WHERE status = 'todo' AND queue_name = ANY(:kinds) AND scheduled_at > :looked_at
""")
_RUNNING = text("""
    SELECT queue_name, args, attempts + 1 AS attempt, worker_id, last_heartbeat
    FROM procrastinate.procrastinate_jobs AS job LEFT JOIN procrastinate.procrastinate_workers AS worker
        ON worker.id = worker_id
    WHERE status = 'doing' ORDER BY priority DESC, job.id
""")
_PARKED = text("""
    SELECT queue_name, args, attempts AS attempt FROM procrastinate.procrastinate_jobs WHERE status = 'failed'
    ORDER BY args ->> 'parked_at' DESC, id DESC
""")
# Only jobs that have not ended are kept; the table has an index of locks.
_HAS_ANY = text("""
    SELECT EXISTS (SELECT FROM procrastinate.procrastinate_jobs WHERE lock = ANY(CAST(:locks AS text[])))
""")
_DEPTH = text("""
    SELECT queue_name AS kind,
        count(*) FILTER (WHERE status = 'todo' AND scheduled_at <= :now) AS waiting,
        count(*) FILTER (WHERE status = 'todo' AND scheduled_at > :now) AS later,
        count(*) FILTER (WHERE status = 'doing') AS running,
        count(*) FILTER (WHERE status = 'failed') AS parked,
        min(scheduled_at) FILTER (WHERE status = 'todo' AND scheduled_at <= :now) AS oldest_run_at,
        min(CAST(args ->> 'due_at' AS timestamptz)) FILTER (WHERE status = 'todo' AND scheduled_at <= :now)
            AS first_due_at
    FROM procrastinate.procrastinate_jobs GROUP BY queue_name ORDER BY queue_name COLLATE "C"
""")


class ProcrastinateQueue:
    """`db.queue.Queue` on PostgreSQL."""

    def __init__(self, database: Database, policy: Policy, clock: Clock) -> None:
        """Prefer `db.queue.open_queue`."""
        self._database = database
        self._policy = policy
        self._clock = clock
        self._rows = ProcrastinateRows(policy.lease, clock)
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
        with ExitStack() as closing_time:
            announcements = closing_time.enter_context(closing(Announcements(self._database, kinds)))
            worker = ProcrastinateWorker(self._database, kinds, self._policy, self._clock, announcements)
            closing_time.enter_context(closing(worker))
            Runner(worker, handlers, self._policy, self._clock, self._room, longest).run(
                stop=stop, concurrency=concurrency
            )

    def reap(self, now: datetime) -> int:
        """See `Queue.reap`. The server's clock decides who is dead."""
        with self._database.begin() as connection:
            return ledger.reap(self._rows, connection, now=now, policy=self._policy)

    def running(self) -> tuple[RunningJob, ...]:
        """See `Queue.running`. The server gives workers numbers; one that it has forgotten is taken for dead."""
        with self._database.read() as connection:
            rows = connection.execute(_RUNNING).all()
        return tuple(
            RunningJob(
                kind=row.queue_name,
                key=row.args["key"],
                attempt=row.attempt,
                due_at=datetime.fromisoformat(row.args["due_at"]),
                worker=f"worker {row.worker_id}",
                claimed_until=(row.last_heartbeat or _FORGOTTEN) + self._policy.lease,
            )
            for row in rows
        )

    def parked(self) -> tuple[ParkedJob, ...]:
        """See `Queue.parked`."""
        with self._database.read() as connection:
            rows = connection.execute(_PARKED).all()
        return tuple(
            ParkedJob(
                kind=row.queue_name,
                key=row.args["key"],
                reason=row.args["reason"],
                attempts=row.attempt,
                parked_at=datetime.fromisoformat(row.args["parked_at"]),
            )
            for row in rows
        )

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
        locks = [lock_of(kind, key) for kind, key in jobs]
        return bool(connection.execute(_HAS_ANY, {"locks": locks}).scalar_one())

    def depth(self, now: datetime) -> tuple[KindDepth, ...]:
        """See `Queue.depth`."""
        with self._database.read() as connection:
            return tuple(KindDepth(**row) for row in connection.execute(_DEPTH, {"now": now}).mappings())


class ProcrastinateWorker:
    """`db.queue.runner.Worker` on procrastinate's tables."""

    def __init__(
        self, database: Database, kinds: Sequence[str], policy: Policy, clock: Clock, announcements: Announcements
    ) -> None:
        """Keep what is needed. The server's number for it comes with the first claim."""
        self._database = database
        self._kinds = list(kinds)
        self._policy = policy
        self._clock = clock
        self._rows = ProcrastinateRows(policy.lease, clock)
        self._announcements = announcements
        self._id: int | None = None
        self._looked_at = _FORGOTTEN  # by the server's clock: what came due since then nobody has passed over

    def claim(self, *, alone: bool) -> Claim | None:
        """See `Worker.claim`."""
        if self._id is None:
            self._id = self._register()
        with self._database.begin() as connection:
            row = connection.execute(_FETCH, {"kinds": self._kinds, "worker": self._id}).one()
            self._looked_at = row.looked_at
            if row.id is None:  # procrastinate's function returns a row of nulls for nothing
                return None
            found = entry(row)
            if self._policy.is_last_chance(found.deaths) and not alone:
                raise LastChance
        return Claim(
            row.id, Job(kind=found.kind, key=found.key, attempt=found.attempt, due_at=found.due_at), found.failures
        )

    def settle(self, claim: Claim, settlement: Settlement, failures: int) -> bool:
        """See `Worker.settle`."""
        with self._database.begin() as connection:
            return ledger.settle(self._rows, connection, claim.id, settlement, failures=failures, now=self._clock())

    def give_back(self, claim: Claim, *, blame: str) -> bool:
        """See `Worker.give_back`."""
        now, policy = self._clock(), self._policy
        with self._database.begin() as connection:
            return ledger.give_back(self._rows, connection, claim.id, blame=blame, now=now, policy=policy)

    def renew(self) -> None:
        """See `Worker.renew`. One that was forgotten, as its host slept for hours, registers anew when it claims."""
        with self._database.begin() as connection:
            known = connection.execute(_RENEW, {"worker": self._id}).one_or_none()
        if known is None:
            self._id = None

    def wait(self, stop: threading.Event, timeout: float) -> None:
        """See `Worker.wait`."""
        with self._database.read() as connection:
            sought = {"kinds": self._kinds, "looked_at": self._looked_at}
            planned = connection.execute(_UNTIL_PLANNED, sought).scalar_one()
        self._announcements.wait(stop, timeout if planned is None else min(timeout, float(planned)))

    def close(self) -> None:
        """Take the worker off the list. What it still has, because a settlement failed, may be reaped at once."""
        try:
            with self._database.begin() as connection:
                connection.execute(_UNREGISTER, {"worker": self._id})
        except DatabaseError as error:  # its heartbeat has stopped: that will do
            logger.warning("queue_worker_not_unregistered", extra={"error": type(error).__name__})

    def _register(self) -> int:
        with self._database.begin() as connection:
            return int(connection.execute(_REGISTER).scalar_one())
