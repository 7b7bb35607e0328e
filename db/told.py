"""Who has been told of a study: whoever may have a report of it gets the later ones too, whatever they say."""

from sqlalchemy import Connection, or_, select

from db.delivery_state import DeliveryState
from db.rejection import sent
from db.schema import delivery, report, result


def may_have(connection: Connection, study_id: int, kind: str, destination: str) -> bool:
    """Tell whether a destination may have a report of that name: all but what is known not to have been sent."""
    found = (
        select(delivery.c.id)
        .join(report, report.c.id == delivery.c.report_id)
        .join(result)
        .where(
            result.c.study_id == study_id,
            report.c.kind == kind,
            delivery.c.destination == destination,
            or_(delivery.c.state.in_((DeliveryState.ACKNOWLEDGED, DeliveryState.STORED, DeliveryState.TESTED)), sent()),
        )
    )
    return connection.execute(found.limit(1)).one_or_none() is not None
