"""The small pictures and heat maps of images, as people look at them."""

from dataclasses import dataclass

from sqlalchemy import Connection, and_, case, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from db.archive import is_held
from db.causes import How
from db.database import Database
from db.outcome import Outcome
from db.prepared import Prepared
from db.roles import Role
from db.schema.domain import image_result, instance, study
from db.schema.pictures import thumbnail

_KEEP = Prepared(
    sqlite.insert(thumbnail).on_conflict_do_nothing(),
    postgresql=postgresql.insert(thumbnail).on_conflict_do_nothing(),
)


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """An image that stands for itself or its study; `jpeg` is None as long as none was made of it."""

    instance_id: int
    path: str
    jpeg: bytes | None


@dataclass(frozen=True, slots=True)
class HeatMap:
    """The heat map of a flagged image, PNG over the whole of it, and how large the image is (0: not known)."""

    png: bytes
    rows: int
    columns: int


def thumbnail_of(database: Database, study_instance_uid: str, sop_instance_uid: str = "") -> Thumbnail | None:
    """Return what stands for an image, or without one for the study: a flagged image if there is one, else the first.

    What its modality or a rejection note took back may be another patient's, and stands for no study. None where no
    image is held that can.
    """
    newest = (
        select(image_result.c.outcome)
        .where(image_result.c.instance_id == instance.c.id)
        .order_by(image_result.c.revision.desc())
        .limit(1)
        .scalar_subquery()
    )
    counts = instance.c.withdrawn.is_(None)
    flagged_first = case((and_(newest == Outcome.FLAGGED, counts), 0), (instance.c.role == Role.CANDIDATE, 1), else_=2)
    query = (
        select(instance.c.id, instance.c.path, thumbnail.c.jpeg)
        .join(study, study.c.id == instance.c.study_id)
        .outerjoin(thumbnail, thumbnail.c.instance_id == instance.c.id)
        .where(study.c.study_instance_uid == study_instance_uid, instance.c.is_image, is_held())
    )
    if sop_instance_uid:
        query = query.where(instance.c.sop_instance_uid == sop_instance_uid)
    else:
        query = query.where(or_(counts, instance.c.withdrawn_how == How.RESULT))
        query = query.order_by(instance.c.role == Role.OWN, flagged_first, instance.c.id)
    with database.read() as connection:
        row = connection.execute(query.limit(1)).one_or_none()
    return None if row is None else Thumbnail(row.id, row.path, row.jpeg)


def keep_thumbnail(connection: Connection, instance_id: int, jpeg: bytes) -> None:
    """Keep the small picture of an image, unless there is one."""
    _KEEP.run(connection, {"instance_id": instance_id, "jpeg": jpeg})


def keep_made_thumbnail(database: Database, instance_id: int, jpeg: bytes) -> None:
    """Commit the small picture that somebody asked for, unless its image was removed while it was made."""
    here = select(instance.c.id).where(instance.c.id == instance_id, instance.c.removed_at.is_(None))
    with database.begin() as connection:
        if connection.execute(here.with_for_update(read=True)).first() is not None:
            keep_thumbnail(connection, instance_id, jpeg)


def heat_map_of(database: Database, study_instance_uid: str, sop_instance_uid: str) -> HeatMap | None:
    """Return the heat map of the latest result of an image; None where there is none, or it counts no more."""
    query = (
        select(image_result.c.heat_map, image_result.c.outcome, instance.c.rows, instance.c.columns)
        .join(instance, instance.c.id == image_result.c.instance_id)
        .join(study, study.c.id == instance.c.study_id)
        .where(
            study.c.study_instance_uid == study_instance_uid,
            instance.c.sop_instance_uid == sop_instance_uid,
            instance.c.withdrawn.is_(None),
            is_held(),
        )
        .order_by(image_result.c.revision.desc())
        .limit(1)
    )
    with database.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None or row.heat_map is None or row.outcome != Outcome.FLAGGED:
        return None
    return HeatMap(row.heat_map, row.rows, row.columns)
