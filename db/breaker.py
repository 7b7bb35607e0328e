"""Which destinations rest: one that failed several times in a row is left alone until it answers again.

The state is a row, so that every process and every restart sees it. `look` is the way in, `note_fault` and
`note_answer` are what became of it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, bindparam, or_, select, update

from db import kinds
from db.audit import Who
from db.database import Database
from db.delivery_state import DeliveryState
from db.forwarding import wake_forwards
from db.operated import note_operated
from db.prepared import Prepared
from db.queue import Queue
from db.schema.delivery import destination_rest
from db.schema.domain import delivery, report, result, study
from db.work_due import WORK_DUE


class BreakerState(StrEnum):
    """Whether a destination is sent to."""

    CLOSED = "CLOSED"  # it is
    OPEN = "OPEN"  # it rests
    HALF_OPEN = "HALF_OPEN"  # one process asks it, and sends one report if it answers


PROBE_LEASE: Final = timedelta(minutes=5)
"""A process that asks for longer has died, and another one asks."""
_LOOK_AGAIN: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What is on record of a destination that failed. `failures` in a row; `probes` unanswered since it was opened."""

    destination: str
    state: BreakerState
    failures: int
    probes: int
    reason: str
    opened_at: datetime | None
    probe_at: datetime | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Wait:
    """Do not send before `until`."""

    until: datetime


class Pass(StrEnum):
    """What may be done."""

    SEND = "send"
    PROBE = "probe"  # ask first; nobody else does


def look(database: Database, destination: str, *, now: datetime) -> Pass | Wait:
    """Tell whether the destination may be sent to. Of those who come when it is to be asked, one is told to."""
    row = rest_of(database, destination)
    if row is None or row.state is BreakerState.CLOSED:
        return Pass.SEND
    if row.probe_at is None or row.probe_at > now:
        return Wait(row.probe_at if row.probe_at and row.state is BreakerState.OPEN else now + _LOOK_AGAIN)
    table = destination_rest
    with database.begin() as connection:
        taken = connection.execute(
            update(table)
            .where(table.c.destination == destination, table.c.probe_at == row.probe_at, table.c.state == row.state)
            .values(state=BreakerState.HALF_OPEN, probe_at=now + PROBE_LEASE, updated_at=now)
        )
    return Pass.PROBE if taken.rowcount else Wait(now + _LOOK_AGAIN)


def note_fault(
    database: Database, destination: str, *, reason: str, limit: int, probe_in: timedelta, at: datetime
) -> bool:
    """Commit a failure that is the destination's own; return whether it rests from now on.

    It does with the `limit`th in a row, and at once when it was being asked.
    """
    table = destination_rest
    with database.begin(lock=("destination_rest", destination)) as connection:
        row = connection.execute(select(table).where(table.c.destination == destination)).one_or_none()
        if row is None:
            connection.execute(
                table.insert().values(
                    destination=destination, state=BreakerState.CLOSED, failures=0, probes=0, reason="", updated_at=at
                )
            )
        failures, probes = (0, 0) if row is None else (row.failures, row.probes)
        was_open = row is not None and row.state != BreakerState.CLOSED
        values: dict[str, object] = {"failures": failures + 1, "reason": reason, "updated_at": at}
        opens = was_open or failures + 1 >= limit
        if opens:
            values |= {"state": BreakerState.OPEN, "probe_at": at + probe_in, "probes": probes + 1 if was_open else 0}
        if opens and not was_open:
            values["opened_at"] = at
        connection.execute(update(table).where(table.c.destination == destination).values(values))
    return opens and not was_open


def note_answer(database: Database, queue: Queue, destination: str, *, at: datetime) -> bool:
    """Commit that the destination does its part; return whether it had rested: what waits for it is due now."""
    row = rest_of(database, destination)
    if row is None or (row.state is BreakerState.CLOSED and not row.failures):
        return False
    table = destination_rest
    closed = {"state": BreakerState.CLOSED, "failures": 0, "probes": 0, "opened_at": None, "probe_at": None}
    with database.begin() as connection:
        connection.execute(
            update(table).where(table.c.destination == destination).values(closed | {"reason": "", "updated_at": at})
        )
        if row.state is not BreakerState.CLOSED:
            _wake(connection, queue, destination, at)
    return row.state is not BreakerState.CLOSED


def try_now(database: Database, queue: Queue, destination: str, *, who: Who, now: datetime) -> int:
    """Let what waits for a destination be tried now, and the destination be asked now if it rests; return how many.

    A person asks for it: what waits for its time after a failure need not. It is sent through the same gate as ever.
    """
    table = destination_rest
    with database.begin() as connection:
        connection.execute(
            update(table)
            .where(table.c.destination == destination, table.c.state == BreakerState.OPEN)
            .values(probe_at=now, updated_at=now)
        )
        note_operated(connection, who, "tried now", at=now, counterpart=destination)
        return _wake(connection, queue, destination, now) + wake_forwards(connection, queue, destination, at=now)


def _wake(connection: Connection, queue: Queue, destination: str, at: datetime) -> int:
    waiting = connection.execute(
        select(delivery.c.id, WORK_DUE.label("due_at"))
        .select_from(delivery)
        .join(report, report.c.id == delivery.c.report_id)
        .join(result)
        .join(study, study.c.id == result.c.study_id)
        .where(
            delivery.c.destination == destination,
            or_(delivery.c.state == DeliveryState.QUEUED, delivery.c.state == DeliveryState.STORED),
        )
    ).all()
    for row in waiting:
        queue.enqueue(connection, kinds.deliver(destination), str(row.id), due_at=row.due_at, run_at=at)
    return len(waiting)


def rest_of(database: Database, destination: str) -> Rest | None:
    """Return what is on record of a destination, None if it never failed."""
    with database.read() as connection:
        row = _REST.one_or_none(connection, {"destination": destination})
    return None if row is None else _rest(row)


def rests(database: Database, *, only_open: bool = False) -> tuple[Rest, ...]:
    """Return what is on record of destinations that failed, by name."""
    table = destination_rest
    query = select(table).order_by(table.c.destination)
    if only_open:
        query = query.where(table.c.state != BreakerState.CLOSED)
    with database.read() as connection:
        rows = connection.execute(query).all()
    return tuple(map(_rest, rows))


def _rest(row: Any) -> Rest:  # noqa: ANN401 - a row of either kind
    return Rest(
        destination=row.destination,
        state=BreakerState(row.state),
        failures=row.failures,
        probes=row.probes,
        reason=row.reason,
        opened_at=row.opened_at,
        probe_at=row.probe_at,
        updated_at=row.updated_at,
    )


_REST = Prepared(select(destination_rest).where(destination_rest.c.destination == bindparam("destination")))
