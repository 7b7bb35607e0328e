"""What settling, reaping and requeueing do to a job's row: the rules, the same for both engines.

A row that changes its state by one of them is deleted and written anew. So an id stands for one claim and is never used
again, and a worker that was taken for dead finds its row gone: it cannot settle the job of its successor.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from db.queue import LONGEST_KIND, Done, Park, RetryAt, Settlement
from db.queue.policy import Policy

WORKER_DIED = "worker died"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A job's row without its place. `attempt` counts runs begun; `failures` and `deaths` count those in a row."""

    kind: str
    key: str
    due_at: datetime
    attempt: int = 0
    failures: int = 0
    deaths: int = 0
    reason: str = ""


class Ledger(Protocol):
    """The rows of one engine, inside the caller's transaction."""

    def take(self, connection: Connection, claim_id: int) -> Entry | None:
        """Delete a running job's row; None if the claim is lost."""

    def take_expired(self, connection: Connection, now: datetime) -> tuple[Entry, ...]:
        """Delete the running jobs whose workers are dead."""

    def take_parked(self, connection: Connection, kind: str, key: str) -> Entry | None:
        """Delete a parked job's row; None if there is none."""

    def put_waiting(self, connection: Connection, entry: Entry, run_at: datetime) -> None:
        """Write a waiting row. One that waits absorbs it: the earlier times, the higher counts, the later reason."""

    def put_parked(self, connection: Connection, entry: Entry, parked_at: datetime) -> None:
        """Write a parked row in place of any."""


def enqueue(ledger: Ledger, connection: Connection, kind: str, key: str, *, due_at: datetime, run_at: datetime) -> None:
    """Let a new job wait; a parked one of its key gives way."""
    if len(kind) > LONGEST_KIND:
        msg = f"expected a kind of at most {LONGEST_KIND} characters. Received: kind={kind}"
        raise ValueError(msg)
    if due_at.tzinfo is None or run_at.tzinfo is None:
        msg = f"expected aware times. Received: due_at={due_at} run_at={run_at}"
        raise ValueError(msg)
    ledger.take_parked(connection, kind, key)
    ledger.put_waiting(connection, Entry(kind=kind, key=key, due_at=due_at), run_at)


def settle(
    ledger: Ledger, connection: Connection, claim_id: int, settlement: Settlement, *, failures: int, now: datetime
) -> bool:
    """Let a run end; False, and nothing is written, if the claim was lost."""
    entry = ledger.take(connection, claim_id)
    if entry is None:
        return False
    match settlement:
        case Done():
            pass
        case RetryAt(at, reason):
            ledger.put_waiting(connection, replace(entry, failures=failures, deaths=0, reason=reason), at)
        case Park(reason):
            ledger.put_parked(connection, replace(entry, failures=failures, deaths=0, reason=reason), now)
    return True


def reap(ledger: Ledger, connection: Connection, *, now: datetime, policy: Policy) -> int:
    """Take back the jobs of dead workers; a job on which `policy.deaths` workers died in a row is parked."""
    expired = ledger.take_expired(connection, now)
    for entry in expired:
        _blame(ledger, connection, entry, WORKER_DIED, now=now, policy=policy)
    return len(expired)


def give_back(
    ledger: Ledger, connection: Connection, claim_id: int, *, blame: str, now: datetime, policy: Policy
) -> bool:
    """Let a job go whose process is about to end: with the reason if that is its fault, else as if it had not run."""
    entry = ledger.take(connection, claim_id)
    if entry is None:
        return False
    if blame:
        _blame(ledger, connection, entry, blame, now=now, policy=policy)
    else:
        ledger.put_waiting(connection, replace(entry, attempt=entry.attempt - 1), now)
    return True


def _blame(ledger: Ledger, connection: Connection, entry: Entry, reason: str, *, now: datetime, policy: Policy) -> None:
    dead = replace(entry, deaths=entry.deaths + 1, reason=reason)
    if dead.deaths >= policy.deaths:
        ledger.put_parked(connection, dead, now)
    else:
        ledger.put_waiting(connection, dead, now)


def requeue(ledger: Ledger, connection: Connection, kind: str, key: str, *, now: datetime) -> bool:
    """Let a parked job wait again, as if it were new."""
    entry = ledger.take_parked(connection, kind, key)
    if entry is None:
        return False
    ledger.put_waiting(connection, Entry(kind=kind, key=key, due_at=entry.due_at), now)
    return True
