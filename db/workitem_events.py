"""Events of reading tasks on their way to a subscriber: sent in order, until acknowledged or parked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from db import kinds
from db.database import Database
from db.delivery_state import DeliveryState
from db.queue import Queue
from db.schema.workitems import workitem, workitem_event
from db.subscriptions import Channel

_MOST_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingEvent:
    """An event that a subscriber has not heard of. With `match_keys` it is told of tasks that match them only."""

    id: int
    sop_instance_uid: str
    kind: int
    content: Mapping[str, Any]
    match_keys: Mapping[str, Any] | None
    attempts: int


def pending_events(database: Database, receiving_ae: str) -> tuple[PendingEvent, ...]:
    """Return what is to be told to an AE, the oldest first."""
    with database.read() as connection:
        rows = connection.execute(
            select(workitem_event, workitem.c.sop_instance_uid)
            .join(workitem)
            .where(workitem_event.c.receiving_ae == receiving_ae, workitem_event.c.state == DeliveryState.QUEUED)
            .order_by(workitem_event.c.id)
            .limit(_MOST_AT_ONCE)
        ).all()
    return tuple(
        PendingEvent(
            id=row.id,
            sop_instance_uid=row.sop_instance_uid,
            kind=row.kind,
            content=json.loads(row.content),
            match_keys=None if row.match_keys is None else json.loads(row.match_keys),
            attempts=row.attempts,
        )
        for row in rows
    )


def settle_event(database: Database, event_id: int, *, is_wanted: bool = True, at: datetime) -> None:
    """Commit that a subscriber has heard of an event, or, where it is not wanted, that it is not to hear of it."""
    state = DeliveryState.ACKNOWLEDGED if is_wanted else DeliveryState.SUPERSEDED
    with database.begin() as connection:
        connection.execute(
            update(workitem_event)
            .where(workitem_event.c.id == event_id)
            .values(state=state, acknowledged_at=at if is_wanted else None)
        )


def record_failed_event(database: Database, event_id: int, *, reason: str, parked: bool) -> int:
    """Commit a failed attempt; return how many there were."""
    with database.begin() as connection:
        attempts: int = connection.execute(
            update(workitem_event)
            .where(workitem_event.c.id == event_id)
            .values(
                attempts=workitem_event.c.attempts + 1,
                reason=reason,
                state=DeliveryState.PARKED if parked else workitem_event.c.state,
            )
            .returning(workitem_event.c.attempts)
        ).scalar_one()
    return attempts


def park_events(database: Database, receiving_ae: str, *, reason: str) -> int:
    """Park all that an AE has not heard of, visibly, until somebody requeues it; return how many there were."""
    with database.begin() as connection:
        return connection.execute(
            update(workitem_event)
            .where(workitem_event.c.receiving_ae == receiving_ae, workitem_event.c.state == DeliveryState.QUEUED)
            .values(state=DeliveryState.PARKED, reason=reason)
        ).rowcount


def requeue_events(database: Database, queue: Queue, *, now: datetime) -> int:
    """Queue again the events that nobody acknowledged, parked or not; return how many."""
    waiting = workitem_event.c.state.in_((DeliveryState.QUEUED, DeliveryState.PARKED))
    with database.begin() as connection:
        rows = connection.execute(
            select(workitem_event.c.receiving_ae).where(waiting, workitem_event.c.channel == Channel.DIMSE)
        ).all()
        connection.execute(
            update(workitem_event)
            .where(waiting, workitem_event.c.channel == Channel.DIMSE)
            .values(state=DeliveryState.QUEUED, attempts=0)
        )
        for title in sorted({row.receiving_ae for row in rows}):
            queue.enqueue(connection, kinds.ups_event(title), title, due_at=now, run_at=now)
    return len(rows)
