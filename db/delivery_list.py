"""Deliveries of reports for those who look after them: what is parked, what waits, how many of each."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from db.database import Database
from db.delivery_state import STATES
from db.schema import delivery, report, result, study


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
    database: Database, *, state: str = "", destination: str = "", limit: int = 100
) -> tuple[ListedDelivery, ...]:
    """Return deliveries of reports, those that changed last first, all or of one state or destination."""
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
    with database.read() as connection:  # state by state, along the index: of all, the latest are not to be sorted out
        found = [
            ListedDelivery(**row)
            for one in ((state,) if state else STATES)
            for row in connection.execute(query.where(delivery.c.state == one)).mappings()
        ]
    return tuple(sorted(found, key=lambda one: (one.updated_at, one.id), reverse=True)[:limit])


def count_deliveries(database: Database) -> dict[str, dict[str, int]]:
    """Return how many deliveries of reports there are by destination and state."""
    query = (
        select(delivery.c.destination, delivery.c.state, func.count().label("n"))
        .where(delivery.c.report_id.is_not(None))
        .group_by(delivery.c.destination, delivery.c.state)
        .order_by(delivery.c.destination, delivery.c.state)
    )
    found: dict[str, dict[str, int]] = {}
    with database.read() as connection:
        for row in connection.execute(query):
            found.setdefault(row.destination, {})[row.state] = row.n
    return found
