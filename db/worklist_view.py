"""Views of the worklist: which studies somebody wants to see, page by page behind the last row seen. Reads only."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, or_, select, tuple_, union

from db.database import Database
from db.delivery_state import DeliveryState
from db.outcome import Outcome
from db.priority import Priority
from db.schema.domain import delivery, instance, report, result, study
from db.schema.reading import study_reading
from db.worklist import WorklistRow, described, waits_to_be_read
from db.worklist_counts import WorklistCounts, counted


class Show(StrEnum):
    """Which studies a view is of."""

    UNREAD = "unread"  # the worklist
    READ = "read"
    QUARANTINED = "quarantined"
    UNDELIVERED = "undelivered"  # with a report or an Instance whose delivery was given up


class Age(StrEnum):
    """When a study was received."""

    HOUR = "hour"  # within the last one
    DAY = "day"
    WEEK = "week"
    OLDER = "older"  # than a day


WITHIN: Final = {Age.HOUR: timedelta(hours=1), Age.DAY: timedelta(days=1), Age.WEEK: timedelta(days=7)}

WORKING: Final = "working"
"""In place of an outcome: there is none yet, and no image is known to be flagged."""

Place = tuple[datetime | None, int]
"""Behind which row a page begins: its due time or when it was read, None where that is not the order; and its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody wants to see; what is None or empty does not matter."""

    show: Show = Show.UNREAD
    outcome: str = ""  # of db.outcome.Outcome, or WORKING
    priority: Priority | None = None
    modality: str = ""
    sender: str = ""  # its AE title
    age: Age | None = None
    assigned_to: str = ""  # the name of an account


@dataclass(frozen=True, slots=True)
class Seen:
    """A page of a view, and behind which place the next one begins; None if this is the last."""

    rows: tuple[WorklistRow, ...]
    next: Place | None


def worklist_view(database: Database, wanted: Wanted, *, now: datetime, limit: int, after: Place | None = None) -> Seen:
    """Return a page of the studies that are wanted.

    Those to be read come by due time; those that were by when they were, the others as they came, the latest first.
    """
    with database.read() as connection:
        return _seen(connection, wanted, now, limit, after)


def counted_view(
    database: Database, wanted: Wanted, *, now: datetime, limit: int, after: Place | None = None
) -> tuple[WorklistCounts, Seen]:
    """Return what the worklist holds and a page of a view, both of one moment: who counts the rows finds no more."""
    with database.read() as connection:
        return counted(connection, now=now), _seen(connection, wanted, now, limit, after)


def _seen(connection: Connection, wanted: Wanted, now: datetime, limit: int, after: Place | None) -> Seen:
    query = select(study).where(_is_shown(wanted.show), *_conditions(wanted, now))
    timed = {Show.UNREAD: study.c.due_at, Show.READ: study.c.read_at}.get(wanted.show)
    forwards = wanted.show is Show.UNREAD
    key = (study.c.id,) if timed is None else (timed, study.c.id)
    if after is not None:
        place = (after[1],) if timed is None else after
        query = query.where(tuple_(*key) > tuple_(*place) if forwards else tuple_(*key) < tuple_(*place))
    query = query.order_by(*(column if forwards else column.desc() for column in key)).limit(limit + 1)
    rows = connection.execute(query).all()
    shown = rows[:limit]
    last = shown[-1] if len(rows) > limit else None
    following = None if last is None else (None if timed is None else getattr(last, timed.name), last.id)
    return Seen(described(connection, shown), following)


def _is_shown(show: Show) -> ColumnElement[bool]:
    held = and_(~study.c.prior_only, study.c.removed_at.is_(None))
    match show:
        case Show.UNREAD:
            return waits_to_be_read()
        case Show.READ:
            return and_(held, study.c.read_at.is_not(None))
        case Show.QUARANTINED:
            return and_(held, study.c.conflict != "")
    return and_(held, study.c.id.in_(_undelivered()))


def _undelivered() -> Select[Any]:
    of_report = (
        select(result.c.study_id.label("id"))
        .select_from(delivery)
        .join(report, report.c.id == delivery.c.report_id)
        .join(result)
        .where(delivery.c.state == DeliveryState.PARKED)
    )
    of_instance = (
        select(instance.c.study_id.label("id"))
        .select_from(delivery)
        .join(instance, instance.c.id == delivery.c.instance_id)
        .where(delivery.c.state == DeliveryState.PARKED)
    )
    both = union(of_report, of_instance).subquery()
    return select(both.c.id)


def _conditions(wanted: Wanted, now: datetime) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    early = and_(study.c.outcome.is_(None), study.c.ai_priority.is_not(None))
    if wanted.outcome == WORKING:
        found.append(and_(study.c.outcome.is_(None), study.c.ai_priority.is_(None)))
    elif wanted.outcome:
        is_it = study.c.outcome == wanted.outcome
        found.append(or_(is_it, early) if wanted.outcome == Outcome.FLAGGED else is_it)
    if wanted.priority is not None:
        found.append(_effective() == wanted.priority)
    if wanted.modality:
        found.append(study.c.modality == wanted.modality)
    if wanted.sender:
        found.append(study.c.calling_ae_title == wanted.sender)
    if wanted.age is Age.OLDER:
        found.append(study.c.received_at < now - WITHIN[Age.DAY])
    elif wanted.age is not None:
        found.append(study.c.received_at >= now - WITHIN[wanted.age])
    if wanted.assigned_to:
        own = select(study_reading.c.study_id).where(study_reading.c.assigned_to == wanted.assigned_to)
        found.append(study.c.id.in_(own))
    return found


def _effective() -> ColumnElement[int]:
    """Return the priority that counts, as db.priority.effective says it."""
    ai = func.coalesce(study.c.ai_priority, -1)
    higher = case((ai > study.c.order_priority, ai), else_=study.c.order_priority)
    return func.coalesce(study.c.person_priority, higher)
