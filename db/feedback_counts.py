"""What readers thought of the AI, counted by day and model: of each result the last word that stands."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Select, and_, func, select

from db.database import Database
from db.feedback import Finding
from db.outcome import Outcome
from db.roles import Role
from db.schema.domain import image_result, instance, study
from db.schema.reading import feedback


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackCount:
    """So many results of one day (UTC) and model, with what was said of them."""

    day: date
    model_name: str
    model_version: str
    outcome: Outcome
    finding: Finding
    results: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledImage:
    """An image of which a reader's finding is known: the only one of its study that is frontal and was analysed."""

    path: str
    patient: tuple[str, str]  # Patient ID and its issuer
    at: datetime
    finding: Finding
    outcome: Outcome
    modality: str
    station_name: str
    model_version: str


def feedback_counts(database: Database, *, since: datetime) -> tuple[FeedbackCount, ...]:
    """Return the counts from a moment on, the oldest day first."""
    day = func.date(feedback.c.at).label("day")
    parts = (feedback.c.model_name, feedback.c.model_version, feedback.c.outcome, feedback.c.finding)
    query = (
        select(day, *parts, func.count().label("results"))
        .where(feedback.c.at >= since, feedback.c.id.in_(_last_words(since)))
        .group_by(day, *parts)
        .order_by(day, *parts)
    )
    with database.read() as connection:
        return tuple(
            FeedbackCount(
                day=date.fromisoformat(str(row.day)),
                model_name=row.model_name,
                model_version=row.model_version,
                outcome=Outcome(row.outcome),
                finding=Finding(row.finding),
                results=row.results,
            )
            for row in connection.execute(query)
        )


def labelled_images(database: Database, *, since: datetime) -> tuple[LabelledImage, ...]:
    """Return the images whose label a reader has said, in the order of what was said; not where they cannot say.

    A finding is of a study. So only a study counts of which one image alone was analysed as a frontal one, and whose
    file is still here.
    """
    analysed = and_(
        image_result.c.instance_id == instance.c.id,
        image_result.c.revision == instance.c.analysis_revision,
        image_result.c.outcome.in_((Outcome.FLAGGED, Outcome.NOT_FLAGGED)),
        ~image_result.c.is_lateral,
    )
    counts = (instance.c.role == Role.CANDIDATE, instance.c.withdrawn.is_(None), instance.c.removed_at.is_(None))
    columns = (instance.c.path, instance.c.modality, instance.c.station_name)
    said = (feedback.c.id, feedback.c.at, feedback.c.finding, feedback.c.outcome, feedback.c.model_version)
    query = (
        select(*columns, *said, study.c.patient_id, study.c.issuer_of_patient_id)
        .select_from(feedback)
        .join(study, study.c.id == feedback.c.study_id)
        .join(instance, instance.c.study_id == study.c.id)
        .join(image_result, analysed)
        .where(*counts, feedback.c.id.in_(_last_words(since)), feedback.c.finding != Finding.UNSURE)
        .order_by(feedback.c.at, feedback.c.id)
    )
    with database.read() as connection:
        rows = connection.execute(query).all()
    images = Counter(row.id for row in rows)
    return tuple(
        LabelledImage(
            path=row.path,
            patient=(row.patient_id, row.issuer_of_patient_id),
            at=row.at,
            finding=Finding(row.finding),
            outcome=Outcome(row.outcome),
            modality=row.modality,
            station_name=row.station_name,
            model_version=row.model_version,
        )
        for row in rows
        if images[row.id] == 1
    )


def _last_words(since: datetime) -> Select[tuple[int]]:
    return (
        select(func.max(feedback.c.id))
        .where(feedback.c.undone_at.is_(None), feedback.c.at >= since)
        .group_by(feedback.c.study_id, feedback.c.revision)
    )
