"""When everything of a result has arrived, its study is DELIVERED."""

from datetime import datetime

from sqlalchemy import Connection, func, select

from db.advance import Position, advance
from db.delivery_state import DeliveryState
from db.lifecycle import Event
from db.schema import delivery, report, result


def settle_delivered(connection: Connection, position: Position, *, at: datetime) -> None:
    """Advance a CONCLUDED study to DELIVERED once every delivery of its current result is acknowledged, or replaced."""
    waiting = connection.execute(
        select(func.count())
        .select_from(delivery)
        .join(report)
        .join(result)
        .where(
            result.c.study_id == position.study_id,
            result.c.revision == position.revision,
            delivery.c.state.not_in((DeliveryState.ACKNOWLEDGED, DeliveryState.SUPERSEDED)),
        )
    ).scalar_one()
    if not waiting:
        advance(connection, position, Event.ALL_ACKNOWLEDGED, at=at)
