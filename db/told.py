"""Who has been told of a study: whoever may have a report of it gets the later ones too, whatever they say."""

from sqlalchemy import Connection, bindparam, func, or_, select

from db.delivery_state import DeliveryState
from db.lifecycle import Event
from db.prepared import Prepared
from db.rejection import sent
from db.schema.domain import delivery, report, result, study_event

IDENTITY_CORRECTED = "IDENTITY_CORRECTED"
"""The event in the audit trail of a patient who was corrected (db.patients)."""
_WITH_RESULT = (Event.CONCLUDED, Event.WITHDRAWN, Event.AMENDED)


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


def corrected_since(connection: Connection, study_id: int, *, before: int) -> bool:
    """Tell whether the patient was corrected since the last result of a revision before `before`.

    By the order of the audit trail, which is written with the study's row locked; a study may be amended for another
    reason too, and the later reason is the one that it keeps.
    """
    return bool(_CORRECTED.rows(connection, {"study_id": study_id, "before": before}))


def _corrected() -> Prepared:
    event, study_id = study_event.c, bindparam("study_id", type_=study_event.c.study_id.type)
    last = select(func.coalesce(func.max(event.id), 0)).where(
        event.study_id == study_id, event.event.in_(_WITH_RESULT), event.revision < bindparam("before")
    )
    found = select(event.id).where(
        event.study_id == study_id, event.event == IDENTITY_CORRECTED, event.id > last.scalar_subquery()
    )
    return Prepared(found.limit(1))


_CORRECTED = _corrected()
