"""What was ordered, as far as the system that knows it was asked: raises a study, and fills its accession number."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, exists, select, update

from db.advance import lock, note
from db.amendment import request_amendment
from db.database import Database
from db.identity import Patient, patient_of
from db.kinds import SCORE
from db.lifecycle import CONCLUDED
from db.priority import Allowances, Priority, due_at, effective, lowered
from db.queue import Queue
from db.schema.domain import image_result, instance, study
from db.work_due import WORK_DUE


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedStudy:
    """A study whose order is asked for."""

    study_id: int
    study_instance_uid: str
    accession_number: str
    patient: Patient


def study_to_ask_for(database: Database, study_id: int) -> OrderedStudy:
    """Return what identifies the study."""
    with database.read() as connection:
        row = connection.execute(select(study).where(study.c.id == study_id)).one()
    return OrderedStudy(
        study_id=row.id,
        study_instance_uid=row.study_instance_uid,
        accession_number=row.accession_number,
        patient=patient_of(row),
    )


def apply_order(
    database: Database,
    queue: Queue,
    study_id: int,
    *,
    priority: Priority,
    accession_number: str,
    at: datetime,
    allowances: Allowances,
) -> bool:
    """Commit what an order adds; return whether it added anything. Safe to repeat.

    The order's priority is raised, never lowered: what the images said of it stays. An accession number is filled in
    only where there is none. Images that wait for their analysis come forward with their study.
    """
    with database.begin() as connection:
        return apply_within(
            connection,
            queue,
            study_id,
            priority=priority,
            accession_number=accession_number,
            at=at,
            allowances=allowances,
        )


def apply_within(
    connection: Connection,
    queue: Queue,
    study_id: int,
    *,
    priority: Priority,
    accession_number: str,
    at: datetime,
    allowances: Allowances,
) -> bool:
    """Do what `apply_order` does in the caller's transaction.

    A concluded study is reported anew where its reports say otherwise: they must not go on asking for less haste than
    the order does.
    """
    position = lock(connection, study_id)
    row = connection.execute(select(study).where(study.c.id == study_id)).one()
    values = added_by(row, priority=priority, accession_number=accession_number, allowances=allowances)
    if not values:
        return False
    connection.execute(update(study).where(study.c.id == study_id).values(values))
    note(connection, position, "ORDERED", position.state, at=at, detail=ordered_detail(row, priority))
    if "due_at" in values:
        bring_forward(connection, queue, study_id, at=at)
    if (said := _said_anew(row, values, priority)) and position.state in CONCLUDED:
        request_amendment(connection, queue, study_id, reason=said, at=at)
    return True


def added_by(row: Row[Any], *, priority: Priority, accession_number: str, allowances: Allowances) -> dict[str, object]:
    """Return what an order changes in its study's row: nothing is ever lowered or replaced."""
    values: dict[str, object] = {}
    if priority > row.order_priority:
        due = due_at(row.received_at, _effective(row, priority), allowances)
        values |= {"order_priority": priority, "due_at": min(row.due_at, due), "paced_at": None}
        values["work_due_at"] = lowered(row.work_due_at, due)
    if accession_number and not row.accession_number and not row.conflict:
        values["accession_number"] = accession_number
    return values


def _said_anew(row: Row[Any], values: dict[str, object], priority: Priority) -> str:
    """Return what reports will say otherwise because of the order, for the audit trail; "" for nothing."""
    rises = "order_priority" in values and _effective(row, priority) > _effective(row, Priority(row.order_priority))
    changes = {"priority raised by its order": rises, "accession number from its order": "accession_number" in values}
    return ", ".join(said for said, is_so in changes.items() if is_so)


def _effective(row: Row[Any], order: Priority) -> Priority:
    ai, person = (None if one is None else Priority(one) for one in (row.ai_priority, row.person_priority))
    return effective(order, ai, person)


def ordered_detail(row: Row[Any], priority: Priority) -> str:
    """Return for the audit trail what the order asks for now."""
    return f"order priority {Priority(max(priority, row.order_priority)).name}"


def bring_forward(connection: Connection, queue: Queue, study_id: int, *, at: datetime) -> None:
    """Enqueue the images that wait for their analysis again: a job that waits keeps the earlier due time."""
    has_result = exists().where(
        image_result.c.instance_id == instance.c.id, image_result.c.revision == instance.c.analysis_revision
    )
    waiting = connection.execute(
        select(instance.c.id, WORK_DUE.label("due_at"))
        .join(study, study.c.id == instance.c.study_id)
        .where(study.c.id == study_id, instance.c.analysis_revision.is_not(None), ~has_result)
    ).all()
    for row in waiting:
        queue.enqueue(connection, SCORE, str(row.id), due_at=row.due_at, run_at=at)
