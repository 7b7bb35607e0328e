"""What of the audit trail has not been handed over yet, by sink: rows that are written with the events.

Whoever hands over takes them in their order and removes those that the sink has taken; a crash in between hands over
again. One process does so at a time: the clock's, by way of its tick.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import delete, func, insert, select, update

from db.audit import THE_AGENT, AuditEvent, note
from db.audit_search import AuditRow, audit_row
from db.audit_terms import EventAction, EventId, EventType
from db.database import Database
from db.schema.audit import audit_event, audit_outbox, audit_sink

_AT_ONCE: Final = 1000


def follow(database: Database, names: Iterable[str], *, now: datetime) -> None:
    """Let there be these sinks and no others: to a new one goes what happens from now on.

    What a sink that is gone has not taken is forgotten with it, and both are in the trail itself.
    """
    wanted = set(names)
    with database.begin(lock=("audit_sinks",)) as connection:
        known = set(connection.scalars(select(audit_sink.c.name)))
        for name in sorted(known - wanted):
            left = connection.execute(delete(audit_outbox).where(audit_outbox.c.sink == name)).rowcount
            connection.execute(delete(audit_sink).where(audit_sink.c.name == name))
            note(connection, _told(EventType.AUDIT_RECORDING_STOPPED, f"to {name}; {left} not handed over", now))
        for name in sorted(wanted - known):
            connection.execute(insert(audit_sink).values(name=name, since=now))
            note(connection, _told(EventType.AUDIT_RECORDING_STARTED, f"to {name}", now))


def waiting(database: Database, sink: str, *, limit: int) -> tuple[AuditRow, ...]:
    """Return what a sink has not taken, the first to have been written first."""
    query = (
        select(audit_event)
        .join(audit_outbox, audit_outbox.c.audit_event_id == audit_event.c.id)
        .where(audit_outbox.c.sink == sink)
        .order_by(audit_outbox.c.audit_event_id)
        .limit(limit)
    )
    with database.read() as connection:
        return tuple(audit_row(row) for row in connection.execute(query))


def record_taken(database: Database, sink: str, rows: Iterable[AuditRow], *, at: datetime) -> None:
    """Commit that a sink has these events."""
    taken = (audit_outbox.c.sink == sink, audit_outbox.c.audit_event_id.in_([row.id for row in rows]))
    with database.begin() as connection:
        connection.execute(delete(audit_outbox).where(*taken))
        values = {"handed_over_at": at, "failing_since": None, "error": ""}
        connection.execute(update(audit_sink).where(audit_sink.c.name == sink).values(values))


def record_failure(database: Database, sink: str, error: str, *, at: datetime) -> None:
    """Commit that a sink did not take what it was given, and why: nothing of a patient."""
    since = func.coalesce(audit_sink.c.failing_since, at)
    with database.begin() as connection:
        which = audit_sink.c.name == sink
        connection.execute(update(audit_sink).where(which).values(failing_since=since, error=error))


def prune(database: Database, *, before: datetime, now: datetime) -> int:
    """Remove events from before `before`, not those that a sink has not taken; say in the trail how many. Return it."""
    count = 0
    old = (audit_event.c.at < before, audit_event.c.id.not_in(select(audit_outbox.c.audit_event_id)))
    while True:
        with database.begin() as connection:
            ids = connection.scalars(select(audit_event.c.id).where(*old).order_by(audit_event.c.at).limit(_AT_ONCE))
            found = ids.all()
            if found:
                connection.execute(delete(audit_event).where(audit_event.c.id.in_(found)))
                detail = f"retention: {len(found)} events from before {before:%Y-%m-%d} removed"
                event = AuditEvent(
                    event=EventId.AUDIT_LOG_USED, action=EventAction.DELETE, who=THE_AGENT, at=now, detail=detail
                )
                note(connection, event)
        count += len(found)
        if len(found) < _AT_ONCE:
            return count


def _told(kind: EventType, detail: str, now: datetime) -> AuditEvent:
    return AuditEvent(
        event=EventId.SECURITY_ALERT, type=kind, action=EventAction.EXECUTE, who=THE_AGENT, at=now, detail=detail
    )
