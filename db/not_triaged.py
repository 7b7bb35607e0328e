"""Studies that were not analysed because triage was off, and that nobody has read yet."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select

from db.audit import Who
from db.database import Database
from db.errors import RefusedError
from db.lifecycle import CONCLUDED
from db.operated import note_operated
from db.outcome import Outcome
from db.queue import Queue
from db.requeue import requeue_study
from db.schema.domain import study
from db.triage import TRIAGE_OFF, triage_off


def count_not_triaged(database: Database) -> int:
    """Return how many there are, along the index of what is unread."""
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(_them().subquery())).scalar_one()


def requeue_not_triaged(database: Database, queue: Queue, *, who: Who, now: datetime, limit: int) -> int:
    """Have them analysed again, those due first at the beginning, at most `limit`; return how many.

    None while triage is off: they would come to the same. Each is a transaction of its own, and one that somebody has
    read by then stays as it is. Who asked for it is on record before the first of them.
    """
    if triage_off(database) is not None:
        return 0
    with database.read() as connection:
        uids = connection.scalars(_them().order_by(study.c.due_at, study.c.id).limit(limit)).all()
    if uids:
        detail = f"up to {len(uids)} studies to be analysed again that were not while triage was off"
        with database.begin() as connection:
            note_operated(connection, who, detail, at=now)
    return sum(_requeued(database, queue, uid, who, now) for uid in uids)


def _requeued(database: Database, queue: Queue, study_instance_uid: str, who: Who, now: datetime) -> bool:
    try:
        requeue_study(database, queue, study_instance_uid, actor=who.name, now=now, only_unread=True)
    except RefusedError:  # it has moved on meanwhile, or somebody has read it
        return False
    return True


def _them() -> Select[Any]:
    return select(study.c.study_instance_uid).where(
        ~study.c.prior_only,
        study.c.read_at.is_(None),
        study.c.state.in_(CONCLUDED),
        study.c.outcome == Outcome.NOT_ANALYSED,
        study.c.reason.contains(TRIAGE_OFF, autoescape=True),
        study.c.images_removed_at.is_(None),
    )
