"""A study put back to be analysed again, by a person's order."""

from datetime import datetime

from sqlalchemy import select, update

from db import kinds
from db.advance import advance, lock
from db.completion import conclude_when_settled
from db.database import Database
from db.errors import RefusedError
from db.lifecycle import Event
from db.queue import Queue
from db.roles import Role
from db.schema import instance, study


def requeue_study(database: Database, queue: Queue, study_instance_uid: str, *, actor: str, now: datetime) -> int:
    """Begin a new revision of a concluded study in which every candidate image is analysed again; return the revision.

    Raises RefusedError for an unknown study and for one that is still being received or analysed.
    """
    with database.begin() as connection:
        study_id = connection.execute(
            select(study.c.id).where(study.c.study_instance_uid == study_instance_uid)
        ).scalar_one_or_none()
        if study_id is None:
            message = f"expected the Study Instance UID of a study on record. Received: {study_instance_uid}"
            raise RefusedError(message)
        position = lock(connection, study_id)
        moved = advance(connection, position, Event.REQUEUED, at=now, actor=actor)
        if moved is None:
            message = f"expected a study that is CONCLUDED or DELIVERED. Received: state={position.state}"
            raise RefusedError(message)
        due = connection.execute(select(study.c.due_at).where(study.c.id == study_id)).scalar_one()
        candidates = connection.scalars(
            select(instance.c.id).where(
                instance.c.study_id == study_id, instance.c.role == Role.CANDIDATE, instance.c.withdrawn.is_(None)
            )
        ).all()
        connection.execute(
            update(instance).where(instance.c.id.in_(candidates)).values(analysis_revision=moved.revision)
        )
        for instance_id in candidates:
            queue.enqueue(connection, kinds.SCORE, str(instance_id), due_at=due, run_at=now)
        conclude_when_settled(connection, queue, moved, at=now)
    return moved.revision
