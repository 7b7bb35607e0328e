"""Reading tasks as they are listed: in the order in which their studies are due, with what is known of these."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select

from db.database import Database
from db.lifecycle import State
from db.outcome import Outcome
from db.priority import Priority, effective
from db.roles import Role
from db.schema.domain import instance, study
from db.schema.workitems import workitem
from db.workitem_states import OPEN

_AT_ONCE = 100
_STUDY = (
    "study_instance_uid",
    "patient_id",
    "issuer_of_patient_id",
    "patient_name",
    "patient_birth_date",
    "patient_sex",
    "accession_number",
    "study_description",
    "due_at",
    "received_at",
)
_WORKITEM = (
    "sop_instance_uid",
    "state",
    "performer",
    "scheduled_at",
    "modified_at",
    "ended_at",
    "reason",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingTask:
    """A task and its study. `inputs`: SOP Class, SOP Instance and Series Instance UID of what is to be read."""

    sop_instance_uid: str
    state: str
    performer: str
    scheduled_at: datetime
    modified_at: datetime
    ended_at: datetime | None
    reason: str
    said: Mapping[str, Any]
    replaces: str  # the study's task before this one, "" for the first
    study_instance_uid: str
    patient_id: str
    issuer_of_patient_id: str
    patient_name: str
    patient_birth_date: str
    patient_sex: str
    accession_number: str
    study_description: str
    received_at: datetime
    due_at: datetime
    priority: Priority
    is_flagged: bool
    inputs: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCriteria:
    """Which tasks are looked at: those with one of the values; empty: all."""

    sop_instance_uids: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    study_instance_uids: tuple[str, ...] = ()
    patient_ids: tuple[str, ...] = ()


def reading_tasks(database: Database, criteria: TaskCriteria) -> Iterator[ReadingTask]:
    """Yield the tasks in the order in which they are due. What is told of nobody, a study in conflict, is not there."""
    after: tuple[datetime, int] | None = None
    while True:
        query = _tasks(criteria)
        if after is not None:
            due, number = after
            later = or_(study.c.due_at > due, and_(study.c.due_at == due, workitem.c.id > number))
            query = query.where(study.c.due_at >= due, later)  # the first for the index
        with database.read() as connection:
            rows = connection.execute(query.order_by(_due(criteria), workitem.c.id).limit(_AT_ONCE)).all()
            inputs = _inputs(connection, [row.study_id for row in rows])
            replaced = _replaced(connection, [row.study_id for row in rows])
        for row in rows:
            yield _task(row, inputs.get(row.study_id, ()), replaced.get((row.study_id, row.number - 1), ""))
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].due_at, rows[-1].id


def reading_task(database: Database, sop_instance_uid: str) -> ReadingTask | None:
    """Return one task, None where there is none to be told of."""
    return next(reading_tasks(database, TaskCriteria(sop_instance_uids=(sop_instance_uid,))), None)


def _due(criteria: TaskCriteria) -> ColumnElement[datetime]:
    """Return the order: of open tasks it is to be sorted, for PostgreSQL would go through all that were due before."""
    is_open = bool(criteria.states) and set(criteria.states) <= set(OPEN)
    return func.coalesce(study.c.due_at, study.c.due_at) if is_open else study.c.due_at


def _tasks(criteria: TaskCriteria) -> Select[Any]:
    columns = [study.c[name] for name in (*_STUDY, "order_priority", "ai_priority", "person_priority", "outcome")]
    query = select(workitem, *columns, study.c.state.label("study_state")).join(study).where(study.c.conflict == "")
    for column, values in (
        (workitem.c.sop_instance_uid, criteria.sop_instance_uids),
        (workitem.c.state, criteria.states),
        (study.c.study_instance_uid, criteria.study_instance_uids),
        (study.c.patient_id, criteria.patient_ids),
    ):
        if values:
            query = query.where(column.in_(values))
    return query


def _task(row: Row[Any], inputs: tuple[tuple[str, str, str], ...], replaces: str) -> ReadingTask:
    ai = None if row.ai_priority is None else Priority(row.ai_priority)
    person = None if row.person_priority is None else Priority(row.person_priority)
    is_open = row.study_state in (State.RECEIVING, State.COMPLETE)  # a flagged image has raised it; no outcome yet
    return ReadingTask(
        **{name: getattr(row, name) for name in (*_STUDY, *_WORKITEM)},
        said=json.loads(row.said),
        replaces=replaces,
        priority=effective(Priority(row.order_priority), ai, person),
        is_flagged=row.outcome == Outcome.FLAGGED or (is_open and ai is not None),
        inputs=inputs,
    )


def _inputs(connection: Connection, study_ids: list[int]) -> dict[int, tuple[tuple[str, str, str], ...]]:
    rows = connection.execute(
        select(
            instance.c.study_id, instance.c.sop_class_uid, instance.c.sop_instance_uid, instance.c.series_instance_uid
        )
        .where(
            instance.c.study_id.in_(study_ids),
            instance.c.role.in_((Role.CANDIDATE, Role.EVIDENCE)),
            instance.c.withdrawn.is_(None),
        )
        .order_by(instance.c.id)
    )
    found: dict[int, tuple[tuple[str, str, str], ...]] = {}
    for row in rows:
        found[row.study_id] = (*found.get(row.study_id, ()), tuple(row[1:]))
    return found


def _replaced(connection: Connection, study_ids: list[int]) -> dict[tuple[int, int], str]:
    rows = connection.execute(
        select(workitem.c.study_id, workitem.c.number, workitem.c.sop_instance_uid).where(
            workitem.c.study_id.in_(study_ids)
        )
    )
    return {(row.study_id, row.number): row.sop_instance_uid for row in rows}
