"""Image results: what a worker has to score, and what it found."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, exists, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from db.advance import Position, lock, note
from db.completion import conclude_when_settled
from db.database import Database
from db.drift_sample import DriftSample, ImageTraits, add_sample
from db.outcome import Outcome
from db.pictures import keep_thumbnail
from db.prepared import Prepared
from db.priority import FLAGGED_PRIORITY, Allowances, Priority, due_at, effective, lowered
from db.queue import Queue
from db.schema.domain import image_result, instance, study
from db.shadow import enqueue_shadow
from db.triage import switched_off
from db.withheld import withhold
from db.workitems import schedule

_RESULTS = Prepared(select(func.count().label("results")).where(image_result.c.instance_id == bindparam("which")))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreTask:
    """A candidate image to analyse: its file in the store, who sent it, and for which revision of its study.

    `waits_since` is None where it has been analysed before.
    """

    instance_id: int
    study_instance_uid: str
    sop_instance_uid: str
    path: str
    calling_ae_title: str
    revision: int
    waits_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageResult:
    """What came of one image; `score` (the raw logit) and `probability` (calibrated) are None unless analysed.

    `traits` and, of a declined one, `decline_group` are for the watch on drift.
    """

    outcome: Outcome
    reason: str = ""
    lateral: bool = False
    score: float | None = None
    probability: float | None = None
    heat_map: bytes | None = None
    thumbnail: bytes | None = None  # of its first frame, JPEG; None where it was not decoded
    traits: ImageTraits | None = None
    decline_group: str = ""
    model_name: str = ""
    model_version: str = ""
    model_sha256: str = ""
    threshold: float | None = None
    started_at: datetime
    finished_at: datetime


_DONE = exists().where(
    image_result.c.instance_id == instance.c.id, image_result.c.revision == instance.c.analysis_revision
)
_ONCE_MORE = exists().where(image_result.c.instance_id == instance.c.id)
_TASK = Prepared(
    select(instance, study.c.study_instance_uid, _ONCE_MORE.label("once_more"))
    .join(study)
    .where(instance.c.id == bindparam("which"), instance.c.analysis_revision.is_not(None), ~_DONE)
)
_IMAGE = Prepared(select(instance.c.study_id, instance.c.withdrawn).where(instance.c.id == bindparam("which")))
_ONCE = [image_result.c.instance_id, image_result.c.revision]
_INSERT = Prepared(
    sqlite.insert(image_result).on_conflict_do_nothing(index_elements=_ONCE).returning(image_result.c.id),
    postgresql=postgresql.insert(image_result)
    .on_conflict_do_nothing(index_elements=_ONCE)
    .returning(image_result.c.id),
)


def score_task(database: Database, instance_id: int) -> ScoreTask | None:
    """Return the image to analyse, or None when it has its result or needs none."""
    with database.read() as connection:
        row = _TASK.one_or_none(connection, {"which": instance_id})
    if row is None:
        return None
    return ScoreTask(
        instance_id=row.id,
        study_instance_uid=row.study_instance_uid,
        sop_instance_uid=row.sop_instance_uid,
        path=row.path,
        calling_ae_title=row.calling_ae_title,
        revision=row.analysis_revision,
        waits_since=None if row.once_more else row.received_at,
    )


def raise_flagged(database: Database, queue: Queue, task: ScoreTask, *, at: datetime, allowances: Allowances) -> None:
    """Raise the study of an image that is flagged, before its result is whole: its heat map takes longer.

    Should the rest of its analysis fail, the study stays raised.
    """
    with database.begin() as connection:
        if switched_off(connection) is not None:
            return
        study_id = _study_of(connection, task.instance_id)
        _flagged(connection, queue, task, lock(connection, study_id), at=at, allowances=allowances)


def record_image_result(
    database: Database,
    queue: Queue,
    task: ScoreTask,
    found: ImageResult,
    *,
    allowances: Allowances,
    shadowed: bool = False,
) -> bool:
    """Commit an image result once; a flagged image raises its study on the worklist in the same transaction.

    While triage is off it raises nobody, and what the model said is withheld (`db.withheld`).

    With `shadowed`, an image that was scored is enqueued for the second model as well: after all else, by the way.

    Returns False when the result was on record already. The study itself does not move; its conclusion is enqueued if
    this was the last thing a complete study waited for.
    """
    with database.begin() as connection:
        study_id = _study_of(connection, task.instance_id)
        position = lock(connection, study_id)
        if not _insert_once(connection, task, found):
            return False
        if found.thumbnail is not None:
            keep_thumbnail(connection, task.instance_id, found.thumbnail)
        if found.traits is not None and _is_first(connection, task):
            _sample(connection, found, found.traits)
        if switched_off(connection) is not None:
            withhold(connection, task.instance_id, task.revision)
        elif found.outcome is Outcome.FLAGGED and not found.lateral:
            _flagged(connection, queue, task, position, at=found.finished_at, allowances=allowances)
        conclude_when_settled(connection, queue, position, at=found.finished_at)
        if shadowed and found.probability is not None:
            enqueue_shadow(connection, queue, task.instance_id, at=found.finished_at)
    return True


def _is_first(connection: Connection, task: ScoreTask) -> bool:
    """Tell whether the image had no result before: analysed again, it is no other image."""
    (found,) = _RESULTS.rows(connection, {"which": task.instance_id})
    return bool(found.results == 1)


def _sample(connection: Connection, found: ImageResult, traits: ImageTraits) -> None:
    add_sample(
        connection,
        DriftSample(
            at=found.finished_at,
            model_sha256=found.model_sha256,
            outcome=found.outcome,
            decline_group=found.decline_group,
            score=found.score,
            traits=traits,
        ),
    )


def _flagged(
    connection: Connection, queue: Queue, task: ScoreTask, position: Position, *, at: datetime, allowances: Allowances
) -> None:
    if _counts(connection, task.instance_id):
        raise_study(connection, position, at=at, allowances=allowances)
        schedule(connection, queue, position.study_id, at=at)


def _counts(connection: Connection, instance_id: int) -> bool:
    """Tell whether the image has not been withdrawn while it was analysed."""
    (found,) = _IMAGE.rows(connection, {"which": instance_id})
    return found.withdrawn is None


def _study_of(connection: Connection, instance_id: int) -> int:
    (found,) = _IMAGE.rows(connection, {"which": instance_id})
    study_id: int = found.study_id
    return study_id


def _insert_once(connection: Connection, task: ScoreTask, found: ImageResult) -> bool:
    inserted = _INSERT.rows(
        connection,
        {
            "instance_id": task.instance_id,
            "revision": task.revision,
            "outcome": found.outcome,
            "reason": found.reason,
            "is_lateral": found.lateral,
            "score": found.score,
            "probability": found.probability,
            "heat_map": found.heat_map,
            "model_name": found.model_name,
            "model_version": found.model_version,
            "model_sha256": found.model_sha256,
            "threshold": found.threshold,
            "started_at": found.started_at,
            "finished_at": found.finished_at,
        },
    )
    return bool(inserted)


def raise_study(connection: Connection, position: Position, *, at: datetime, allowances: Allowances) -> None:
    """Raise the AI's part of the priority, never lower it; a study in conflict of identity is nobody's to raise."""
    row = connection.execute(select(study).where(study.c.id == position.study_id)).one()
    if row.conflict or (row.ai_priority is not None and row.ai_priority >= FLAGGED_PRIORITY):
        return
    person = None if row.person_priority is None else Priority(row.person_priority)
    priority = effective(Priority(row.order_priority), FLAGGED_PRIORITY, person)
    due = min(row.due_at, due_at(row.received_at, priority, allowances))
    flagged_due = due_at(row.received_at, FLAGGED_PRIORITY, allowances)
    connection.execute(
        update(study)
        .where(study.c.id == position.study_id)
        .values(ai_priority=FLAGGED_PRIORITY, due_at=due, work_due_at=lowered(row.work_due_at, flagged_due))
    )
    note(connection, position, "RAISED", position.state, at=at, detail=f"effective priority {priority.name}")
