"""Deliveries for those who look after them: what is parked, what waits, how many of each. Names no patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, func, select, tuple_

from db.database import Database
from db.delivery_state import OVER, STATES, DeliveryState
from db.schema.domain import delivery, instance, report, result, study

MOST_COUNTED = 10_000
"""Deliveries that are counted of each state in which they are over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDelivery:
    """One report on its way to one destination. Nothing of it names the patient."""

    id: int
    study_instance_uid: str
    destination: str
    report: str
    version: int
    state: str
    attempts: int
    reason: str
    confirmation: str
    created_at: datetime
    updated_at: datetime


def listed_deliveries(
    database: Database,
    *,
    state: str = "",
    destination: str = "",
    limit: int = 100,
    before: tuple[datetime, int] | None = None,
) -> tuple[ListedDelivery, ...]:
    """Return deliveries of reports, those that changed last first, all or of one state or destination.

    `before` is the time of change and the id of the delivery that comes before the first one.
    """
    query = (
        select(
            delivery.c.id,
            study.c.study_instance_uid,
            delivery.c.destination,
            report.c.kind.label("report"),
            report.c.version,
            delivery.c.state,
            delivery.c.attempts,
            delivery.c.reason,
            delivery.c.confirmation,
            delivery.c.created_at,
            delivery.c.updated_at,
        )
        .select_from(delivery)
        .join(report, report.c.id == delivery.c.report_id)
        .join(result)
        .join(study, study.c.id == result.c.study_id)
        .order_by(delivery.c.updated_at.desc(), delivery.c.id.desc())
        .limit(limit)
    )
    if destination:
        query = query.where(delivery.c.destination == destination)
    if before is not None:
        query = query.where(tuple_(delivery.c.updated_at, delivery.c.id) < tuple_(*before))
    with database.read() as connection:  # state by state, along the index: of all, the latest are not to be sorted out
        found = [
            ListedDelivery(**row)
            for one in ((state,) if state else STATES)
            for row in connection.execute(query.where(delivery.c.state == one)).mappings()
        ]
    return tuple(sorted(found, key=lambda one: (one.updated_at, one.id), reverse=True)[:limit])


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDeliveries:
    """How many deliveries of reports and of Instances stand in one state that is not their last, and since when."""

    destination: str
    state: str
    reports: int
    instances: int
    oldest_created_at: datetime


UNDER_WAY: Final = (DeliveryState.PARKED, DeliveryState.QUEUED, DeliveryState.STORED, DeliveryState.HELD)
"""The states that are not a delivery's last."""


def open_deliveries(database: Database, states: Sequence[str] = UNDER_WAY) -> tuple[OpenDeliveries, ...]:
    """Return how many stand in these states, by destination and state."""
    with database.read() as connection:
        return count_open(connection, states)


def count_open(connection: Connection, states: Sequence[str]) -> tuple[OpenDeliveries, ...]:
    """Count as `open_deliveries` does: along the index, whatever has arrived before."""
    query = (
        select(
            delivery.c.destination,
            delivery.c.state,
            func.count(delivery.c.report_id).label("reports"),
            func.count(delivery.c.instance_id).label("instances"),
            func.min(delivery.c.created_at, type_=delivery.c.created_at.type).label("oldest_created_at"),
        )
        .where(delivery.c.state.in_(states))
        .group_by(delivery.c.destination, delivery.c.state)
    )
    found = [OpenDeliveries(**row) for row in connection.execute(query).mappings()]
    return tuple(sorted(found, key=lambda one: (one.destination, states.index(one.state))))


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedDelivery:
    """A delivery that waits for a person: of the report called so, or of an Instance where that is empty."""

    id: int
    study_instance_uid: str
    destination: str
    report: str
    version: int
    attempts: int
    reason: str
    parked_at: datetime


def parked_deliveries(database: Database, *, destination: str = "", limit: int = 100) -> tuple[ParkedDelivery, ...]:
    """Return parked deliveries of reports and of Instances, the latest first, all or those to one destination."""
    owner: ColumnElement[int] = func.coalesce(result.c.study_id, instance.c.study_id)
    query = (
        select(
            delivery.c.id,
            study.c.study_instance_uid,
            delivery.c.destination,
            func.coalesce(report.c.kind, "").label("report"),
            func.coalesce(report.c.version, 0).label("version"),
            delivery.c.attempts,
            delivery.c.reason,
            delivery.c.updated_at.label("parked_at"),
        )
        .select_from(delivery)
        .outerjoin(report, report.c.id == delivery.c.report_id)
        .outerjoin(result, result.c.id == report.c.result_id)
        .outerjoin(instance, instance.c.id == delivery.c.instance_id)
        .join(study, study.c.id == owner)
        .where(delivery.c.state == DeliveryState.PARKED)
        .order_by(delivery.c.updated_at.desc(), delivery.c.id.desc())
        .limit(limit)
    )
    if destination:
        query = query.where(delivery.c.destination == destination)
    with database.read() as connection:
        return tuple(ParkedDelivery(**row) for row in connection.execute(query).mappings())


def count_deliveries(database: Database) -> dict[str, dict[str, int]]:
    """Return how many deliveries of reports there are by destination and state.

    All that are open, and of each state in which they are over those among the `MOST_COUNTED` that changed last: all
    that there ever were would be read for the sum of them.
    """
    found: dict[str, dict[str, int]] = {}
    with database.read() as connection:
        for state in sorted(STATES):
            of_state = select(delivery.c.destination, delivery.c.report_id).where(delivery.c.state == state)
            if state in OVER:
                of_state = of_state.order_by(delivery.c.updated_at.desc()).limit(MOST_COUNTED)
            some = of_state.subquery()
            counted = (
                select(some.c.destination, func.count().label("n"))
                .where(some.c.report_id.is_not(None))
                .group_by(some.c.destination)
            )
            for row in connection.execute(counted):
                found.setdefault(row.destination, {})[state] = row.n
    return dict(sorted(found.items()))
