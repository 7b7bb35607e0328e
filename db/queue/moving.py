"""The jobs of one engine's table as jobs of the other's: what waits, what is parked, and what a dead worker had."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, select, text

from db.errors import RefusedError
from db.queue import utc_now
from db.queue.job_rows import ENTRY
from db.queue.job_table import LEASED, PARKED, WAITING, job
from db.queue.ledger import WORKER_DIED, Entry
from db.queue.policy import Policy
from db.queue.procrastinate_rows import ProcrastinateRows


@dataclass(frozen=True, slots=True)
class MovedJobs:
    """How many jobs wait there, now or later, and how many are parked."""

    waiting: int
    parked: int


def move_jobs(here: Connection, there: Connection, *, now: datetime) -> MovedJobs:
    """Write the embedded queue's jobs into procrastinate's tables, in their order, with their times and counts.

    Nobody works here any more: a job that is being run was left by a worker that died, and waits again, merged into one
    that waits for its key. Raises RefusedError unless all are there.
    """
    policy = Policy()
    rows = ProcrastinateRows(policy.lease, utc_now)
    waiting: set[tuple[str, str]] = set()
    parked: set[tuple[str, str]] = set()
    columns = (*ENTRY, job.c.state, job.c.run_at, job.c.parked_at)
    for row in here.execute(select(*columns).order_by(job.c.due_at, job.c.id)):
        entry = Entry(**{name: getattr(row, name) for name in Entry.__slots__})
        run_at, is_parked = row.run_at, row.state == PARKED
        if row.state == LEASED:
            entry, run_at = replace(entry, deaths=entry.deaths + 1, reason=WORKER_DIED), now
            is_parked = entry.deaths >= policy.deaths
        if is_parked:
            rows.put_parked(there, entry, row.parked_at or now)
        else:
            rows.put_waiting(there, entry, run_at)
        (parked if is_parked else waiting).add((row.kind, row.key))
    _compare(there, waiting, "todo", WAITING)
    _compare(there, parked, "failed", PARKED)
    return MovedJobs(len(waiting), len(parked))


def moved_jobs(there: Connection) -> MovedJobs:
    """Return how many jobs an earlier move wrote."""
    return MovedJobs(len(_found(there, "todo")), len(_found(there, "failed")))


def _compare(there: Connection, expected: set[tuple[str, str]], status: str, state: str) -> None:
    found = _found(there, status)
    if len(found) != len(expected) or set(found) != expected:
        message = f"expected {len(expected)} jobs, {state}. Received: {len(found)}, or other ones"
        raise RefusedError(message)


def _found(there: Connection, status: str) -> list[tuple[str, str]]:
    query = text("SELECT queue_name, args ->> 'key' FROM procrastinate.procrastinate_jobs WHERE status::text = :status")
    return [(row[0], row[1]) for row in there.execute(query, {"status": status})]
