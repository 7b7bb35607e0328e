"""What is done periodically, as rows: when each tick ran, runs next, and how it went. Nothing of a patient."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from db.database import Database
from db.schema.ticks import tick

DIED: Final = "it did not end: its process died, or hung and was replaced"
_FIRST_RETRY: Final = timedelta(minutes=1)
_DOUBLINGS: Final = 12
_LEAST_GRACE: Final = timedelta(seconds=30)
_MOST_GRACE: Final = timedelta(hours=1)


class Health(StrEnum):
    """What is to be said of a tick."""

    NEW = "new"  # it has not run yet, and its time has not come
    OK = "ok"
    RUNNING = "running"
    FAILING = "failing"  # its last run failed
    OVERDUE = "overdue"  # it should have run, or have ended, and has not


@dataclass(frozen=True, slots=True, kw_only=True)
class TickRow:
    """One tick of the cluster as it stands."""

    name: str
    period_seconds: float
    longest_seconds: float
    process: str
    next_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    seconds: float | None = None
    runs: int = 0
    failures: int = 0
    failures_in_a_row: int = 0
    failing_since: datetime | None = None
    failed_at: datetime | None = None
    error: str = ""

    @property
    def running_since(self) -> datetime | None:
        """When the run began that has not ended."""
        return self.started_at if self.ended_at is None else None

    @property
    def overdue_at(self) -> datetime:
        """When it is overdue unless it runs, or the run that is under way ends."""
        period, longest = timedelta(seconds=self.period_seconds), timedelta(seconds=self.longest_seconds)
        grace = min(max(period, _LEAST_GRACE), _MOST_GRACE)
        return self.next_at + grace if self.running_since is None else self.running_since + longest

    def health(self, now: datetime) -> Health:
        """Return what is to be said of it at `now`."""
        if now > self.overdue_at:
            return Health.OVERDUE
        if self.failures_in_a_row:
            return Health.FAILING
        if self.running_since is not None:
            return Health.RUNNING
        return Health.OK if self.runs else Health.NEW

    def begun(self, at: datetime) -> "TickRow":
        """Return it with a run that begins at `at`."""
        planned = at + timedelta(seconds=self.period_seconds)
        return replace(self, started_at=at, ended_at=None, next_at=planned, runs=self.runs + 1)

    def done(self, at: datetime, seconds: float) -> "TickRow":
        """Return it with its run ended well."""
        return replace(self, ended_at=at, seconds=seconds, failures_in_a_row=0, failing_since=None)

    def failed(self, at: datetime, seconds: float | None, error: str) -> "TickRow":
        """Return it with its run failed: it is tried again after 1, 2, 4, ... minutes, or when it was planned."""
        wait = _FIRST_RETRY * 2 ** min(self.failures_in_a_row, _DOUBLINGS)
        return replace(
            self,
            ended_at=at,
            seconds=self.seconds if seconds is None else seconds,
            next_at=min(self.next_at, at + wait),
            failures=self.failures + 1,
            failures_in_a_row=self.failures_in_a_row + 1,
            failing_since=self.failing_since or at,
            failed_at=at,
            error=error,
        )


def ticks(database: Database) -> tuple[TickRow, ...]:
    """Return the ticks of the cluster, by name."""
    with database.read() as connection:
        return tick_rows(connection)


def tick_rows(connection: Connection) -> tuple[TickRow, ...]:
    """Return the ticks of the cluster, by name, as the caller's transaction sees them."""
    return tuple(TickRow(**row) for row in connection.execute(select(tick).order_by(tick.c.name)).mappings())


def take_over(
    database: Database, wanted: Mapping[str, tuple[float, float]], *, process: str, now: datetime
) -> tuple[TickRow, ...]:
    """Commit that `process` runs the ticks from now on; return them with what is on record of their runs.

    `wanted` maps each name to its period and the longest that it may take, in seconds; rows of others go. What another
    process had begun and not ended has failed. No tick waits for longer than its period, whatever the clocks said.
    """
    with database.begin(lock=("ticks",)) as connection:
        known = {row.name: row for row in tick_rows(connection)}
        connection.execute(delete(tick))
        taken = []
        for name, (period, longest) in sorted(wanted.items()):
            row = known.get(name) or TickRow(
                name=name, period_seconds=period, longest_seconds=longest, process=process, next_at=now
            )
            if row.running_since is not None:
                row = row.failed(now, None, DIED)
            planned = row.next_at if row.failures_in_a_row or row.started_at is None else _after(row, period)
            latest = now + timedelta(seconds=period)
            taken.append(
                replace(
                    row,
                    period_seconds=period,
                    longest_seconds=longest,
                    process=process,
                    next_at=min(max(planned, now), latest),
                )
            )
        if taken:
            connection.execute(insert(tick), [asdict(row) for row in taken])
    return tuple(taken)


def record(database: Database, rows: Iterable[TickRow]) -> None:
    """Commit how the ticks stand, of those that no other process has taken over."""
    values = [{f"new_{key}": value for key, value in asdict(row).items()} for row in rows]
    if not values:
        return
    names = set(tick.columns.keys()) - {"name", "process"}
    columns: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    statement = (
        update(tick)
        .where(tick.c.name == bindparam("new_name"), tick.c.process == bindparam("new_process"))
        .values(columns)
    )
    with database.begin() as connection:
        connection.execute(statement, values)


def _after(row: TickRow, period: float) -> datetime:
    return (row.started_at or row.next_at) + timedelta(seconds=period)
