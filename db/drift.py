"""What the watch on drift found last, and which of its alarms stand."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from db.database import Database
from db.schema.drift import drift_alarm, drift_report


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftAlarm:
    """Something that lies beyond its limit: since when, and in words."""

    name: str
    since: datetime
    reason: str


def record_drift(
    database: Database, reports: Mapping[str, str], alarms: Mapping[str, str], *, at: datetime
) -> tuple[str, ...]:
    """Commit what was found, by span, and which alarms stand, by name; return those that stand anew."""
    with database.begin(lock=("drift",)) as connection:
        connection.execute(delete(drift_report))
        if reports:
            rows = [{"span": span, "made_at": at, "content": content} for span, content in reports.items()]
            connection.execute(insert(drift_report), rows)
        known = set(connection.scalars(select(drift_alarm.c.name)))
        for name in known - alarms.keys():
            connection.execute(delete(drift_alarm).where(drift_alarm.c.name == name))
        for name in sorted(known & alarms.keys()):
            connection.execute(update(drift_alarm).where(drift_alarm.c.name == name).values(reason=alarms[name]))
        new = tuple(sorted(alarms.keys() - known))
        if new:
            connection.execute(
                insert(drift_alarm), [{"name": name, "since": at, "reason": alarms[name]} for name in new]
            )
    return new


def drift_reports(database: Database) -> dict[str, tuple[datetime, str]]:
    """Return what was found last: by span, when and what."""
    with database.read() as connection:
        return reports_of(connection)


def reports_of(connection: Connection) -> dict[str, tuple[datetime, str]]:
    """Return what was found last, as the caller's transaction sees it."""
    return {row.span: (row.made_at, row.content) for row in connection.execute(select(drift_report))}


def drift_alarms(database: Database) -> tuple[DriftAlarm, ...]:
    """Return the alarms that stand, by name."""
    with database.read() as connection:
        return alarm_rows(connection)


def alarm_rows(connection: Connection) -> tuple[DriftAlarm, ...]:
    """Return the alarms that stand, by name, as the caller's transaction sees them."""
    rows = connection.execute(select(drift_alarm).order_by(drift_alarm.c.name)).mappings()
    return tuple(DriftAlarm(**row) for row in rows)
