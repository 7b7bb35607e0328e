"""The associations that have ended lately, and those that are open and bring something. Names no patient."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, func, insert, select

from db.database import Database
from db.prepared import Prepared
from db.schema.arrival import association_study
from db.schema.domain import study
from db.schema.network import association_log

KEPT: Final = 2_000
"""So many are kept, and some more until the next hundred."""
_SOME_MORE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedAssociation:
    """An association that has ended: `how` is released, aborted or rejected."""

    association_id: str
    calling_ae_title: str
    peer_address: str
    opened_at: datetime
    closed_at: datetime
    how: str
    stored: int
    refused: int
    bytes: int
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAssociation:
    """An association that is open as far as is known, and has brought so many studies."""

    association_id: str
    calling_ae_title: str
    since: datetime
    studies: int


_ADD: Final = Prepared(insert(association_log).returning(association_log.c.id))
_FORGET: Final = Prepared(delete(association_log).where(association_log.c.id <= bindparam("last")))


def note_ended(database: Database, ended: EndedAssociation) -> None:
    """Commit that one has ended, lightly: what a power failure undoes of it, nobody misses."""
    with database.begin_lightly() as connection:
        number = _ADD.rows(connection, {name: getattr(ended, name) for name in EndedAssociation.__slots__})[0].id
        if number % _SOME_MORE == 0:
            _FORGET.run(connection, {"last": number - KEPT})


def ended_associations(database: Database, *, limit: int = 50) -> tuple[EndedAssociation, ...]:
    """Return the latest, the last one first."""
    columns = [column for column in association_log.c if column.name != "id"]
    query = select(*columns).order_by(association_log.c.id.desc()).limit(limit)
    with database.read() as connection:
        return tuple(EndedAssociation(**row) for row in connection.execute(query).mappings())


def open_associations(database: Database, *, limit: int = 50) -> tuple[OpenAssociation, ...]:
    """Return those that are on record as bringing studies, the oldest first.

    One that has brought nothing yet is not on record, and of a process that died its rows stay for a day.
    """
    since = func.min(association_study.c.opened_at, type_=association_study.c.opened_at.type).label("since")
    query = (
        select(
            association_study.c.association_id,
            func.min(study.c.calling_ae_title).label("calling_ae_title"),
            since,
            func.count().label("studies"),
        )
        .join(study, study.c.id == association_study.c.study_id)
        .group_by(association_study.c.association_id)
        .order_by(since)
        .limit(limit)
    )
    with database.read() as connection:
        return tuple(OpenAssociation(**row) for row in connection.execute(query).mappings())
