"""The one door through which a study changes state: compare-and-set on (state, revision), and an audit row."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, update

from db.errors import RefusedError
from db.lifecycle import Event, State, step
from db.prepared import Prepared
from db.schema.domain import study, study_event
from db.still import still

_MOVE = Prepared(
    update(study).where(
        study.c.id == bindparam("which"),
        still(study.c.state) == bindparam("from_state"),
        study.c.revision == bindparam("from_revision"),
    )
)
_NOTE = Prepared(insert(study_event))
_POSITION = select(study.c.state, study.c.revision).where(study.c.id == bindparam("which"))
_LOCK = Prepared(_POSITION.with_for_update())
_LOCK_IF_FREE = Prepared(_POSITION.with_for_update(skip_locked=True))


@dataclass(frozen=True, slots=True)
class Position:
    """Where a study stands in its lifecycle."""

    study_id: int
    state: State
    revision: int


def lock(connection: Connection, study_id: int) -> Position:
    """Lock the study's row until the transaction ends and return where it stands.

    On SQLite the write transaction itself (BEGIN IMMEDIATE) is the lock and FOR UPDATE is not rendered.
    """
    (found,) = _LOCK.rows(connection, {"which": study_id})
    return Position(study_id, State(found.state), found.revision)


def lock_named(connection: Connection, study_instance_uid: str) -> Position:
    """As `lock`, of the study that a person names. Raises RefusedError where there is none."""
    query = select(study.c.id).where(study.c.study_instance_uid == study_instance_uid)
    study_id = connection.execute(query).scalar_one_or_none()
    if study_id is None:
        message = f"expected the Study Instance UID of a study on record. Received: {study_instance_uid}"
        raise RefusedError(message)
    return lock(connection, study_id)


def lock_if_free(connection: Connection, study_id: int) -> Position | None:
    """As `lock`, but None where another transaction has the row: a sweep goes on with the next one."""
    found = _LOCK_IF_FREE.one_or_none(connection, {"which": study_id})
    return None if found is None else Position(study_id, State(found.state), found.revision)


def advance(
    connection: Connection, position: Position, event: Event, *, at: datetime, detail: str = "", actor: str = "agent"
) -> Position | None:
    """Apply `event` to the study if it still stands at `position`, and write the audit row.

    Returns the new position, or None when the event means nothing in that state or somebody else was first.
    `detail` is kept for years and shown: identifiers and reasons only, no patient data.
    """
    planned = step(position.state, event)
    if planned is None:
        return None
    revision = position.revision + planned.new_revision
    moved = _MOVE.run(
        connection,
        {
            "which": position.study_id,
            "from_state": position.state,
            "from_revision": position.revision,
            "state": planned.to,
            "revision": revision,
        },
    )
    if moved == 0:
        return None
    note(
        connection,
        Position(position.study_id, position.state, revision),
        event,
        planned.to,
        at=at,
        detail=detail,
        actor=actor,
    )
    return Position(position.study_id, planned.to, revision)


def note(
    connection: Connection,
    position: Position,
    event: str,
    to_state: State,
    *,
    at: datetime,
    detail: str = "",
    actor: str = "agent",
) -> None:
    """Write an audit row: `position` is the state before it and the revision after it."""
    _NOTE.run(
        connection,
        {
            "study_id": position.study_id,
            "at": at,
            "event": event,
            "from_state": position.state,
            "to_state": to_state,
            "revision": position.revision,
            "actor": actor,
            "detail": detail,
        },
    )
