"""What the worklist holds, in figures. Reads only."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Subquery, and_, case, extract, func, or_, select

from db.database import Database
from db.outcome import Outcome
from db.schema.domain import study
from db.worklist import waits_to_be_read

MOST: Final = 10_000
"""Studies of the worklist that are counted: a million take seconds."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_JULIAN_EPOCH: Final = 2_440_587.5  # the same as a Julian day
_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklistCounts:
    """What the worklist holds: all studies, the flagged ones, those past their due time, and when they came.

    No more than the first `MOST` to be due are counted: then all of it is true of these, and there are more.
    """

    studies: int
    flagged: int
    overdue: int
    oldest_received_at: datetime | None
    mean_received_at: datetime | None = None
    modalities: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()


def worklist_counts(database: Database, *, now: datetime) -> WorklistCounts:
    """Return what the worklist holds at `now`."""
    with database.read() as connection:
        return counted(connection, now=now)


def counted(connection: Connection, *, now: datetime) -> WorklistCounts:
    """Return what the worklist holds at `now`, in the transaction of what is shown beside it."""
    columns = ("outcome", "ai_priority", "due_at", "received_at", "modality", "calling_ae_title")
    first = (
        select(*(study.c[name] for name in columns))
        .where(waits_to_be_read())
        .order_by(study.c.due_at, study.c.id)
        .limit(MOST)
        .subquery()
    )
    # An image is flagged before its study is done.
    early = and_(first.c.outcome.is_(None), first.c.ai_priority.is_not(None))
    flagged = func.count(case((or_(first.c.outcome == Outcome.FLAGGED, early), 1)))
    overdue = func.count(case((first.c.due_at < now, 1)))
    query = select(
        first.c.modality,
        first.c.calling_ae_title,
        func.count().label("studies"),
        flagged.label("flagged"),
        overdue.label("overdue"),
        func.min(first.c.received_at, type_=first.c.received_at.type).label("oldest"),
        func.sum(_seconds(connection, first)).label("seconds"),
    ).group_by(first.c.modality, first.c.calling_ae_title)
    rows = connection.execute(query).all()
    studies = sum(row.studies for row in rows)
    return WorklistCounts(
        studies=studies,
        flagged=sum(row.flagged for row in rows),
        overdue=sum(row.overdue for row in rows),
        oldest_received_at=min((row.oldest for row in rows), default=None),
        mean_received_at=_EPOCH + timedelta(seconds=sum(float(row.seconds) for row in rows) / studies)
        if rows
        else None,
        modalities=tuple(sorted({row.modality for row in rows} - {""})),
        senders=tuple(sorted({row.calling_ae_title for row in rows} - {""})),
    )


def _seconds(connection: Connection, first: Subquery) -> ColumnElement[Any]:
    """Return when a study came, in seconds since 1970, as each database says it."""
    if connection.dialect.name == "postgresql":
        return extract("epoch", first.c.received_at)
    return (func.julianday(first.c.received_at) - _JULIAN_EPOCH) * _DAY
