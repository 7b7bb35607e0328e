"""Jobs as rows of the embedded queue's table. SQLite's one writer makes several statements one step.

The statements are built once: building one takes longer than running it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects import sqlite

from db.prepared import Prepared
from db.queue.job_table import LEASED, PARKED, WAITING, is_leased, is_parked, is_waiting, job
from db.queue.ledger import Entry

ENTRY = (job.c.kind, job.c.key, job.c.due_at, job.c.attempt, job.c.failures, job.c.deaths, job.c.reason)
"""The columns of an `Entry`."""

_this_job = (job.c.kind == bindparam("kind")) & (job.c.key == bindparam("key"))
_is_expired = is_leased & (job.c.leased_until < bindparam("now"))
_TAKE = Prepared(delete(job).where(is_leased, job.c.id == bindparam("claim_id")).returning(*ENTRY))
_TAKE_PARKED = Prepared(delete(job).where(is_parked, _this_job).returning(*ENTRY))
_TAKE_EXPIRED = delete(job).where(_is_expired).returning(*ENTRY)
_ANY_EXPIRED = select(exists().where(_is_expired))
_PUT_PARKED = insert(job)
HAS_JOB = select(or_(*(exists().where(is_so, _this_job) for is_so in (is_waiting, is_leased, is_parked))))
"""Whether there is this job; along the partial indexes, one for each state."""


def _put_waiting() -> sqlite.Insert:
    new = sqlite.insert(job)
    merged: dict[str, ColumnElement[object]] = {
        "reason": func.coalesce(func.nullif(new.excluded.reason, ""), job.c.reason)
    }
    # SQLite's min() and max() of two arguments are scalar functions.
    merged |= {name: func.min(job.c[name], new.excluded[name]) for name in ("due_at", "run_at")}
    merged |= {name: func.max(job.c[name], new.excluded[name]) for name in ("attempt", "failures", "deaths")}
    waiting = text("state = 'WAITING'")  # as the partial index says it
    return new.on_conflict_do_update(index_elements=[job.c.kind, job.c.key], index_where=waiting, set_=merged)


_PUT_WAITING = Prepared(_put_waiting())


class JobRows:
    """`db.queue.ledger.Ledger` on the job table."""

    def any_expired(self, connection: Connection, now: datetime) -> bool:
        """Tell whether `take_expired` has something to take, without writing."""
        return bool(connection.execute(_ANY_EXPIRED, {"now": now}).scalar_one())

    def take(self, connection: Connection, claim_id: int) -> Entry | None:
        """See `Ledger.take`."""
        row = _TAKE.one_or_none(connection, {"claim_id": claim_id})
        return None if row is None else _entry(row)

    def take_parked(self, connection: Connection, kind: str, key: str) -> Entry | None:
        """See `Ledger.take_parked`."""
        row = _TAKE_PARKED.one_or_none(connection, {"kind": kind, "key": key})
        return None if row is None else _entry(row)

    def take_expired(self, connection: Connection, now: datetime) -> tuple[Entry, ...]:
        """See `Ledger.take_expired`."""
        return tuple(_entry(row) for row in connection.execute(_TAKE_EXPIRED, {"now": now}))

    def put_waiting(self, connection: Connection, entry: Entry, run_at: datetime) -> None:
        """See `Ledger.put_waiting`."""
        _PUT_WAITING.run(connection, {**_values(entry), "state": WAITING, "run_at": run_at})

    def put_parked(self, connection: Connection, entry: Entry, parked_at: datetime) -> None:
        """See `Ledger.put_parked`."""
        self.take_parked(connection, entry.kind, entry.key)
        values = {"state": PARKED, "run_at": parked_at, "parked_at": parked_at}
        connection.execute(_PUT_PARKED, {**_values(entry), **values})


class ClaimRows:
    """The job of some kinds that is to run next."""

    def __init__(self, kinds: Sequence[str]) -> None:
        """Build the statements."""
        found = _next_job(kinds)
        taking = update(job).where(job.c.id == found.scalar_subquery())
        first = select(func.min(job.c.run_at).label("run_at"))
        is_ours = or_(*(job.c.kind == kind for kind in kinds))
        self._find = Prepared(found)
        self._take = Prepared(taking.values(attempt=job.c.attempt + 1).returning(job.c.id, *ENTRY))
        self._planned = Prepared(first.where(is_waiting, is_ours, job.c.run_at > bindparam("now")))

    def any(self, connection: Connection, now: datetime) -> bool:
        """Tell whether one may run now."""
        return bool(self._find.look(connection, {"now": now}))

    def planned(self, connection: Connection, now: datetime) -> datetime | None:
        """Return when the next one may run, of those that may not run now; None if there is none."""
        found: datetime | None = self._planned.look(connection, {"now": now})[0].run_at
        return found

    def take(self, connection: Connection, now: datetime, owner: str, until: datetime) -> Any:  # noqa: ANN401 - a row
        """Give it to `owner` until then; return its id and entry, None if there is none."""
        values = {"now": now, "state": LEASED, "owner": owner, "leased_until": until}
        return self._take.one_or_none(connection, values)


def _next_job(kinds: Sequence[str]) -> Select[tuple[int]]:
    """Select the id of the job to run next, as of the parameter `now`.

    Per kind along the index, so that a long queue of another kind costs nothing.
    """
    busy = job.alias()
    is_busy = exists().where(
        busy.c.state == literal_column(f"'{LEASED}'"), busy.c.kind == job.c.kind, busy.c.key == job.c.key
    )
    firsts = [
        select(job.c.id, job.c.due_at)
        .where(is_waiting, job.c.kind == kind, job.c.run_at <= bindparam("now"), ~is_busy)
        .order_by(job.c.due_at, job.c.id)
        .limit(1)
        .subquery()
        for kind in kinds
    ]
    candidates = union_all(*(select(first.c.id, first.c.due_at) for first in firsts)).subquery()
    return select(candidates.c.id).order_by(candidates.c.due_at, candidates.c.id).limit(1)


def _entry(row: Any) -> Entry:  # noqa: ANN401 - a row of either kind
    return Entry(**row._asdict())


def _values(entry: Entry) -> dict[str, object]:
    return {name: getattr(entry, name) for name in Entry.__slots__}
