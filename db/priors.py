"""Other studies of the same patient: of one Patient ID with one issuer, and never by a name. Reads only."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select

from db.database import Database
from db.schema.domain import image_result, instance, study

MOST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherStudy:
    """Another study under the same Patient ID; who it says the patient is may still differ, and is to be shown."""

    study_instance_uid: str
    patient_name: str
    patient_birth_date: str
    patient_sex: str
    study_date: str
    study_description: str
    modality: str
    state: str
    prior_only: bool
    ai_priority: int | None
    outcome: str | None
    reason: str
    probability: float | None
    instances: tuple[dict[str, Any], ...]
    image_results: tuple[dict[str, Any], ...]


def other_studies(database: Database, study_instance_uid: str, *, limit: int = MOST) -> tuple[OtherStudy, ...]:
    """Return the other studies of a study's patient, the newest first.

    There are none where the Patient ID is empty, or where nobody knows yet whose study this one is or the other.
    """
    with database.read() as connection:
        one = connection.execute(select(study).where(study.c.study_instance_uid == study_instance_uid)).one_or_none()
        if one is None or not one.patient_id.strip() or one.conflict or one.doubt:
            return ()
        rows = connection.execute(
            select(study)
            .where(
                study.c.patient_id == one.patient_id,
                study.c.issuer_of_patient_id == one.issuer_of_patient_id,
                study.c.id != one.id,
                study.c.conflict == "",
                study.c.doubt == "",
                study.c.removed_at.is_(None),
            )
            .order_by(study.c.study_date.desc(), study.c.id.desc())
            .limit(limit)
        ).all()
        ids = [row.id for row in rows]
        instances = connection.execute(
            select(instance).where(instance.c.study_id.in_(ids), instance.c.is_image).order_by(instance.c.id)
        ).all()
        columns = [column for column in image_result.c if column.name != "heat_map"]
        found = connection.execute(
            select(*columns, image_result.c.heat_map.is_not(None).label("has_heat_map")).where(
                image_result.c.instance_id.in_([row.id for row in instances])
            )
        ).all()
    return tuple(_other(row, [one for one in instances if one.study_id == row.id], found) for row in rows)


def _other(row: Row[Any], instances: list[Row[Any]], results: Any) -> OtherStudy:  # noqa: ANN401 - rows of any columns
    names = OtherStudy.__dataclass_fields__.keys() - {"instances", "image_results"}
    ids = {one.id for one in instances}
    return OtherStudy(
        **{name: getattr(row, name) for name in names},
        instances=tuple(dict(one._mapping) for one in instances),  # noqa: SLF001 - the public name of SQLAlchemy's mapping view
        image_results=tuple(dict(one._mapping) for one in results if one.instance_id in ids),  # noqa: SLF001 - as above
    )
