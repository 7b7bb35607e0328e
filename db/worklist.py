"""What people look at: the worklist in due-time order, and one study with all that is on record. Reads only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, exists, func, select

from db.database import Database
from db.lifecycle import State
from db.outcome import Outcome
from db.priority import Priority, effective
from db.reading_lock import Holder, holders
from db.roles import NO_WORK
from db.schema.delivery import delivery_attempt
from db.schema.domain import delivery, image_result, instance, report, result, study, study_event
from db.schema.reading import study_reading


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklistRow:
    """A study on the worklist.

    `outcome` is None only while the first revision is still worked on; `updating` says that a newer revision is worked
    on than the one the outcome speaks of.
    """

    id: int
    study_instance_uid: str
    patient_id: str
    patient_name: str
    patient_birth_date: str
    patient_sex: str
    patient_age: str
    accession_number: str
    study_date: str
    study_description: str
    modality: str
    calling_ae_title: str
    state: State
    revision: int
    outcome: Outcome | None
    reason: str
    probability: float | None
    updating: bool
    priority: Priority
    order_priority: Priority
    ai_priority: Priority | None
    person_priority: Priority | None
    received_at: datetime
    due_at: datetime
    concluded_at: datetime | None
    read_at: datetime | None = None  # when somebody reported on it: it is off the worklist
    read_how: str | None = None
    prior_only: bool = False  # all that is here was fetched to compare with
    reader: str = ""  # who has it before them: a person, or who holds its reading task (an AE title, a token's name)
    reader_until: datetime | None = None  # a person, unless their page is heard of; None: a peer's task
    assigned_to: str = ""  # whose it is to read: the name of an account
    instances: int
    misread_text: bool  # of any of its Instances
    unknown_class: bool  # of any of its Instances
    doubt: str  # why nobody knows whether its patient is the one of a message that came; "" for almost all
    deliveries: dict[str, int]  # of reports: how many in each state, of the current result
    forwards: dict[str, int]  # of Instances: how many in each state

    def reader_at(self, now: datetime) -> str:
        """Return who has it before them at a moment, "" for nobody: a person's time may be up."""
        return self.reader if self.reader_until is None or self.reader_until > now else ""


def worklist(database: Database, *, limit: int = 200) -> tuple[WorklistRow, ...]:
    """Return the studies in the order in which they should be read: the first to be due at the top."""
    query = select(study).where(waits_to_be_read()).order_by(study.c.due_at, study.c.id).limit(limit)
    with database.read() as connection:
        return described(connection, connection.execute(query).all())


def worklist_row(database: Database, study_instance_uid: str) -> WorklistRow | None:
    """Return one study as it stands on the worklist, or None when it is unknown."""
    with database.read() as connection:
        return _row(connection, study_instance_uid)


def _row(connection: Connection, study_instance_uid: str) -> WorklistRow | None:
    query = select(study).where(study.c.study_instance_uid == study_instance_uid)
    return next(iter(described(connection, connection.execute(query).all())), None)


def any_study(database: Database) -> bool:
    """Tell whether there has ever been a study."""
    with database.read() as connection:
        return connection.execute(select(study.c.id).limit(1)).first() is not None


def waits_to_be_read() -> ColumnElement[bool]:
    """Return the condition that a study is on the worklist."""
    return and_(~study.c.prior_only, study.c.removed_at.is_(None), study.c.read_at.is_(None), _has_one())


def _has_one() -> ColumnElement[bool]:
    return exists().where(instance.c.study_id == study.c.id, instance.c.role.not_in(NO_WORK))


def described(connection: Connection, rows: Sequence[Row[Any]]) -> tuple[WorklistRow, ...]:
    """Return studies with what their Instances, reading tasks and deliveries add up to."""
    ids = [row.id for row in rows]
    held, readers, assigned = _instances(connection, ids), holders(connection, ids), _assigned(connection, ids)
    states, forwards = _delivery_states(connection, ids), _forward_states(connection, ids)
    return tuple(
        _worklist_row(
            row,
            {
                **held.get(row.id, _NOTHING),
                "reader": readers.get(row.id, Holder()).shown,
                "reader_until": readers.get(row.id, Holder()).until,
                "assigned_to": assigned.get(row.id, ""),
            },
            states.get(row.id, {}),
            forwards.get(row.id, {}),
        )
        for row in rows
    )


_NOTHING: Mapping[str, Any] = {"instances": 0, "misread_text": False, "unknown_class": False}


def _instances(connection: Connection, study_ids: list[int]) -> dict[int, dict[str, Any]]:
    parts = (instance.c.study_id, instance.c.misread_text, instance.c.unknown_class)
    query = select(*parts, func.count().label("n")).where(
        instance.c.study_id.in_(study_ids), instance.c.role.not_in(NO_WORK)
    )
    found: dict[int, dict[str, Any]] = {}
    for row in connection.execute(query.group_by(*parts)):
        own = found.setdefault(row.study_id, dict(_NOTHING))
        own["instances"] += row.n
        own["misread_text"] |= row.misread_text
        own["unknown_class"] |= row.unknown_class
    return found


def _assigned(connection: Connection, study_ids: list[int]) -> dict[int, str]:
    query = select(study_reading.c.study_id, study_reading.c.assigned_to).where(study_reading.c.study_id.in_(study_ids))
    return {row.study_id: row.assigned_to for row in connection.execute(query)}


def _delivery_states(connection: Connection, study_ids: list[int]) -> dict[int, dict[str, int]]:
    return _counted(
        connection,
        select(study.c.id, delivery.c.state, func.count().label("n"))
        .select_from(delivery)
        .join(report)
        .join(result)
        .join(study, study.c.id == result.c.study_id)
        .where(study.c.id.in_(study_ids), result.c.revision == study.c.revision)
        .group_by(study.c.id, delivery.c.state),
    )


def _forward_states(connection: Connection, study_ids: list[int]) -> dict[int, dict[str, int]]:
    return _counted(
        connection,
        select(instance.c.study_id.label("id"), delivery.c.state, func.count().label("n"))
        .select_from(delivery)
        .join(instance)
        .where(instance.c.study_id.in_(study_ids))
        .group_by(instance.c.study_id, delivery.c.state),
    )


def _counted(connection: Connection, query: Select[tuple[int, str, int]]) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = {}
    for row in connection.execute(query):
        found.setdefault(row.id, {})[row.state] = row.n
    return found


def _worklist_row(
    row: Row[Any], held: Mapping[str, Any], deliveries: dict[str, int], forwards: dict[str, int]
) -> WorklistRow:
    ai = None if row.ai_priority is None else Priority(row.ai_priority)
    person = None if row.person_priority is None else Priority(row.person_priority)
    order = Priority(row.order_priority)
    state = State(row.state)
    return WorklistRow(
        **{name: getattr(row, name) for name in _AS_STORED},
        **held,
        state=state,
        outcome=None if row.outcome is None else Outcome(row.outcome),
        updating=row.outcome is not None and state in {State.RECEIVING, State.COMPLETE},
        priority=effective(order, ai, person),
        order_priority=order,
        ai_priority=ai,
        person_priority=person,
        deliveries=deliveries,
        forwards=forwards,
    )


_AS_STORED = (
    "id",
    "study_instance_uid",
    "patient_id",
    "patient_name",
    "patient_birth_date",
    "patient_sex",
    "patient_age",
    "accession_number",
    "study_date",
    "study_description",
    "modality",
    "calling_ae_title",
    "revision",
    "reason",
    "probability",
    "received_at",
    "due_at",
    "concluded_at",
    "read_at",
    "read_how",
    "prior_only",
    "doubt",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRecord:
    """Everything on record about one study, as plain rows (column name to value), oldest first."""

    study: WorklistRow
    events: tuple[dict[str, Any], ...]
    instances: tuple[dict[str, Any], ...]
    image_results: tuple[dict[str, Any], ...]
    results: tuple[dict[str, Any], ...]
    reports: tuple[dict[str, Any], ...]
    deliveries: tuple[dict[str, Any], ...]  # of reports
    attempts: tuple[dict[str, Any], ...]  # of these deliveries
    forwards: tuple[dict[str, Any], ...]  # of Instances


def study_record(database: Database, study_instance_uid: str) -> StudyRecord | None:
    """Return what is on record about a study, or None when it is unknown."""
    with database.read() as connection:
        row = _row(connection, study_instance_uid)
        if row is None:
            return None
        study_id = row.id
        of_study = select(instance.c.id).where(instance.c.study_id == study_id)
        results = select(result.c.id).where(result.c.study_id == study_id)
        reports = select(report.c.id).where(report.c.result_id.in_(results))
        deliveries = select(delivery.c.id).where(delivery.c.report_id.in_(reports))
        return StudyRecord(
            study=row,
            events=_rows(connection, study_event, study_event.c.study_id == study_id),
            instances=_rows(connection, instance, instance.c.study_id == study_id),
            image_results=_rows(connection, image_result, image_result.c.instance_id.in_(of_study)),
            results=_rows(connection, result, result.c.study_id == study_id),
            reports=_rows(connection, report, report.c.result_id.in_(results)),
            deliveries=_rows(connection, delivery, delivery.c.report_id.in_(reports)),
            attempts=_rows(connection, delivery_attempt, delivery_attempt.c.delivery_id.in_(deliveries)),
            forwards=_rows(connection, delivery, delivery.c.instance_id.in_(of_study)),
        )


def _rows(connection: Connection, table: Table, where: ColumnElement[bool]) -> tuple[dict[str, Any], ...]:
    columns: list[ColumnElement[Any]] = [column for column in table.c if column.name != "heat_map"]
    if "heat_map" in table.c:
        columns.append(table.c.heat_map.is_not(None).label("has_heat_map"))
    found = connection.execute(select(*columns).where(where).order_by(table.c.id))
    return tuple(dict(row._mapping) for row in found)  # noqa: SLF001 - the public name of SQLAlchemy's mapping view
