"""One result speaks for one model at one operating point: images that another one judged are judged anew.

Between an image's score and its study's conclusion the working process may have been started again, with other weights
or another operating point; and a late image may come when its study's others were judged long ago. Told under the name
and beside the threshold of who concludes, their outcomes would be what that one has never said.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Float, bindparam, case, func, or_, select, update

from db import kinds
from db.advance import advance, lock
from db.completion import outstanding
from db.database import Database
from db.lifecycle import Event, State
from db.outcome import Outcome
from db.prepared import Prepared
from db.queue import Queue
from db.schema.domain import image_result, instance, result, study
from db.work_due import WORK_DUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Who speaks in a result: a model by its weights, at an operating point."""

    model_name: str
    model_version: str
    model_sha256: str
    operating_point: str
    threshold: float
    device_uid: str


_THRESHOLD: Final = bindparam("threshold", type_=Float)
_ITS_WORD: Final = case((image_result.c.probability >= _THRESHOLD, Outcome.FLAGGED), else_=Outcome.NOT_FLAGGED)
_OTHERS: Final = Prepared(
    select(instance.c.id)
    .join(image_result, image_result.c.instance_id == instance.c.id)
    .where(
        instance.c.study_id == bindparam("study_id"),
        instance.c.removed_at.is_(None),  # what retention has removed nobody can judge anew
        image_result.c.revision == instance.c.analysis_revision,
        image_result.c.outcome.in_((Outcome.FLAGGED, Outcome.NOT_FLAGGED)),
        or_(
            image_result.c.model_sha256 != bindparam("model_sha256"),
            func.coalesce(image_result.c.threshold, _THRESHOLD) != _THRESHOLD,  # none: it is of an earlier version
            image_result.c.outcome != _ITS_WORD,
        ),
    )
    .order_by(instance.c.id)
)
_LATEST: Final = Prepared(
    select(result).where(result.c.study_id == bindparam("study_id")).order_by(result.c.revision.desc()).limit(1)
)


def judge_anew(database: Database, queue: Queue, study_id: int, revision: int, judge: Judge, *, at: datetime) -> int:
    """Let the images of a COMPLETE study that were judged by another one be analysed again, in a revision of its own.

    Return how many there are; 0, and nothing is changed, where all were judged so, or the study has moved on.
    """
    with database.read() as connection:
        if not _judged_by_others(connection, study_id, judge):
            return 0
    with database.begin() as connection:
        position = lock(connection, study_id)
        others = _judged_by_others(connection, study_id, judge)
        is_there = (position.state, position.revision) == (State.COMPLETE, revision)
        if not is_there or not others or outstanding(connection, study_id):
            return 0
        detail = f"{len(others)} images that other weights judged, or another operating point"
        moved = advance(connection, position, Event.REQUEUED, at=at, detail=detail)
        if moved is None:
            return 0
        connection.execute(update(instance).where(instance.c.id.in_(others)).values(analysis_revision=moved.revision))
        due = connection.execute(select(WORK_DUE).where(study.c.id == study_id)).scalar_one()
        for instance_id in others:
            queue.enqueue(connection, kinds.SCORE, str(instance_id), due_at=due, run_at=at)
    return len(others)


def judge_of(connection: Connection, study_id: int) -> Judge | None:
    """Return who speaks in the study's latest result, None where there is none."""
    row = _LATEST.one_or_none(connection, {"study_id": study_id})
    return None if row is None else Judge(**said_by(row))


def said_by(result_or_row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row has the columns of the same names
    """Return who speaks in a result, by `Judge`'s names."""
    return {one.name: getattr(result_or_row, one.name) for one in fields(Judge)}


def _judged_by_others(connection: Connection, study_id: int, judge: Judge) -> list[int]:
    given = {"study_id": study_id, "model_sha256": judge.model_sha256, "threshold": judge.threshold}
    return [row.id for row in _OTHERS.rows(connection, given)]
