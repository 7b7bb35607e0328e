"""What readers do with a study: each act is a row beside what it changed, with the values before and after it.

Nobody overwrites what they have not seen. Who acts says what stood before them (`Seen`): the study's revision and how
many acts there had been. The study's row is locked, both are compared, and what came in between is told instead.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update

from db import audit
from db.advance import Position, lock
from db.advance import note as note_event
from db.audit import AuditEvent, Who
from db.audit_terms import EventAction, EventId
from db.errors import ChangedError, RefusedError
from db.schema.domain import study
from db.schema.reading import reading_act, study_reading

Values = Mapping[str, Any]


class Kind(StrEnum):
    """What a reader does."""

    READ = "read"
    UNREAD = "unread"
    FEEDBACK = "feedback"
    REPORTED = "reported"  # the reader lets reports say that they disagree
    PRIORITY = "priority"
    ASSIGNED = "assigned"
    NOTE = "note"
    RESOLVED = "resolved"  # a conflict of identity, or a doubt
    UNDONE = "undone"


DONE_WORDS = {
    Kind.READ: "marked it read",
    Kind.UNREAD: "put it back on the worklist",
    Kind.FEEDBACK: "said what they think of the AI's result",
    Kind.REPORTED: "let the reports say that they disagree",
    Kind.PRIORITY: "changed its priority",
    Kind.ASSIGNED: "assigned it",
    Kind.NOTE: "wrote a note",
    Kind.RESOLVED: "decided whose it is",
    Kind.UNDONE: "took something back",
}


REMOVED: Final = "The study is not here any more: it has been removed by its age. Nothing was written."


@dataclass(frozen=True, slots=True)
class Seen:
    """What somebody who acts had before them: the study, its revision, and how many acts there had been."""

    study_instance_uid: str
    revision: int
    version: int


@dataclass(frozen=True, slots=True)
class Acting:
    """Who acts and when."""

    who: Who
    at: datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """A study whose row is locked while somebody acts on it, in one transaction."""

    connection: Connection
    acting: Acting
    position: Position
    row: Row[Any]  # of `study`
    reading: Row[Any]  # of `study_reading`


def open_for_act(connection: Connection, seen: Seen, acting: Acting) -> Opened:
    """Lock the study for an act of somebody who has seen all of it.

    Raises RefusedError for a study that is not here, ChangedError where it has changed, or somebody has acted, since.
    """
    opened = open_study(connection, seen.study_instance_uid, acting)
    if opened.position.revision != seen.revision:
        message = (
            f"The study has changed meanwhile: it was at revision {seen.revision} when you saw it and is at"
            f" {opened.position.revision} now. Nothing was written. Look at it again."
        )
        raise ChangedError(message)
    if opened.reading.version != seen.version:
        query = select(reading_act).where(reading_act.c.study_id == opened.position.study_id)
        last = connection.execute(query.order_by(reading_act.c.id.desc()).limit(1)).one()
        message = (
            f"{last.actor} {DONE_WORDS[Kind(last.kind)]} meanwhile. Nothing of yours was written. Look at it again."
        )
        raise ChangedError(message)
    return opened


def open_study(connection: Connection, study_instance_uid: str, acting: Acting) -> Opened:
    """Lock a study, whatever has become of it. Raises RefusedError where it is not here, or no more."""
    query = select(study.c.id).where(study.c.study_instance_uid == study_instance_uid)
    study_id = connection.execute(query).scalar_one_or_none()
    if study_id is None:
        message = f"expected the Study Instance UID of a study that is here. Received: {study_instance_uid}"
        raise RefusedError(message)
    position = lock(connection, study_id)
    row = connection.execute(select(study).where(study.c.id == study_id)).one()
    if row.removed_at is not None:  # perhaps while its lock was waited for
        raise RefusedError(REMOVED)
    return Opened(connection, acting, position, row, _reading(connection, study_id))


def write(
    opened: Opened,
    kind: Kind,
    *,
    before: Values,
    after: Values,
    words: str = "",
    undoes: int | None = None,
    detail: str = "",
) -> int:
    """Write an act, the study's event and the audit trail's; return the act's id. `detail` names no patient.

    `words` are a person's own and may say anything: they are kept with the act alone.
    """
    connection, acting, study_id = opened.connection, opened.acting, opened.position.study_id
    act_id: int = connection.execute(
        insert(reading_act)
        .values(
            study_id=study_id,
            at=acting.at,
            actor=acting.who.name,
            kind=kind,
            revision=opened.position.revision,
            before=json.dumps(before),
            after=json.dumps(after),
            words=words,
            undoes=undoes,
        )
        .returning(reading_act.c.id)
    ).scalar_one()
    if kind is not Kind.NOTE:  # which stands beside whatever others do
        which = study_reading.c.study_id == study_id
        connection.execute(update(study_reading).where(which).values(version=study_reading.c.version + 1))
    event = f"READER_{kind.name}"
    note_event(
        connection,
        opened.position,
        event,
        opened.position.state,
        at=acting.at,
        detail=detail,
        actor=acting.who.name,
    )
    audit.note(
        connection,
        AuditEvent(
            event=EventId.PROCEDURE_RECORD,
            action=EventAction.UPDATE,
            who=acting.who,
            at=acting.at,
            study_instance_uid=opened.row.study_instance_uid,
            patient_id=opened.row.patient_id,
            detail=f"{kind}: {detail}".rstrip(": "),
        ),
    )
    return act_id


def _reading(connection: Connection, study_id: int) -> Row[Any]:
    """Return what is known of the study's reading; its row is locked, so that nobody else begins one."""
    query = select(study_reading).where(study_reading.c.study_id == study_id)
    found = connection.execute(query).one_or_none()
    if found is None:
        empty = {"version": 0, "reader": "", "reader_name": "", "assigned_to": ""}
        connection.execute(insert(study_reading).values(study_id=study_id, **empty))
        found = connection.execute(query).one()
    return found
