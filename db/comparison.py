"""Instances whose SOP Instance UID was known with other bytes: the same content once more, or a conflict."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from db.advance import Position, advance, lock
from db.completion import conclude_when_settled
from db.database import Database
from db.lifecycle import Event
from db.outcome import CONFLICTING_IDENTITY
from db.queue import Queue
from db.roles import Role
from db.schema.domain import instance, study


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareTask:
    """An Instance whose SOP Instance UID was known with other bytes: its file, and that of the first that counts.

    `corrected` names what messages (HL7) have corrected of its study since.
    """

    instance_id: int
    sop_instance_uid: str
    path: str
    first_path: str
    corrected: frozenset[str]


def compare_task(database: Database, instance_id: int) -> CompareTask | None:
    """Return the two files to compare, or None when that is settled."""
    with database.read() as connection:
        row = connection.execute(
            select(instance, study.c.corrected)
            .join(study, study.c.id == instance.c.study_id)
            .where(instance.c.id == instance_id, instance.c.role == Role.UNVERIFIED)
        ).one_or_none()
        if row is None:
            return None
        counts = instance.c.role.in_((Role.CANDIDATE, Role.EVIDENCE))
        first = connection.execute(
            select(instance.c.path)
            .where(
                instance.c.study_id == row.study_id,
                instance.c.sop_instance_uid == row.sop_instance_uid,
                instance.c.id < row.id,
                instance.c.removed_at.is_(None),
            )
            .order_by(counts.desc(), instance.c.id)
            .limit(1)
        ).scalar_one()
    return CompareTask(
        instance_id=row.id,
        sop_instance_uid=row.sop_instance_uid,
        path=row.path,
        first_path=first,
        corrected=frozenset(row.corrected.split()),
    )


def record_comparison(database: Database, queue: Queue, task: CompareTask, *, same: bool, at: datetime) -> None:
    """Commit what the comparison showed: the same content is no event, other content is a conflict."""
    with database.begin() as connection:
        query = select(instance.c.study_id).where(instance.c.id == task.instance_id)
        position = lock(connection, connection.execute(query).scalar_one())
        settled = connection.execute(
            update(instance)
            .where(instance.c.id == task.instance_id, instance.c.role == Role.UNVERIFIED)
            .values(role=Role.DUPLICATE if same else Role.CONFLICT)
        )
        if settled.rowcount and not same:
            position = _quarantine(connection, position, task, at)
        conclude_when_settled(connection, queue, position, at=at)


def _quarantine(connection: Connection, position: Position, task: CompareTask, at: datetime) -> Position:
    query = select(study.c.conflict).where(study.c.id == position.study_id)
    if connection.execute(query).scalar_one():  # of conflicts only the first is an event
        return position
    values: dict[str, object] = {"conflict": CONFLICTING_IDENTITY, "read_at": None, "read_how": None}
    moved = advance(connection, position, Event.CANDIDATE_STORED, at=at, detail=f"conflict: {task.sop_instance_uid}")
    if moved is not None and moved.revision != position.revision:
        values |= {"started_at": at, "closes_at": at}
    connection.execute(update(study).where(study.c.id == position.study_id).values(values))
    return moved or position
