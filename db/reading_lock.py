"""Who has a study before them: a soft lock. It warns others, stops nobody, and ends by itself unless it is renewed.

A reading task that a peer has claimed (UPS) says the same of a workstation. `readers` is where both are one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, select, update

from db import audit
from db.advance import note
from db.audit import AuditEvent, Who
from db.audit_terms import EventAction, EventId
from db.database import Database
from db.reading_acts import Acting, Opened, open_study
from db.schema.domain import study
from db.schema.reading import study_reading
from db.schema.workitems import workitem
from db.workitem_states import WorkitemState

LASTS: Final = timedelta(minutes=2)
"""How long a study counts as being read after its page was last heard of."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: the name that is on record, and how people call them."""

    who: Who
    shown: str


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a study before them, as people call them, and since when; "" for nobody."""

    name: str = ""
    shown: str = ""
    since: datetime | None = None
    until: datetime | None = None  # unless its page is heard of; None: a peer's task has no such end
    is_peer: bool = False

    @property
    def is_somebody(self) -> bool:
        """Whether anybody has it."""
        return bool(self.name)

    def at(self, now: datetime) -> "Holder":
        """Return who has it at a moment: nobody any more where a person's time is up."""
        return Holder() if self.until is not None and self.until <= now else self


def take_up(
    database: Database, study_instance_uid: str, reader: Reader, *, at: datetime, take_over: bool = False
) -> Holder:
    """Let a reader have a study before them, or find who has it; return who does now.

    Of somebody else, a person or a peer's task, it is not taken without `take_over`; a peer goes on holding its task
    then, and is shown. Raises RefusedError where the study is not here.
    """
    with database.begin() as connection:
        opened = open_study(connection, study_instance_uid, Acting(reader.who, at))
        study_id = opened.position.study_id
        holder = holder_of(connection, study_id).at(at)
        others = holder.is_somebody and holder.name != reader.who.name
        if others and not take_over:
            return holder
        own = _own(opened.reading).at(at)
        mine = own.name == reader.who.name
        values = {"reader": reader.who.name, "reader_name": reader.shown, "reader_until": at + LASTS}
        if not mine:
            values["reader_since"] = at
        connection.execute(update(study_reading).where(study_reading.c.study_id == study_id).values(values))
        if not mine:
            _note_begun(opened, holder if others else Holder())
    return Holder(reader.who.name, reader.shown, own.since if mine else at, at + LASTS)


def keep_up(database: Database, study_instance_uid: str, reader: Reader, *, at: datetime) -> bool:
    """Say that a reader's page is still open; False where they do not have the study any more."""
    mine = [
        study_reading.c.study_id.in_(_study_id(study_instance_uid)),
        study_reading.c.reader == reader.who.name,
        study_reading.c.reader_until > at,
    ]
    with database.begin_lightly() as connection:
        done = connection.execute(update(study_reading).where(*mine).values(reader_until=at + LASTS))
    return bool(done.rowcount)


def put_down(database: Database, study_instance_uid: str, reader: Reader, *, at: datetime) -> bool:
    """Let a reader have a study before them no more; False where they did not."""
    with database.begin_lightly() as connection:
        done = connection.execute(
            update(study_reading)
            .where(
                study_reading.c.study_id.in_(_study_id(study_instance_uid)),
                study_reading.c.reader == reader.who.name,
                study_reading.c.reader_until > at,
            )
            .values(reader="", reader_name="", reader_since=None, reader_until=None)
        )
    return bool(done.rowcount)


def holders(connection: Connection, study_ids: Sequence[int]) -> dict[int, Holder]:
    """Return who has which of these studies before them, or had lately: see `Holder.at`.

    Where a peer has claimed the task, the peer has it, whoever has the study open as well.
    """
    own = study_reading.c
    query = select(study_reading).where(own.study_id.in_(study_ids), own.reader != "")
    found = {row.study_id: _own(row) for row in connection.execute(query)}
    claimed = select(workitem.c.study_id, workitem.c.performer, workitem.c.modified_at).where(
        workitem.c.study_id.in_(study_ids), workitem.c.state == WorkitemState.IN_PROGRESS
    )
    for row in connection.execute(claimed):
        found[row.study_id] = Holder(row.performer, row.performer, row.modified_at, is_peer=True)
    return found


def holder_of(connection: Connection, study_id: int) -> Holder:
    """Return who has a study before them, or had lately."""
    return holders(connection, [study_id]).get(study_id, Holder())


def _own(row: Row[Any]) -> Holder:
    return Holder(row.reader, row.reader_name, row.reader_since, row.reader_until) if row.reader else Holder()


def _study_id(study_instance_uid: str) -> Select[tuple[int]]:
    return select(study.c.id).where(study.c.study_instance_uid == study_instance_uid)


def _note_begun(opened: Opened, before: Holder) -> None:
    connection, who, at = opened.connection, opened.acting.who, opened.acting.at
    event = "TAKEN_OVER" if before.is_somebody else "OPENED"
    detail = f"from {before.name}" if before.is_somebody else ""
    note(connection, opened.position, event, opened.position.state, at=at, detail=detail, actor=who.name)
    if before.is_somebody:
        audit.note(
            connection,
            AuditEvent(
                event=EventId.PROCEDURE_RECORD,
                action=EventAction.UPDATE,
                who=who,
                at=at,
                study_instance_uid=opened.row.study_instance_uid,
                patient_id=opened.row.patient_id,
                detail=f"taken over {detail}",
            ),
        )
