"""Scores of a second model beside the first one's: stored, compared, and without any effect on the study."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, exists, select

from db import kinds
from db.database import Database
from db.queue import Queue
from db.schema.domain import image_result, instance, study
from db.schema.model import shadow_score
from db.upsert import insert_into


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowTask:
    """An image that the first model has scored, for the second one: its file, and the revision of that score."""

    instance_id: int
    study_instance_uid: str
    sop_instance_uid: str
    path: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowScore:
    """What the second model said of an image: all three of `score`, `probability` and `flagged`, or a `reason`."""

    model_name: str
    model_version: str
    model_sha256: str
    threshold: float
    score: float | None = None
    probability: float | None = None
    flagged: bool | None = None
    reason: str = ""
    started_at: datetime
    finished_at: datetime


def enqueue_shadow(connection: Connection, queue: Queue, instance_id: int, *, at: datetime) -> None:
    """Let the second model score an image, in the transaction that records the first one's score."""
    queue.enqueue(connection, kinds.SHADOW, str(instance_id), due_at=at, run_at=at)


def shadow_task(database: Database, instance_id: int, *, model_sha256: str) -> ShadowTask | None:
    """Return the image to score, or None when the first model has no score of it or these weights' one is on record."""
    done = exists().where(shadow_score.c.instance_id == instance.c.id, shadow_score.c.model_sha256 == model_sha256)
    with database.read() as connection:
        row = connection.execute(
            select(instance, study.c.study_instance_uid, image_result.c.revision)
            .join(study, study.c.id == instance.c.study_id)
            .join(image_result, image_result.c.instance_id == instance.c.id)
            .where(instance.c.id == instance_id, image_result.c.probability.is_not(None), ~done)
            .order_by(image_result.c.revision.desc())
            .limit(1)
        ).one_or_none()
    if row is None:
        return None
    return ShadowTask(
        instance_id=row.id,
        study_instance_uid=row.study_instance_uid,
        sop_instance_uid=row.sop_instance_uid,
        path=row.path,
        revision=row.revision,
    )


def record_shadow_score(database: Database, task: ShadowTask, found: ShadowScore) -> bool:
    """Commit a score once for each image and weights; False when it was on record already. Nothing else is touched."""
    with database.begin() as connection:
        inserted = connection.execute(
            insert_into(connection, shadow_score)
            .values(
                instance_id=task.instance_id,
                revision=task.revision,
                model_name=found.model_name,
                model_version=found.model_version,
                model_sha256=found.model_sha256,
                threshold=found.threshold,
                score=found.score,
                probability=found.probability,
                is_flagged=found.flagged,
                reason=found.reason,
                started_at=found.started_at,
                finished_at=found.finished_at,
            )
            .on_conflict_do_nothing(index_elements=[shadow_score.c.instance_id, shadow_score.c.model_sha256])
            .returning(shadow_score.c.id)
        ).scalar_one_or_none()
    return inserted is not None
