"""A whole result is taken back: by a person, or by a rejection note that names our reports of it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from db.advance import Position, lock_named
from db.causes import Cause, How
from db.database import Database
from db.errors import ChangedError, RefusedError
from db.lifecycle import CONCLUDED
from db.outcome import Outcome
from db.priority import Allowances
from db.queue import Queue
from db.roles import Role
from db.schema.domain import instance, result, study
from db.unchanged import Whole, check_unchanged
from db.withdrawal import Withdrawal, withdraw

_WITHDRAWN = "withdrawn: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why a result is taken back, the reason that is shown and sent, and who says so."""

    cause: Cause
    reason: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawnResult:
    """What was taken back: the result of a revision, and how many images count no more with it."""

    revision: int
    outcome: Outcome
    images: int


def withdraw_result(  # noqa: PLR0913 - what is taken back, why, and of which state it was decided
    database: Database,
    queue: Queue,
    study_instance_uid: str,
    why: Why,
    *,
    at: datetime,
    allowances: Allowances,
    revision: int | None = None,
    only_if: Whole | None = None,
) -> WithdrawnResult:
    """Take back the current result of a study; a job records the new one and orders the rejection notes.

    Raises RefusedError for an unknown study, for one without a result, and for one whose result is withdrawn already;
    ChangedError for one that is not at the `revision` or in the state at which it was seen, if that is given.
    """
    with database.begin() as connection:
        position = lock_named(connection, study_instance_uid)
        check_unchanged(connection, position, only_if)
        if revision not in {None, position.revision}:
            message = "The study has changed meanwhile: that is not the result you saw. Nothing was withdrawn."
            raise ChangedError(message)
        if position.state not in CONCLUDED:
            message = f"expected a study with a result to withdraw. Received: state={position.state}"
            raise RefusedError(message)
        done = withdraw_current(connection, queue, position, why, at=at, allowances=allowances)
        if done is None:
            message = "expected a result that counts. Received: one that is withdrawn already"
            raise RefusedError(message)
    return done


def withdraw_current(
    connection: Connection, queue: Queue, position: Position, why: Why, *, at: datetime, allowances: Allowances
) -> WithdrawnResult | None:
    """Take back the current result of a concluded study whose row is locked; None if it is withdrawn already."""
    row = connection.execute(select(study).where(study.c.id == position.study_id)).one()
    if row.outcome is None or (row.outcome == Outcome.NOT_ANALYSED and row.reason.startswith(_WITHDRAWN)):
        return None
    images = _images(connection, position.study_id)
    what = Withdrawal(How.RESULT, why.cause, why.reason, images)
    withdraw(connection, queue, position, what, at=at, allowances=allowances, actor=why.actor)
    return WithdrawnResult(revision=position.revision, outcome=Outcome(row.outcome), images=len(images))


def current_revision(connection: Connection, study_id: int) -> int:
    """Return the revision of the study's latest result; 0 where there is none yet."""
    query = select(func.coalesce(func.max(result.c.revision), 0)).where(result.c.study_id == study_id)
    return int(connection.execute(query).scalar_one())


def _images(connection: Connection, study_id: int) -> list[int]:
    """Return the images that the current result rests on, not those that have come since."""
    query = select(instance.c.id).where(
        instance.c.study_id == study_id,
        instance.c.role == Role.CANDIDATE,
        instance.c.withdrawn.is_(None),
        instance.c.analysis_revision <= current_revision(connection, study_id),
    )
    return list(connection.scalars(query))
