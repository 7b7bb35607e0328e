"""A change that was decided for one state of a study, and is made only if nothing at all has happened to it since."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from db.advance import Position
from db.errors import ChangedError
from db.schema.domain import study_event
from db.schema.reading import study_reading

CHANGED: Final = "Something has happened to the study meanwhile: get it again, look, and decide anew."


@dataclass(frozen=True, slots=True)
class Whole:
    """The state of a study: its revision, how many acts of readers there have been, and the last of its events."""

    revision: int
    version: int
    last_event: int


def check_unchanged(connection: Connection, position: Position, whole: Whole | None) -> None:
    """Pass if a study whose row is locked is in that state, or if none is named. ChangedError if it is not."""
    if whole is None:
        return
    version = select(study_reading.c.version).where(study_reading.c.study_id == position.study_id)
    last = select(func.max(study_event.c.id)).where(study_event.c.study_id == position.study_id)
    now = Whole(
        position.revision,
        connection.execute(version).scalar_one_or_none() or 0,
        connection.execute(last).scalar_one_or_none() or 0,
    )
    if now != whole:
        raise ChangedError(CHANGED)
