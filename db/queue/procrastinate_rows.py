"""Jobs as rows of procrastinate's tables.

Queue and task name are the kind; lock and queueing lock are kind and key together; priority is minus the seconds of
`due_at`, because the highest priority is fetched first; `args` keep what procrastinate has no column for. Statements
name the schema, so they work with any search path, inside anybody's transaction.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from db.queue import Clock
from db.queue.ledger import Entry

_EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
_LOWEST, _HIGHEST = -(2**31), 2**31 - 1  # a priority has 32 bits: 68 years of seconds on either side
_FORGET_WORKERS = timedelta(hours=1)

# An insert announces itself by procrastinate's trigger; a merge has to say that the waiting job's time has changed.
# The server's clock decides when a job's time has come. So a time is moved by what its planner's clock is wrong, if
# that is more than a statement takes: a receiver whose clock is ahead would delay the analysis of all that it takes.
_PUT_WAITING = text("""
    WITH clock AS (SELECT clock_timestamp() - CAST(:now AS timestamptz) AS wrong),
    put AS (
        INSERT INTO procrastinate.procrastinate_jobs AS old
            (queue_name, task_name, priority, lock, queueing_lock, args, scheduled_at, attempts)
        SELECT :kind, :kind, :priority, :lock, :lock, :args, CAST(:run_at AS timestamptz)
            + CASE WHEN wrong BETWEEN interval '-2 seconds' AND interval '2 seconds' THEN interval '0' ELSE wrong END,
            :attempt FROM clock
        ON CONFLICT (queueing_lock) WHERE status = 'todo' DO UPDATE SET
            priority = greatest(old.priority, excluded.priority),
            scheduled_at = least(old.scheduled_at, excluded.scheduled_at),
            attempts = greatest(old.attempts, excluded.attempts),
            args = old.args || jsonb_build_object(
                'due_at', least(old.args ->> 'due_at', excluded.args ->> 'due_at'),
                'failures', greatest((old.args -> 'failures')::int, (excluded.args -> 'failures')::int),
                'deaths', greatest((old.args -> 'deaths')::int, (excluded.args -> 'deaths')::int),
                'reason', coalesce(nullif(excluded.args ->> 'reason', ''), old.args ->> 'reason'))
        RETURNING id, xmax <> 0 AS merged
    )
    SELECT pg_notify(
        'procrastinate_queue_v1#' || :kind, json_build_object('type', 'job_inserted', 'job_id', id)::text
    ) FROM put WHERE merged
""").bindparams(bindparam("args", type_=JSONB))

_PUT_PARKED = text("""
    INSERT INTO procrastinate.procrastinate_jobs
        (queue_name, task_name, priority, lock, queueing_lock, args, attempts, status)
    VALUES (:kind, :kind, :priority, :lock, :lock, :args, :attempt, 'failed')
    ON CONFLICT (lock) WHERE status = 'failed' DO UPDATE SET
        priority = excluded.priority, args = excluded.args, attempts = excluded.attempts
""").bindparams(bindparam("args", type_=JSONB))

# The end of a run sets its key free, perhaps for a job that waits and that an idle worker had to pass over.
_TAKE = text("""
    WITH gone AS (
        DELETE FROM procrastinate.procrastinate_jobs WHERE id = :id AND status = 'doing'
        RETURNING queue_name, lock, args, attempts + 1 AS attempt
    )
    SELECT queue_name, args, attempt, (
        SELECT pg_notify(
            'procrastinate_queue_v1#' || gone.queue_name, json_build_object('type', 'job_inserted', 'job_id', id)::text
        ) FROM procrastinate.procrastinate_jobs WHERE queueing_lock = gone.lock AND status = 'todo'
    ) FROM gone
""")

_TAKE_PARKED = text("""
    DELETE FROM procrastinate.procrastinate_jobs WHERE lock = :lock AND status = 'failed'
    RETURNING queue_name, args, attempts AS attempt
""")

# The server's clock decides, the same for all hosts.
_TAKE_EXPIRED = text("""
    DELETE FROM procrastinate.procrastinate_jobs AS job
    WHERE status = 'doing' AND NOT EXISTS (
        SELECT FROM procrastinate.procrastinate_workers
        WHERE id = job.worker_id AND last_heartbeat >= now() - CAST(:lease AS interval)
    )
    RETURNING queue_name, args, attempts + 1 AS attempt
""")

_FORGET = text("DELETE FROM procrastinate.procrastinate_workers WHERE last_heartbeat < now() - CAST(:age AS interval)")


class ProcrastinateRows:
    """`db.queue.ledger.Ledger` on procrastinate's tables."""

    def __init__(self, lease: timedelta, clock: Clock) -> None:
        """Take a worker that has not been heard of for `lease` as dead. `clock` is that of those who plan."""
        self._lease = lease
        self._clock = clock

    def take(self, connection: Connection, claim_id: int) -> Entry | None:
        """See `Ledger.take`."""
        row = connection.execute(_TAKE, {"id": claim_id}).one_or_none()
        return None if row is None else entry(row)

    def take_parked(self, connection: Connection, kind: str, key: str) -> Entry | None:
        """See `Ledger.take_parked`."""
        row = connection.execute(_TAKE_PARKED, {"lock": lock_of(kind, key)}).one_or_none()
        return None if row is None else entry(row)

    def take_expired(self, connection: Connection, _now: datetime) -> tuple[Entry, ...]:
        """See `Ledger.take_expired`."""
        taken = tuple(entry(row) for row in connection.execute(_TAKE_EXPIRED, {"lease": self._lease}))
        connection.execute(_FORGET, {"age": max(_FORGET_WORKERS, self._lease)})
        return taken

    def put_waiting(self, connection: Connection, entry: Entry, run_at: datetime) -> None:
        """See `Ledger.put_waiting`."""
        connection.execute(_PUT_WAITING, {**_values(entry), "run_at": run_at, "now": self._clock()})

    def put_parked(self, connection: Connection, entry: Entry, parked_at: datetime) -> None:
        """See `Ledger.put_parked`."""
        values = _values(entry)
        values["args"]["parked_at"] = _written(parked_at)
        connection.execute(_PUT_PARKED, values)


def entry(row: Row[*tuple[Any, ...]]) -> Entry:
    """Read (queue_name, args, attempt)."""
    args = row.args
    return Entry(
        kind=row.queue_name,
        key=args["key"],
        due_at=datetime.fromisoformat(args["due_at"]),
        attempt=row.attempt,
        failures=args["failures"],
        deaths=args["deaths"],
        reason=args["reason"],
    )


def _values(entry: Entry) -> dict[str, Any]:
    seconds = (entry.due_at - _EPOCH) // timedelta(seconds=1)
    return {
        "kind": entry.kind,
        "lock": lock_of(entry.kind, entry.key),
        "priority": min(max(-seconds, _LOWEST), _HIGHEST),
        "attempt": entry.attempt,
        "args": {
            "key": entry.key,
            "due_at": _written(entry.due_at),
            "failures": entry.failures,
            "deaths": entry.deaths,
            "reason": entry.reason,
        },
    }


def lock_of(kind: str, key: str) -> str:
    """Return how a job is called in procrastinate's columns."""
    return f"{kind}:{key}"


def _written(at: datetime) -> str:
    """Write an instant so that the order of the texts is the order in time."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")
