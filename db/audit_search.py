"""The audit trail as people search it: newest first, by keyset, so that its last page costs what its first does."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, and_, or_, select

from db.audit import AuditEvent, Who
from db.audit_terms import EventAction, EventId, EventOutcome, EventType
from db.database import Database
from db.schema.audit import audit_event


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the next one begins with what comes after it, which is older."""

    at: datetime
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """What is searched for; what is None is not asked about. `since` is within, `until` is not."""

    person: str | None = None
    source: str | None = None
    study_instance_uid: str | None = None
    patient_id: str | None = None
    event: EventId | None = None
    action: EventAction | None = None
    failures: bool = False  # only what did not go well
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An event as it stands on record."""

    id: int
    event: AuditEvent


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some events, newest first, and where the next page begins; None where there are no more."""

    rows: tuple[AuditRow, ...]
    next: Place | None


def search(database: Database, query: AuditQuery, *, after: Place | None = None, limit: int = 100) -> AuditPage:
    """Return the events that match, beyond the place where the page before ended."""
    table = audit_event.c
    equal = {
        table.person: query.person,
        table.source: query.source,
        table.study_instance_uid: query.study_instance_uid,
        table.patient_id: query.patient_id,
        table.event: query.event,
        table.action: query.action,
    }
    conditions = [column == value for column, value in equal.items() if value is not None]
    if query.failures:
        conditions.append(table.outcome != EventOutcome.SUCCESS)
    if query.since is not None:
        conditions.append(table.at >= query.since)
    if query.until is not None:
        conditions.append(table.at < query.until)
    if after is not None:
        conditions.append(and_(table.at <= after.at, or_(table.at < after.at, table.id < after.id)))
    statement = select(audit_event).where(*conditions).order_by(table.at.desc(), table.id.desc()).limit(limit + 1)
    with database.read() as connection:
        found = [audit_row(row) for row in connection.execute(statement)]
    more = len(found) > limit
    rows = tuple(found[:limit])
    return AuditPage(rows, Place(rows[-1].event.at, rows[-1].id) if more else None)


def audit_row(row: Row[tuple[object, ...]]) -> AuditRow:
    """Return a row of the table as an event."""
    return AuditRow(
        row.id,
        AuditEvent(
            event=EventId(row.event),
            type=EventType(row.type) if row.type else None,
            action=EventAction(row.action),
            outcome=EventOutcome(row.outcome),
            who=Who(row.person, row.role, row.source),
            at=row.at,
            counterpart=row.counterpart,
            study_instance_uid=row.study_instance_uid,
            patient_id=row.patient_id,
            detail=row.detail,
        ),
    )
