"""Which DICOM objects of ours a destination may have: what a rejection note to it takes back."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, exists, func, or_, select

from db.delivery_state import DeliveryState
from db.roles import Role
from db.schema.delivery import delivery_attempt
from db.schema.domain import delivery, instance, report, result

NOTHING_SENT = ("failed", "tested")
"""How an attempt ends that sent nothing: db.delivery_attempt.Ending.FAILED and TESTED."""
CLASS_REFUSED = "0122"
"""The status of a receiver that does not take objects of this SOP Class at all (PS3.7 C.5.6)."""

_HAS_IT = (DeliveryState.ACKNOWLEDGED, DeliveryState.STORED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectThere:
    """An object of ours that a destination may have."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    is_image: bool


def objects_there(connection: Connection, study_id: int, destination: str, *, before: int) -> tuple[ObjectThere, ...]:
    """Return what the destination may have of a study's reports of revisions before `before`, the first first.

    All but what is known not to have been sent: also what it refused, for it may have kept that. What an earlier note
    took back that the destination has acknowledged is not named again: an archive may refuse a note for that.
    """
    taken_back = (
        select(func.coalesce(func.max(result.c.revision), 0))
        .select_from(delivery)
        .join(report, report.c.id == delivery.c.report_id)
        .join(result)
        .where(
            result.c.study_id == study_id,
            report.c.rejects,
            delivery.c.destination == destination,
            delivery.c.state.in_(_HAS_IT),
            result.c.revision < before,
        )
    )
    rows = connection.execute(
        select(report.c.sop_class_uid, report.c.sop_instance_uid, report.c.series_instance_uid, instance.c.is_image)
        .select_from(delivery)
        .join(report, report.c.id == delivery.c.report_id)
        .join(result)
        .join(instance, instance.c.sop_instance_uid == report.c.sop_instance_uid)
        .where(
            result.c.study_id == study_id,
            result.c.revision < before,
            result.c.revision >= taken_back.scalar_subquery(),
            ~report.c.rejects,
            delivery.c.destination == destination,
            or_(delivery.c.state.in_(_HAS_IT), sent()),
            instance.c.role == Role.OWN,
        )
        .order_by(report.c.id, instance.c.id)
    ).all()
    return tuple(
        {
            row.sop_instance_uid: ObjectThere(
                sop_class_uid=row.sop_class_uid,
                sop_instance_uid=row.sop_instance_uid,
                series_instance_uid=row.series_instance_uid,
                is_image=row.is_image,
            )
            for row in rows
        }.values()
    )


def sent() -> ColumnElement[bool]:
    """Tell whether an attempt of the delivery may have brought bytes there."""
    ending = delivery_attempt.c.ending
    return exists().where(
        delivery_attempt.c.delivery_id == delivery.c.id,
        or_(ending.is_(None), ending.not_in(NOTHING_SENT)),
        delivery_attempt.c.status != CLASS_REFUSED,
    )
