"""When everything of a result has arrived, its study is DELIVERED."""

from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from db.advance import Position, advance
from db.delivery_state import DeliveryState
from db.lifecycle import Event
from db.prepared import Prepared
from db.schema.domain import delivery, report, result

_WAITING = Prepared(
    select(delivery.c.id)
    .select_from(delivery)
    .join(report)
    .join(result)
    .where(
        result.c.study_id == bindparam("study_id"),
        result.c.revision == bindparam("revision"),
        delivery.c.state.not_in((DeliveryState.ACKNOWLEDGED, DeliveryState.SUPERSEDED)),
    )
    .limit(1)
)


def settle_delivered(connection: Connection, position: Position, *, at: datetime) -> None:
    """Advance a CONCLUDED study to DELIVERED once every delivery of its current result is acknowledged, or replaced."""
    if not _WAITING.rows(connection, {"study_id": position.study_id, "revision": position.revision}):
        advance(connection, position, Event.ALL_ACKNOWLEDGED, at=at)
