"""What is on record of a study's reading, for the page that shows it. Reads only."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, select

from db.database import Database
from db.feedback import Also, Finding
from db.reading_acts import Kind, Seen
from db.reading_lock import Holder, holder_of
from db.reading_undo import UNDOABLE
from db.schema.domain import study
from db.schema.reading import feedback, reading_act, study_reading


@dataclass(frozen=True, slots=True, kw_only=True)
class ActRow:
    """An act as it stands: whether it can be taken back, or was, and by whom."""

    id: int
    at: datetime
    actor: str
    kind: Kind
    revision: int
    after: str
    words: str
    undone_by: str
    can_be_undone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpinionRow:
    """What a reader thinks of one revision's result."""

    at: datetime
    person: str
    agrees: bool
    finding: Finding
    reason: str
    finding_text: str
    also: Also
    revision: int
    is_undone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRecord:
    """The reading of a study: what a form that acts on it has to say it has seen, and what stands."""

    seen: Seen
    holder: Holder
    assigned_to: str
    read_at: datetime | None
    read_how: str
    person_priority: int | None
    issuer_of_patient_id: str
    conflict: str
    doubt: str
    acts: tuple[ActRow, ...]
    opinions: tuple[OpinionRow, ...]


def reading_record(database: Database, study_instance_uid: str) -> ReadingRecord | None:
    """Return what is on record of a study's reading; None for a study that is not here."""
    with database.read() as connection:
        here = (study.c.study_instance_uid == study_instance_uid, study.c.removed_at.is_(None))
        row = connection.execute(select(study).where(*here)).one_or_none()
        if row is None:
            return None
        own = connection.execute(select(study_reading).where(study_reading.c.study_id == row.id)).one_or_none()
        acts = connection.execute(
            select(reading_act).where(reading_act.c.study_id == row.id).order_by(reading_act.c.id)
        ).mappings()
        opinions = connection.execute(
            select(feedback).where(feedback.c.study_id == row.id).order_by(feedback.c.id)
        ).mappings()
        return ReadingRecord(
            seen=Seen(study_instance_uid, row.revision, 0 if own is None else own.version),
            holder=holder_of(connection, row.id),
            assigned_to="" if own is None else own.assigned_to,
            read_at=row.read_at,
            read_how=row.read_how or "",
            person_priority=row.person_priority,
            issuer_of_patient_id=row.issuer_of_patient_id,
            conflict=row.conflict,
            doubt=row.doubt,
            acts=_acts(list(acts)),
            opinions=tuple(_opinion(one) for one in opinions),
        )


def _acts(rows: list[RowMapping]) -> tuple[ActRow, ...]:
    """Return the acts, the oldest first. Of one kind only the last that stands can be taken back."""
    undone = {row["undoes"]: row["actor"] for row in rows if row["undoes"] is not None}
    last: dict[str, int] = {}
    for row in rows:
        if row["kind"] in UNDOABLE and row["id"] not in undone:
            group = Kind.READ if row["kind"] == Kind.UNREAD else row["kind"]
            last[f"{group} {row['id']}" if group in {Kind.NOTE, Kind.FEEDBACK} else group] = row["id"]
    return tuple(
        ActRow(
            id=row["id"],
            at=row["at"],
            actor=row["actor"],
            kind=Kind(row["kind"]),
            revision=row["revision"],
            after=row["after"],
            words=row["words"],
            undone_by=undone.get(row["id"], ""),
            can_be_undone=row["id"] in last.values(),
        )
        for row in rows
    )


def _opinion(row: RowMapping) -> OpinionRow:
    return OpinionRow(
        at=row["at"],
        person=row["person"],
        agrees=row["agrees"],
        finding=Finding(row["finding"]),
        reason=row["reason"],
        finding_text=row["finding_text"],
        also=Also(row["also"]),
        revision=row["revision"],
        is_undone=row["undone_at"] is not None,
    )
