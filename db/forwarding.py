"""Forwards: deliveries of received Instances, planned with their receipt and held or sent until acknowledged."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, bindparam, exists, func, insert, or_, select, update

from db import kinds
from db.audit import THE_AGENT, note_transfer
from db.database import Database
from db.delivery_state import DeliveryState
from db.lifecycle import CONCLUDED
from db.outcome import Outcome
from db.prepared import Prepared
from db.queue import Queue
from db.schema.domain import delivery, instance, study
from db.still import still
from db.work_due import WORK_DUE, work_due

GATHER: Final = timedelta(seconds=0.5)
"""A study's first Instance waits so long for more: one association takes them together."""
QUARANTINED: Final = "not sent: the study is quarantined (conflicting identity); a person decides"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """Where an Instance goes on to, by which rules; `on_outcomes` are the study's that let it go, none: at once."""

    destination: str
    rule: str
    on_outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardTask:
    """An Instance to send. `sent_before`: its bytes may have reached the destination in an earlier attempt."""

    delivery_id: int
    sop_instance_uid: str
    study_instance_uid: str
    path: str
    size: int
    attempts: int
    sent_before: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an attempt ended: acknowledged, to be tried again at `not_before`, or parked where that is None."""

    delivery_id: int
    acknowledged: bool
    reason: str
    attempts: int
    not_before: datetime | None = None
    on_trial: bool = False  # a folder has it: the destination has had nothing of it
    is_told: bool = False  # the first of its batch that arrived: the audit trail tells of the transfer
    forget_sending: bool = False  # the destination said that what it has under that UID came from somebody else


def plan_forwards(
    connection: Connection,
    queue: Queue,
    study_id: int,
    instance_id: int,
    forwards: Sequence[Forward],
    *,
    at: datetime,
) -> None:
    """Commit where a new Instance goes, with the Instance: queued, or held until its study has an outcome.

    The study's row is locked. What comes after the conclusion goes by the outcome that stands.
    """
    if not forwards:
        return
    row = connection.execute(select(study).where(study.c.id == study_id)).one()
    concluded = row.outcome if row.state in CONCLUDED else None
    for forward in forwards:
        goes = not forward.on_outcomes or concluded in forward.on_outcomes
        connection.execute(
            insert(delivery).values(
                instance_id=instance_id,
                destination=forward.destination,
                state=DeliveryState.QUEUED if goes else DeliveryState.HELD,
                attempts=0,
                reason="",
                rule=forward.rule,
                on_outcomes=" ".join(forward.on_outcomes),
                created_at=at,
                updated_at=at,
            )
        )
        if goes:
            kind = kinds.forward(forward.destination)
            queue.enqueue(connection, kind, str(study_id), due_at=work_due(row), run_at=at + GATHER)


_HELD = Prepared(
    select(delivery.c.id, delivery.c.destination, delivery.c.on_outcomes)
    .join(instance)
    .where(instance.c.study_id == bindparam("study_id"), delivery.c.state == DeliveryState.HELD)
)


def release_held(connection: Connection, queue: Queue, study_id: int, outcome: Outcome, *, at: datetime) -> None:
    """Let go what was held for this outcome; the rest stays held: a later revision may come to another one."""
    held = _HELD.rows(connection, {"study_id": study_id})
    going = [row for row in held if outcome in row.on_outcomes.split()]
    if not going:
        return
    connection.execute(
        update(delivery)
        .where(delivery.c.id.in_([row.id for row in going]))
        .values(state=DeliveryState.QUEUED, updated_at=at)
    )
    due = connection.execute(select(WORK_DUE).where(study.c.id == study_id)).scalar_one()
    for destination in sorted({row.destination for row in going}):
        queue.enqueue(connection, kinds.forward(destination), str(study_id), due_at=due, run_at=at)


def due_forwards(
    database: Database, study_id: int, destination: str, *, now: datetime, limit: int
) -> tuple[ForwardTask, ...]:
    """Return what is to be sent now: first what has been tried least, then in the order of arrival."""
    with database.read() as connection:
        rows = connection.execute(
            select(
                delivery.c.id,
                delivery.c.attempts,
                delivery.c.sent_at,
                instance.c.sop_instance_uid,
                instance.c.path,
                instance.c.size,
                study.c.study_instance_uid,
            )
            .select_from(delivery)
            .join(instance)
            .join(study)
            .where(
                study.c.id == study_id,
                study.c.conflict == "",
                delivery.c.destination == destination,
                delivery.c.state == DeliveryState.QUEUED,
                or_(delivery.c.not_before.is_(None), delivery.c.not_before <= now),
            )
            .order_by(delivery.c.attempts, instance.c.id)
            .limit(limit)
        ).all()
    return tuple(
        ForwardTask(
            delivery_id=row.id,
            sop_instance_uid=row.sop_instance_uid,
            study_instance_uid=row.study_instance_uid,
            path=row.path,
            size=row.size,
            attempts=row.attempts,
            sent_before=row.sent_at is not None,
        )
        for row in rows
    )


def next_forward_at(database: Database, study_id: int, destination: str) -> datetime | None:
    """Return when the next of the study's Instances is to be sent to the destination; None if none waits."""
    with database.read() as connection:
        moment = func.coalesce(delivery.c.not_before, delivery.c.created_at)
        found: datetime | None = connection.execute(
            select(func.min(moment, type_=delivery.c.created_at.type))
            .select_from(delivery)
            .join(instance)
            .where(
                instance.c.study_id == study_id,
                delivery.c.destination == destination,
                delivery.c.state == DeliveryState.QUEUED,
            )
        ).scalar_one()
    return found


def note_forwards(database: Database, ended: Sequence[Ended], begins: ForwardTask | None, *, at: datetime) -> bool:
    """Commit how attempts ended and, before its first byte goes, that the next one begins: one synced commit for both.

    A process that dies in the middle leaves behind that the destination may have the Instance already.

    Returns False where the next one must not go: it is settled, or its study has been quarantined since we looked.
    """
    with database.begin() as connection:
        for one in ended:
            _end(connection, one, at)
        if begins is None:
            return True
        trusted = exists().where(
            instance.c.id == delivery.c.instance_id, study.c.id == instance.c.study_id, study.c.conflict == ""
        )
        begun = connection.execute(
            update(delivery)
            .where(delivery.c.id == begins.delivery_id, still(delivery.c.state) == DeliveryState.QUEUED, trusted)
            .values(attempts=begins.attempts + 1, sent_at=func.coalesce(delivery.c.sent_at, at), updated_at=at)
        )
    return bool(begun.rowcount)


def wake_forwards(connection: Connection, queue: Queue, destination: str, *, at: datetime) -> int:
    """Let the Instances that wait for a destination be sent at `at`, whenever they were to be; return how many."""
    rows = connection.execute(
        select(delivery.c.id, study.c.id.label("study_id"), WORK_DUE.label("due_at"))
        .select_from(delivery)
        .join(instance, instance.c.id == delivery.c.instance_id)
        .join(study, study.c.id == instance.c.study_id)
        .where(delivery.c.state == DeliveryState.QUEUED, delivery.c.destination == destination)
    ).all()
    for row in rows:
        connection.execute(update(delivery).where(delivery.c.id == row.id).values(not_before=None))
    for study_id, due_at in {row.study_id: row.due_at for row in rows}.items():
        queue.enqueue(connection, kinds.forward(destination), str(study_id), due_at=due_at, run_at=at)
    return len(rows)


def _end(connection: Connection, ended: Ended, at: datetime) -> None:
    values: dict[str, object] = {"reason": ended.reason, "attempts": ended.attempts, "updated_at": at}
    if ended.acknowledged and ended.on_trial:
        values |= {"state": DeliveryState.TESTED, "not_before": None, "sent_at": None}
    elif ended.acknowledged:
        values |= {"state": DeliveryState.ACKNOWLEDGED, "acknowledged_at": at, "not_before": None}
        if ended.is_told:
            _tell(connection, ended.delivery_id, at)
    elif ended.not_before is None:
        values |= {"state": DeliveryState.PARKED, "not_before": None}
    else:
        values["not_before"] = ended.not_before
    if ended.forget_sending:
        values["sent_at"] = None
    connection.execute(
        update(delivery)
        .where(delivery.c.id == ended.delivery_id, delivery.c.state != DeliveryState.ACKNOWLEDGED)
        .values(values)
    )


def _tell(connection: Connection, delivery_id: int, at: datetime) -> None:
    """Note that objects of a study went to a destination: once for each batch, as for what comes."""
    query = select(instance.c.study_id, delivery.c.destination).join(delivery, delivery.c.instance_id == instance.c.id)
    row = connection.execute(query.where(delivery.c.id == delivery_id)).one()
    note_transfer(connection, row.study_id, THE_AGENT, counterpart=row.destination, at=at)


def park_forwards(database: Database, study_id: int, destination: str, *, reason: str, at: datetime) -> int:
    """Park what waits of a study for a destination, for a person to requeue; return how many."""
    return _park(database, study_id, destination, reason=reason, at=at, only_quarantined=False)


def park_quarantined(database: Database, study_id: int, destination: str, *, at: datetime) -> int:
    """Park what waits of a study if that is in conflict: nothing of it is sent; return how many."""
    return _park(database, study_id, destination, reason=QUARANTINED, at=at, only_quarantined=True)


def _park(
    database: Database, study_id: int, destination: str, *, reason: str, at: datetime, only_quarantined: bool
) -> int:
    of_study = select(instance.c.id).join(study).where(study.c.id == study_id)
    if only_quarantined:
        of_study = of_study.where(study.c.conflict != "")
    waiting = (
        delivery.c.instance_id.in_(of_study),
        delivery.c.destination == destination,
        delivery.c.state == DeliveryState.QUEUED,
    )
    with database.read() as connection:
        if connection.execute(select(delivery.c.id).where(*waiting).limit(1)).one_or_none() is None:
            return 0
    with database.begin() as connection:
        parked = connection.execute(
            update(delivery).where(*waiting).values(state=DeliveryState.PARKED, reason=reason, updated_at=at)
        )
    return parked.rowcount
