"""Taking back what a reader did. Nothing is deleted: to take back is an act that names the one it takes back."""

import json
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, select

from db.database import Database
from db.errors import ChangedError, RefusedError
from db.feedback_report import take_back
from db.priority import Allowances, Priority
from db.queue import Queue
from db.reading_acts import Acting, Kind, Opened, Seen, open_for_act, write
from db.reading_marks import read_values, set_read, write_assigned, write_priority
from db.schema.reading import reading_act

UNDOABLE: Final = frozenset({Kind.READ, Kind.UNREAD, Kind.FEEDBACK, Kind.PRIORITY, Kind.ASSIGNED, Kind.NOTE})


def undo(database: Database, queue: Queue, seen: Seen, acting: Acting, act_id: int, *, allowances: Allowances) -> int:
    """Put back what an act changed; return the id of the act that does.

    Raises RefusedError for what is not this study's, cannot be taken back or was; ChangedError where what it changed
    has changed again, so that putting it back would overwrite that.
    """
    with database.begin() as connection:
        opened = open_for_act(connection, seen, acting)
        which = (reading_act.c.id == act_id, reading_act.c.study_id == opened.position.study_id)
        act = connection.execute(select(reading_act).where(*which)).one_or_none()
        if act is None or act.kind not in UNDOABLE:
            message = "expected an act on this study that can be taken back. Received: another"
            raise RefusedError(message)
        taken = select(reading_act.c.id).where(reading_act.c.undoes == act_id)
        if connection.execute(taken).one_or_none() is not None:
            message = "That was taken back already."
            raise RefusedError(message)
        return _undo(opened, queue, act, allowances)


def _undo(opened: Opened, queue: Queue, act: Row[Any], allowances: Allowances) -> int:
    before, after = json.loads(act.before), json.loads(act.after)
    match Kind(act.kind):
        case Kind.READ | Kind.UNREAD:
            _still(after, read_values(opened.row))
            at = None if before["read_at"] is None else datetime.fromisoformat(before["read_at"])
            if at is not None:
                _read_as_it_is(opened, act)
            return set_read(opened, queue, at=at, how=before["read_how"], undoes=act.id)
        case Kind.PRIORITY:
            _still(after, {"person_priority": opened.row.person_priority})
            found = before["person_priority"]
            priority = None if found is None else Priority(found)
            return write_priority(opened, queue, priority, allowances=allowances, undoes=act.id)
        case Kind.ASSIGNED:
            _still(after, {"assigned_to": opened.reading.assigned_to})
            return write_assigned(opened, before["assigned_to"], undoes=act.id)
        case Kind.FEEDBACK:
            take_back(opened, queue, act.id)
        case _:
            pass
    return write(
        opened,
        Kind.UNDONE,
        before=after,
        after=before,
        undoes=act.id,
        detail=act.kind,
    )


def _read_as_it_is(opened: Opened, act: Row[Any]) -> None:
    """Refuse to have a study read again that is in quarantine, or has got images since: these nobody has read."""
    if opened.row.conflict:
        message = "The study is in quarantine: say first whose it is."
        raise RefusedError(message)
    if act.revision != opened.position.revision:
        message = "The study has changed since it was read. Nothing was taken back: mark it read if you have read it."
        raise ChangedError(message)


def _still(wrote: dict[str, Any], stands: dict[str, Any]) -> None:
    if wrote != stands:
        message = "It has changed again since: what stands now would be overwritten. Nothing was taken back."
        raise ChangedError(message)
