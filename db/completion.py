"""When a study is complete, and when everything it needs for its conclusion is settled."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Integer, and_, bindparam, exists, func, or_, select, tuple_

from db.advance import Position, advance, lock, lock_if_free
from db.database import Database
from db.errors import DatabaseBusyError, DatabaseError, DatabaseUnavailableError
from db.kinds import COMPARE, CONCLUDE, SCORE
from db.lifecycle import Event, State
from db.prepared import Prepared
from db.queue import Queue
from db.roles import NO_WORK, Role
from db.schema.domain import image_result, instance, study
from db.work_due import WORK_DUE

MOST_AT_ONCE: Final = 200
"""Studies that `close_due` looks for at a time; it returns when it has completed so many."""


_SOMEBODY_ELSES = exists().where(instance.c.study_id == study.c.id, instance.c.role.not_in(NO_WORK))
_DUE_NOW = (
    select(study.c.closes_at, study.c.id)
    .where(
        study.c.state == State.RECEIVING, study.c.closes_at <= bindparam("now"), ~study.c.prior_only, _SOMEBODY_ELSES
    )
    .order_by(study.c.closes_at, study.c.id)
    .limit(bindparam("most", type_=Integer))
)
_DUE = Prepared(_DUE_NOW)
_DUE_AFTER = Prepared(
    _DUE_NOW.where(
        tuple_(study.c.closes_at, study.c.id)
        > tuple_(bindparam("last_closes_at", type_=study.c.closes_at.type), bindparam("last_id", type_=study.c.id.type))
    )
)
_NEXT = Prepared(
    select(study.c.closes_at)
    .where(study.c.state == State.RECEIVING, study.c.closes_at > bindparam("after"))
    .order_by(study.c.closes_at)
    .limit(1)
)
_OF = Prepared(select(study.c.closes_at, WORK_DUE.label("due_at")).where(study.c.id == bindparam("study_id")))
_HAS_RESULT = exists().where(
    image_result.c.instance_id == instance.c.id, image_result.c.revision == instance.c.analysis_revision
)
_WAITS = or_(and_(instance.c.analysis_revision.is_not(None), ~_HAS_RESULT), instance.c.role == Role.UNVERIFIED)
_OUTSTANDING = Prepared(
    select(func.count().label("instances"))
    .select_from(instance)
    .where(instance.c.study_id == bindparam("study_id"), _WAITS)
)
_WAITING = Prepared(
    select(instance.c.id, instance.c.role, WORK_DUE.label("due_at"))
    .join(study, study.c.id == instance.c.study_id)
    .where(study.c.state == State.COMPLETE, _WAITS)
    .order_by(study.c.closes_at, instance.c.id)
    .limit(bindparam("most", type_=Integer))
)


def close_due(database: Database, queue: Queue, *, now: datetime) -> int:
    """Complete the studies whose time to close has come; return how many. Safe to run twice, anywhere, and to miss.

    A study of which nothing is known but priors, or this agent's own reports that came back, is not one to conclude.
    One that another transaction has under its lock is left for the next call, and those that fail hold up no other,
    however many they are: the first error is raised in the end.
    """
    closed, errors, last = 0, list[DatabaseError](), ()
    while closed < MOST_AT_ONCE and (found := _due(database, now, last)):
        for one in found:
            try:
                closed += _close(database, queue, one.id, now)
            except (DatabaseUnavailableError, DatabaseBusyError):
                raise
            except DatabaseError as error:
                errors.append(error)
        last = tuple(found[-1])
    if errors:
        raise errors[0]
    return closed


def _due(database: Database, now: datetime, last: tuple[Any, ...]) -> Sequence[Any]:
    """Return the next studies whose time to close has come, after the one that was the `last` of those before."""
    if last:
        closes_at, study_id = last
        return _found(
            database, _DUE_AFTER, {"now": now, "most": MOST_AT_ONCE, "last_closes_at": closes_at, "last_id": study_id}
        )
    return _found(database, _DUE, {"now": now, "most": MOST_AT_ONCE})


def _found(database: Database, query: Prepared, parameters: Mapping[str, object]) -> Sequence[Any]:
    with database.read() as connection:
        return query.rows(connection, parameters)


def next_close(database: Database, *, after: datetime) -> datetime | None:
    """Return when the next study closes, later than `after`, as things stand; None if none is open."""
    found = _found(database, _NEXT, {"after": after})
    closes_at: datetime | None = found[0].closes_at if found else None
    return closes_at


def _close(database: Database, queue: Queue, study_id: int, now: datetime) -> bool:
    with database.begin() as connection:
        position = lock_if_free(connection, study_id)
        (one,) = _OF.rows(connection, {"study_id": study_id})
        if position is None or one.closes_at > now:  # something is being done with it, or more arrived since we looked
            return False
        moved = advance(connection, position, Event.ENDED, at=now)
        if moved is not None:
            conclude_when_settled(connection, queue, moved, at=now)
        return moved is not None


def conclude_when_settled(connection: Connection, queue: Queue, position: Position, *, at: datetime) -> None:
    """Enqueue the conclusion of a COMPLETE study once no image result and no comparison is outstanding.

    Called in every transaction that could be the last one to settle something, with the study's row locked, so that
    exactly the last one enqueues.
    """
    if position.state is not State.COMPLETE or outstanding(connection, position.study_id):
        return
    (one,) = _OF.rows(connection, {"study_id": position.study_id})
    queue.enqueue(connection, CONCLUDE, str(position.study_id), due_at=one.due_at, run_at=at)


def outstanding(connection: Connection, study_id: int) -> int:
    """Return how many Instances of the study still wait for an image result or a comparison."""
    (found,) = _OUTSTANDING.rows(connection, {"study_id": study_id})
    count: int = found.instances
    return count


def enqueue_settled(database: Database, queue: Queue, *, now: datetime) -> int:
    """Enqueue the conclusion of every COMPLETE study with nothing outstanding; return how many such studies there are.

    The transaction that settles a study enqueues its conclusion; this sweep only heals what a parked job left behind.
    """
    with database.read() as connection:
        ids = connection.scalars(select(study.c.id).where(study.c.state == State.COMPLETE)).all()
    for study_id in ids:
        with database.begin() as connection:
            conclude_when_settled(connection, queue, lock(connection, study_id), at=now)
    return len(ids)


def enqueue_outstanding(database: Database, queue: Queue, *, now: datetime) -> int:
    """Enqueue what COMPLETE studies wait for and no job is there to do; return how many jobs were missing.

    Every transaction that leaves something outstanding enqueues its job; this sweep only heals what lost one. It looks
    at those that have waited longest: they are the ones of which a job should be near its end.
    """
    with database.read() as connection:
        waiting = [
            ((COMPARE if one.role == Role.UNVERIFIED else SCORE, str(one.id)), one.due_at)
            for one in _WAITING.rows(connection, {"most": MOST_AT_ONCE})
        ]
        missing = [(job, due) for job, due in waiting if not queue.has_any(connection, [job])]
    for job, due in missing:
        with database.begin() as connection:
            if not queue.has_any(connection, [job]):  # its handler looks itself whether it is still to be done
                queue.enqueue(connection, *job, due_at=due, run_at=now)
    return len(missing)
