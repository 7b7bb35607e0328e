"""Who is told of what becomes of reading tasks, and what is still to be told (PS3.4 CC.2.3 and CC.2.4).

An event is a row, with the job that sends it, in the transaction that changes the task: who is away gets it later.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, and_, bindparam, delete, insert, or_, select, update

from db import kinds
from db.delivery_state import DeliveryState
from db.prepared import Prepared
from db.queue import Queue
from db.queue.channel import say
from db.schema.workitems import workitem, workitem_event, workitem_subscription
from db.workitem_states import OPEN


class Channel(StrEnum):
    """How a subscriber is told."""

    DIMSE = "dimse"  # over an association of ours
    WEB = "web"  # over the WebSocket that it opens


class EventType(IntEnum):
    """Event Type ID (PS3.4 table CC.2.4-1)."""

    STATE_REPORT = 1
    CANCEL_REQUESTED = 2
    PROGRESS_REPORT = 3


def announce(
    connection: Connection,
    queue: Queue,
    workitem_id: int,
    kind: EventType,
    content: Mapping[str, Any],
    *,
    at: datetime,
) -> int:
    """Write an event for each subscriber of a task, with the job that sends it; return how many there are."""
    told = _subscribers(connection, workitem_id)
    for one in told:
        _tell(connection, queue, one, workitem_id, kind, content, at)
    return len(told)


def _subscribers(connection: Connection, workitem_id: int) -> list[Any]:
    """Return the subscriptions by which each AE hears of a task: what it said of this one counts before the others."""
    rows = _HEARING.rows(connection, {"workitem_id": workitem_id})
    best: dict[str, Any] = {}
    for row in rows:
        if row.receiving_ae not in best or row.workitem_id is not None:
            best[row.receiving_ae] = row
    return [row for row in best.values() if row.is_subscribed]


def _hearing() -> Prepared:
    table = workitem_subscription
    task: BindParameter[int] = bindparam("workitem_id")
    scheduled_at = select(workitem.c.scheduled_at).where(workitem.c.id == task).scalar_subquery()
    of_all = and_(
        table.c.workitem_id.is_(None), or_(table.c.suspended_at.is_(None), table.c.suspended_at >= scheduled_at)
    )
    return Prepared(select(table).where(or_(table.c.workitem_id == task, of_all)).order_by(table.c.id))


_HEARING = _hearing()


def _tell(
    connection: Connection,
    queue: Queue,
    subscription: Row[Any],
    workitem_id: int,
    kind: EventType,
    content: Mapping[str, Any],
    at: datetime,
) -> None:
    connection.execute(
        insert(workitem_event).values(
            workitem_id=workitem_id,
            receiving_ae=subscription.receiving_ae,
            channel=subscription.channel,
            kind=kind,
            content=json.dumps(content, sort_keys=True),
            match_keys=subscription.match_keys,
            state=DeliveryState.QUEUED,
            attempts=0,
            reason="",
            created_at=at,
        )
    )
    if subscription.channel == Channel.DIMSE:
        title = subscription.receiving_ae
        queue.enqueue(connection, kinds.ups_event(title), title, due_at=at, run_at=at)
    else:
        say(connection, kinds.WEB_EVENT)


def subscribe_to_all(
    connection: Connection,
    queue: Queue,
    receiving_ae: str,
    *,
    channel: Channel,
    deletion_lock: bool,
    match_keys: str | None,
    at: datetime,
) -> None:
    """Let an AE hear of all tasks, those to come too; of those that are open it is told at once."""
    table = workitem_subscription
    connection.execute(
        delete(table).where(
            table.c.receiving_ae == receiving_ae, or_(table.c.workitem_id.is_(None), ~table.c.is_subscribed)
        )
    )
    _insert(connection, receiving_ae, None, channel=channel, deletion_lock=deletion_lock, match_keys=match_keys, at=at)
    known = select(table.c.workitem_id).where(table.c.receiving_ae == receiving_ae, table.c.workitem_id.is_not(None))
    query = select(workitem).where(workitem.c.state.in_(OPEN), workitem.c.id.not_in(known)).order_by(workitem.c.id)
    subscription = connection.execute(
        select(table).where(table.c.receiving_ae == receiving_ae, table.c.workitem_id.is_(None))
    ).one()
    for row in connection.execute(query).all():
        content = {"state": row.state, "reason": row.reason}
        _tell(connection, queue, subscription, row.id, EventType.STATE_REPORT, content, at)


def subscribe_to_one(
    connection: Connection,
    queue: Queue,
    receiving_ae: str,
    task: Row[Any],
    *,
    channel: Channel,
    deletion_lock: bool,
    at: datetime,
) -> None:
    """Let an AE hear of one task, and tell it at once how that stands."""
    _forget(connection, receiving_ae, task.id)
    _insert(connection, receiving_ae, task.id, channel=channel, deletion_lock=deletion_lock, match_keys=None, at=at)
    table = workitem_subscription
    subscription = connection.execute(
        select(table).where(table.c.receiving_ae == receiving_ae, table.c.workitem_id == task.id)
    ).one()
    content = {"state": task.state, "reason": task.reason}
    _tell(connection, queue, subscription, task.id, EventType.STATE_REPORT, content, at)


def unsubscribe_from_one(connection: Connection, receiving_ae: str, task: Row[Any], *, at: datetime) -> None:
    """Let an AE hear of one task no more, whatever it said of all."""
    _forget(connection, receiving_ae, task.id)
    _insert(connection, receiving_ae, task.id, is_subscribed=False, at=at)


def unsubscribe_from_all(connection: Connection, receiving_ae: str) -> None:
    """Let an AE hear of no task any more."""
    table = workitem_subscription
    connection.execute(delete(table).where(table.c.receiving_ae == receiving_ae))


def forget_token(connection: Connection, name: str) -> None:
    """Let whoever subscribed by HTTP with a token hear of nothing any more: the next of that name is another's."""
    for table in (workitem_subscription, workitem_event):
        theirs = (table.c.channel == Channel.WEB, table.c.receiving_ae.endswith(f"\\{name}", autoescape=True))
        connection.execute(delete(table).where(*theirs))


def suspend(connection: Connection, receiving_ae: str, *, at: datetime) -> None:
    """Let an AE hear of no tasks that are made from now on."""
    table = workitem_subscription
    connection.execute(
        update(table).where(table.c.receiving_ae == receiving_ae, table.c.workitem_id.is_(None)).values(suspended_at=at)
    )


def _forget(connection: Connection, receiving_ae: str, workitem_id: int) -> None:
    table = workitem_subscription
    connection.execute(delete(table).where(table.c.receiving_ae == receiving_ae, table.c.workitem_id == workitem_id))


def _insert(
    connection: Connection, receiving_ae: str, workitem_id: int | None, *, at: datetime, **values: object
) -> None:
    defaults = {"channel": Channel.DIMSE, "is_subscribed": True, "deletion_lock": False, "match_keys": None}
    connection.execute(
        insert(workitem_subscription).values(
            {**defaults, **values, "receiving_ae": receiving_ae, "workitem_id": workitem_id, "created_at": at}
        )
    )
