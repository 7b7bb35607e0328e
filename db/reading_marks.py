"""Marks of readers on a study: read and unread, its priority, whose it is to read, notes. One transaction each.

All raise RefusedError where what is on record does not allow it, ChangedError where somebody was first.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, update

from db.database import Database
from db.errors import RefusedError
from db.orders import bring_forward
from db.priority import Allowances, Priority, due_at, effective, lowered
from db.queue import Queue
from db.reading_acts import Acting, Kind, Opened, Seen, open_for_act, open_study, write
from db.schema.domain import study
from db.schema.reading import study_reading
from db.unchanged import Whole, check_unchanged
from db.workitem_states import WorkitemState
from db.workitems import READ, cancel_scheduled, latest_task, schedule

LONGEST: Final = 2000
"""Characters of a reason or a note."""


def mark_read(database: Database, queue: Queue, seen: Seen, acting: Acting) -> int:
    """Take a study off the worklist, and its reading task from peers unless one holds it; return the act's id."""
    with database.begin() as connection:
        opened = open_for_act(connection, seen, acting)
        if opened.row.read_at is not None:
            message = "The study is read already: it is off the worklist."
            raise RefusedError(message)
        if opened.row.conflict:
            message = "The study is in quarantine: say first whose it is."
            raise RefusedError(message)
        return set_read(opened, queue, at=acting.at, how=f"read by {acting.who.name}")


def mark_unread(database: Database, queue: Queue, seen: Seen, acting: Acting, reason: str = "") -> int:
    """Put a study back on the worklist, with a reading task for peers; return the act's id."""
    with database.begin() as connection:
        opened = open_for_act(connection, seen, acting)
        if opened.row.read_at is None:
            message = "The study is on the worklist already."
            raise RefusedError(message)
        return set_read(opened, queue, at=None, how=None, words=reason)


def set_read(
    opened: Opened,
    queue: Queue,
    *,
    at: datetime | None,
    how: str | None,
    words: str = "",
    undoes: int | None = None,
) -> int:
    """Write whether a study is read, and let its reading task follow."""
    connection, study_id, now = opened.connection, opened.position.study_id, opened.acting.at
    connection.execute(update(study).where(study.c.id == study_id).values(read_at=at, read_how=how))
    if at is None:
        schedule(connection, queue, study_id, at=now, again=True)
    else:
        task = latest_task(connection, study_id)
        if task is not None and task.state == WorkitemState.SCHEDULED:
            cancel_scheduled(connection, queue, task, READ, at=now)
        which = study_reading.c.study_id == study_id
        nobody: dict[str, Any] = {"reader": "", "reader_name": "", "reader_since": None, "reader_until": None}
        connection.execute(update(study_reading).where(which).values(nobody))
    return write(
        opened,
        Kind.UNDONE if undoes else Kind.UNREAD if at is None else Kind.READ,
        before=read_values(opened.row),
        after=_read_values(at, how),
        words=words,
        undoes=undoes,
        detail=how or "back on the worklist",
    )


def set_priority(
    database: Database,
    queue: Queue,
    seen: Seen,
    acting: Acting,
    priority: Priority | None,
    *,
    reason: str,
    allowances: Allowances,
) -> int:
    """Let a person's priority count, whatever the order and the AI say; None: theirs count again."""
    if not reason.strip():
        message = "Give the reason why its priority is to be another."
        raise RefusedError(message)
    with database.begin() as connection:
        opened = open_for_act(connection, seen, acting)
        if opened.row.person_priority == priority:
            message = "The study has this priority already."
            raise RefusedError(message)
        return write_priority(opened, queue, priority, allowances=allowances, words=reason)


def write_priority(
    opened: Opened,
    queue: Queue,
    priority: Priority | None,
    *,
    allowances: Allowances,
    words: str = "",
    undoes: int | None = None,
) -> int:
    """Write a person's priority and when the study is due with it; what waits of its analysis comes forward."""
    row, connection = opened.row, opened.connection
    now_effective = _effective(row, priority)
    due = due_at(row.received_at, now_effective, allowances)
    values: dict[str, object] = {"person_priority": priority, "due_at": due}
    if due < row.due_at:
        values["work_due_at"] = lowered(row.work_due_at, due)
    connection.execute(update(study).where(study.c.id == row.id).values(values))
    if due < row.due_at:
        bring_forward(connection, queue, row.id, at=opened.acting.at)
    before = None if row.person_priority is None else Priority(row.person_priority)
    return write(
        opened,
        Kind.UNDONE if undoes else Kind.PRIORITY,
        before={"person_priority": before},
        after={"person_priority": priority},
        words=words,
        undoes=undoes,
        detail=f"{_effective(row, before).name} to {now_effective.name}",
    )


def assign(database: Database, seen: Seen, acting: Acting, person: str) -> int:
    """Let a study be somebody's to read, by the name of their account; "": nobody's in particular."""
    with database.begin() as connection:
        opened = open_for_act(connection, seen, acting)
        if opened.reading.assigned_to == person:
            message = "The study is assigned so already."
            raise RefusedError(message)
        return write_assigned(opened, person)


def write_assigned(opened: Opened, person: str, *, undoes: int | None = None) -> int:
    """Write whose a study is to read."""
    which = study_reading.c.study_id == opened.position.study_id
    opened.connection.execute(update(study_reading).where(which).values(assigned_to=person))
    return write(
        opened,
        Kind.UNDONE if undoes else Kind.ASSIGNED,
        before={"assigned_to": opened.reading.assigned_to},
        after={"assigned_to": person},
        undoes=undoes,
        detail=f"to {person}" if person else "to nobody",
    )


def add_note(
    database: Database, study_instance_uid: str, acting: Acting, words: str, *, only_if: Whole | None = None
) -> int:
    """Write a note on a study. It changes nothing that another reader could have changed meanwhile.

    With `only_if` it is written only if nothing has happened since: so a repeat writes it once. ChangedError otherwise.
    """
    if not words.strip():
        message = "Write something into the note."
        raise RefusedError(message)
    with database.begin() as connection:
        opened = open_study(connection, study_instance_uid, acting)
        check_unchanged(connection, opened.position, only_if)
        return write(opened, Kind.NOTE, before={}, after={}, words=words)


def read_values(row: Row[Any]) -> dict[str, str | None]:
    """Return whether a study is read as acts have it."""
    return _read_values(row.read_at, row.read_how)


def _read_values(at: datetime | None, how: str | None) -> dict[str, str | None]:
    return {"read_at": None if at is None else at.isoformat(), "read_how": how}


def _effective(row: Row[Any], person: Priority | None) -> Priority:
    ai = None if row.ai_priority is None else Priority(row.ai_priority)
    return effective(Priority(row.order_priority), ai, person)
