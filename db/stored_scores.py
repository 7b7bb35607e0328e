"""What two models said of the same images, as it is on record: for comparing them. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select, true

from db.database import Database
from db.outcome import Outcome
from db.schema.domain import image_result, instance, study
from db.schema.model import shadow_score


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredScore:
    """A score on record. `patient` only tells which images belong together, and is never shown."""

    sop_instance_uid: str
    patient: str
    probability: float
    flagged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredScores:
    """What one model's weights said, by instance id, be it as the first model or as the second.

    `failed` counts the images of which the second model could say nothing, `older_weights` the other weights on record
    under the same name, which are left out.
    """

    name: str
    version: str
    sha256: str
    scores: Mapping[int, StoredScore]
    failed: int
    older_weights: int


def stored_scores(database: Database, name: str, *, since: datetime | None = None) -> StoredScores | None:
    """Return what the model called `name` said of images received since then; None where it is on record nowhere.

    Of several weights under one name those count that spoke last, and of several scores of an image by the same weights
    the one of its latest revision.
    """
    with database.read() as connection:
        weights = _weights(connection, name)
        if not weights:
            return None
        last = max(weights, key=lambda row: row.at)
        scores = {row.id: _score(row, row.is_flagged) for row in _as_second(connection, last.model_sha256, since)}
        failed = sum(score is None for score in scores.values())
        for row in _as_first(connection, last.model_sha256, since):
            scores[row.id] = _score(row, row.outcome == Outcome.FLAGGED)
    return StoredScores(
        name=name,
        version=last.model_version,
        sha256=last.model_sha256,
        scores={key: score for key, score in scores.items() if score is not None},
        failed=failed,
        older_weights=len({row.model_sha256 for row in weights}) - 1,
    )


def _weights(connection: Connection, name: str) -> list[Row[Any, Any, Any]]:
    return [
        row
        for table in (image_result, shadow_score)
        for row in connection.execute(
            select(table.c.model_sha256, table.c.model_version, func.max(table.c.finished_at).label("at"))
            .where(table.c.model_name == name, table.c.probability.is_not(None))
            .group_by(table.c.model_sha256, table.c.model_version)
        )
    ]


def _as_second(connection: Connection, sha256: str, since: datetime | None) -> list[Row[Any]]:
    query = _images(shadow_score.c.probability, shadow_score.c.is_flagged).join(
        shadow_score, shadow_score.c.instance_id == instance.c.id
    )
    return list(connection.execute(query.where(shadow_score.c.model_sha256 == sha256, _is_since(since))))


def _as_first(connection: Connection, sha256: str, since: datetime | None) -> list[Row[Any]]:
    """Read in the order of the revisions, so that the last one of an image is its latest."""
    query = _images(image_result.c.probability, image_result.c.outcome).join(
        image_result, image_result.c.instance_id == instance.c.id
    )
    scored = (image_result.c.model_sha256 == sha256, image_result.c.probability.is_not(None))
    return list(connection.execute(query.where(*scored, _is_since(since)).order_by(image_result.c.revision)))


def _images(*columns: ColumnElement[Any]) -> Select[Any]:
    whose = (study.c.id.label("study"), study.c.patient_id, study.c.issuer_of_patient_id)
    return select(instance.c.id, instance.c.sop_instance_uid, *whose, *columns).join_from(instance, study)


def _is_since(since: datetime | None) -> ColumnElement[bool]:
    return true() if since is None else instance.c.received_at >= since


def _score(row: Row[Any], flagged: Any) -> StoredScore | None:  # noqa: ANN401 - a column's value
    if row.probability is None:
        return None
    return StoredScore(
        sop_instance_uid=row.sop_instance_uid,
        patient=f"{row.issuer_of_patient_id}/{row.patient_id}" if row.patient_id else f"study {row.study}",
        probability=row.probability,
        flagged=flagged,
    )
