"""What was removed by retention comes again: the same images are put back, and a removed study begins anew."""

from typing import Any

from sqlalchemy import Connection, Row, delete, update

from db.advance import Position, advance, note
from db.incoming import IncomingInstance
from db.lifecycle import Event, State
from db.pace import place
from db.priority import Allowances
from db.roles import Role
from db.schema.domain import instance, study


def put_back(connection: Connection, position: Position, instance_id: int, incoming: IncomingInstance) -> None:
    """Note that the file of an Instance is here again, whose study is on record: that study stays as it is.

    Its age counts from now, so that retention does not take the image away at once.
    """
    at = incoming.received_at
    connection.execute(update(instance).where(instance.c.id == instance_id).values(removed_at=None))
    first = connection.execute(
        update(study)
        .where(study.c.id == position.study_id, study.c.images_removed_at.is_not(None))
        .values(images_removed_at=None, last_received_at=at)
    )
    if first.rowcount:
        note(connection, position, "CAME_BACK", position.state, at=at, detail=incoming.sop_instance_uid)


def forget_removed(connection: Connection, sha256: str) -> None:
    """Forget what is left of an Instance whose study was removed: its bytes come again, and are recorded as new."""
    connection.execute(delete(instance).where(instance.c.sha256 == sha256, instance.c.role == Role.REMOVED))


def begin_anew(
    connection: Connection,
    owner: Row[Any],
    incoming: IncomingInstance,
    described: dict[str, str],
    allowances: Allowances,
) -> Row[Any]:
    """Let a removed study begin as if it were new, as a revision of its own; return its row.

    What was known of it is gone but for its audit trail, so nothing contradicts what comes now.
    """
    at = incoming.received_at
    position = Position(owner.id, State(owner.state), owner.revision)
    advance(connection, position, Event.CAME_AGAIN, at=at, detail="after it had been removed")
    fresh: dict[str, object] = {
        "removed_at": None,
        "images_removed_at": None,
        "calling_ae_title": incoming.calling_ae_title,
        "prior_only": incoming.is_prior or incoming.rejects,
        "received_at": at,
        "last_received_at": at,
        "started_at": at,
        "closes_at": at,
        "ai_priority": None,
        "person_priority": None,
        **place(connection, incoming, allowances),
        "outcome": None,
        "reason": "",
        "concluded_at": None,
        "read_at": None,
        "read_how": None,
    }
    return connection.execute(
        update(study).where(study.c.id == owner.id).values(fresh | described).returning(*study.c)
    ).one()
