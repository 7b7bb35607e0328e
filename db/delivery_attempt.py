"""The ledger's rows of attempts: on record before the first byte goes, and closed with what the receiver said."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, and_, bindparam, exists, insert, or_, select, update

from db.advance import lock
from db.audit import THE_AGENT, note_transfer
from db.database import Database
from db.delivery import may_be_sent
from db.delivery_state import DeliveryState
from db.prepared import Prepared
from db.schema.delivery import delivery_attempt
from db.schema.domain import delivery, report, result, study
from db.settling import settle_delivered
from db.still import still


class Ending(StrEnum):
    """How an attempt ended."""

    ACKNOWLEDGED = "acknowledged"  # the receiver says that it has it
    TESTED = "tested"  # the destination is on trial: a folder has it
    REFUSED = "refused"  # the receiver says that it does not
    FAILED = "failed"  # nothing was sent
    BROKE = "broke"  # it was being sent, and no answer tells what became of it
    INTERRUPTED = "interrupted"  # the process that sent it died


_MAY_BE_THERE = (Ending.ACKNOWLEDGED, Ending.BROKE, Ending.INTERRUPTED, Ending.REFUSED)
"""A receiver that refused what it was sent may have kept it: some store, fail at what follows, and say so."""


_DUPLICATE = "0111"
"""With this status it said instead that it had something of that UID already, from somebody else."""


class Hold(StrEnum):
    """Why an attempt must not begin."""

    SETTLED = "settled"  # acknowledged, parked or superseded since, or its study is in conflict
    BEHIND = "behind"  # an earlier version of the study's reports is on its way there


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An attempt on record.

    `number` counts all of the delivery's, `tries` those since it was queued. `sent_before`: the destination may have
    these very bytes from an earlier attempt.
    """

    attempt_id: int
    number: int
    tries: int
    sent_before: bool


def begin_attempt(database: Database, delivery_id: int, *, sha256: str, at: datetime) -> Begun | Hold:
    """Commit, before anything is sent, that an attempt begins, unless it must not.

    A process that dies in the middle of sending leaves this behind: the next attempt knows that the destination may
    have these bytes already, and closes the row. The study's row is locked, so that no version of its reports begins
    while an earlier one is on its way to the same destination, nor after a later one has taken its place.
    """
    with database.begin() as connection:
        own = _own(connection, delivery_id)
        lock(connection, own.study_id)
        if not _MAY_GO.rows(connection, {"which": delivery_id}):
            return Hold.SETTLED
        interrupt(connection, delivery_id, at=at)
        if _BEHIND.rows(connection, own._asdict()):
            return Hold.BEHIND
        (counted,) = _COUNT.rows(connection, {"which": delivery_id, "updated_at": at})
        earlier = _EARLIER.rows(connection, {"which": delivery_id})
        number = max((one.number for one in earlier), default=0) + 1
        begun = {"delivery_id": delivery_id, "number": number, "started_at": at, "sha256": sha256}
        (attempt,) = _BEGIN.rows(connection, {**begun, "status": "", "reply": ""})
    sent_before = any(one.sha256 == sha256 and _may_be_there(one.ending, one.status) for one in earlier)
    return Begun(attempt_id=attempt.id, number=number, tries=counted.attempts, sent_before=sent_before)


def _may_be_there(ending: str | None, status: str) -> bool:
    return ending in _MAY_BE_THERE and not status.endswith(_DUPLICATE)


def _own(connection: Connection, delivery_id: int) -> Any:  # noqa: ANN401 - a row
    """Return the study, the revision and the destination of a delivery."""
    (found,) = _OWN.rows(connection, {"which": delivery_id})
    return found


_OWN = Prepared(
    select(result.c.study_id, result.c.revision, delivery.c.destination)
    .select_from(delivery)
    .join(report, report.c.id == delivery.c.report_id)
    .join(result)
    .where(delivery.c.id == bindparam("which"))
)
_MAY_GO = Prepared(
    select(delivery.c.id)
    .join(report, report.c.id == delivery.c.report_id)
    .join(result)
    .join(study, study.c.id == result.c.study_id)
    .where(delivery.c.id == bindparam("which"), still(delivery.c.state) == DeliveryState.QUEUED, may_be_sent())
)
_BEHIND = Prepared(  # a report of an earlier revision is on its way to the same destination
    select(delivery_attempt.c.id)
    .join(delivery)
    .join(report, report.c.id == delivery.c.report_id)
    .join(result)
    .where(
        result.c.study_id == bindparam("study_id"),
        result.c.revision < bindparam("revision"),
        delivery.c.destination == bindparam("destination"),
        delivery_attempt.c.ending.is_(None),
    )
    .limit(1)
)
_COUNT = Prepared(
    update(delivery)
    .where(delivery.c.id == bindparam("which"))
    .values(attempts=delivery.c.attempts + 1)
    .returning(delivery.c.attempts)
)
_EARLIER = Prepared(
    select(
        delivery_attempt.c.number, delivery_attempt.c.sha256, delivery_attempt.c.ending, delivery_attempt.c.status
    ).where(delivery_attempt.c.delivery_id == bindparam("which"))
)
_BEGIN = Prepared(insert(delivery_attempt).returning(delivery_attempt.c.id))
_INTERRUPT = Prepared(
    update(delivery_attempt).where(
        delivery_attempt.c.delivery_id == bindparam("which"), delivery_attempt.c.ending.is_(None)
    )
)
_CLOSE = Prepared(
    update(delivery_attempt).where(
        and_(
            delivery_attempt.c.id == bindparam("which"),
            or_(delivery_attempt.c.ending.is_(None), delivery_attempt.c.ending == Ending.INTERRUPTED),
        )
    )
)
_CHANGE = Prepared(update(delivery).where(delivery.c.id == bindparam("which")))


def interrupt(connection: Connection, delivery_id: int, *, at: datetime) -> None:
    """Close what the delivery's attempts left open: their job has come back, so their process has died."""
    reply = "the process that sent it ended"
    values = {"which": delivery_id, "ending": Ending.INTERRUPTED, "ended_at": at, "reply": reply}
    _INTERRUPT.run(connection, values)


def close_interrupted(database: Database, delivery_id: int, *, at: datetime) -> None:
    """Close the open attempts of a delivery that is not attempted any more, so that nothing waits for them."""
    still_open = (delivery_attempt.c.delivery_id == delivery_id, delivery_attempt.c.ending.is_(None))
    with database.read() as connection:
        if not connection.execute(select(exists().where(*still_open))).scalar_one():
            return
    with database.begin() as connection:
        interrupt(connection, delivery_id, at=at)


def acknowledge(
    database: Database,
    delivery_id: int,
    *,
    detail: str,
    at: datetime,
    attempt_id: int | None = None,
    confirmation: str = "",
) -> None:
    """Commit that the destination has the report; a revision's last acknowledgement moves its study to DELIVERED.

    `detail` is the receiver's status, and what it adds after ": "; `confirmation` why it is not asked again.
    """
    values = {
        "state": DeliveryState.ACKNOWLEDGED,
        "reason": detail,
        "confirmation": confirmation,
        "updated_at": at,
        "acknowledged_at": at,
    }
    with database.begin() as connection:
        own = _own(connection, delivery_id)
        position = lock(connection, own.study_id)
        close_attempt(connection, attempt_id, detail, at)
        _CHANGE.run(connection, {"which": delivery_id, **values})
        note_transfer(connection, position.study_id, THE_AGENT, counterpart=own.destination, at=at)
        settle_delivered(connection, position, at=at)


def record_tested(database: Database, delivery_id: int, *, detail: str, at: datetime, attempt_id: int) -> None:
    """Commit that a report was written to a folder on trial; no destination has it, and its study is not DELIVERED."""
    values = {"state": DeliveryState.TESTED, "reason": detail, "updated_at": at}
    still_open = (delivery.c.id == delivery_id, still(delivery.c.state) == DeliveryState.QUEUED)
    with database.begin() as connection:
        _close(connection, attempt_id, Ending.TESTED, detail, at)
        connection.execute(update(delivery).where(*still_open).values(values))


def record_failed_attempt(  # noqa: PLR0913 - what the ledger says of a failure
    database: Database,
    delivery_id: int,
    *,
    reason: str,
    parked: bool,
    at: datetime,
    attempt_id: int | None = None,
    ending: Ending = Ending.FAILED,
    status: str = "",
) -> None:
    """Commit a failed attempt and its reason; a parked delivery waits, visibly, for a person to requeue it.

    So does one whose job was given up (no attempt) while it was to be confirmed.
    """
    values: dict[str, object] = {"reason": reason, "updated_at": at}
    states = [DeliveryState.QUEUED]
    if parked:
        values["state"] = DeliveryState.PARKED
    with database.begin() as connection:
        if attempt_id is None:
            interrupt(connection, delivery_id, at=at)
            states.append(DeliveryState.STORED)
        _close(connection, attempt_id, ending, f"{status}: {reason}", at)
        connection.execute(
            update(delivery).where(delivery.c.id == delivery_id, still(delivery.c.state).in_(states)).values(values)
        )


def close_attempt(connection: Connection, attempt_id: int | None, detail: str, at: datetime) -> None:
    """Close an attempt that the receiver acknowledged."""
    _close(connection, attempt_id, Ending.ACKNOWLEDGED, detail, at)


def _close(connection: Connection, attempt_id: int | None, ending: Ending, detail: str, at: datetime) -> None:
    """Close an attempt; one that was given up for dead, and has an end after all, tells that end."""
    status, _, reply = detail.partition(": ")
    values = {"which": attempt_id, "ending": ending, "status": status, "reply": reply, "ended_at": at}
    _CLOSE.run(connection, values)


def study_of(connection: Connection, delivery_id: int) -> int:
    """Return the study that a delivery's report is of."""
    study_id: int = _own(connection, delivery_id).study_id
    return study_id
