"""The statements of a conclusion (`db.conclusion`), prepared once."""

from sqlalchemy import bindparam, func, insert, select, update

from db.delivery_state import DeliveryState
from db.prepared import Prepared
from db.schema.domain import delivery, image_result, instance, report, result, study
from db.work_due import WORK_DUE

STUDY = Prepared(select(study).where(study.c.id == bindparam("study_id")))
IMAGES = Prepared(
    select(image_result)
    .join(instance)
    .where(instance.c.study_id == bindparam("study_id"), image_result.c.revision == instance.c.analysis_revision)
    .order_by(instance.c.id)
)
WITHDRAWN = Prepared(
    select(instance.c.withdrawn)
    .where(instance.c.study_id == bindparam("study_id"), instance.c.withdrawn.is_not(None))
    .order_by(instance.c.id)
)
SUPERSEDE = Prepared(
    update(delivery).where(
        delivery.c.report_id.in_(
            select(report.c.id).join(result).where(result.c.study_id == bindparam("of_study"), ~report.c.rejects)
        ),
        delivery.c.state.in_((DeliveryState.QUEUED, DeliveryState.PARKED)),
    )
)
RESULT = Prepared(insert(result).returning(result.c.id))
REPORT = Prepared(insert(report).returning(report.c.id))
DELIVERY = Prepared(insert(delivery).returning(delivery.c.id))
PLACE = Prepared(  # nothing is left to take back or to correct
    update(study)
    .where(study.c.id == bindparam("which"))
    .values(withdrawing=None, withdrawal_cause=None, withdrawal_reason=None, amending=None)
)
EARLIER = Prepared(
    select(func.count().label("reports"))
    .select_from(report)
    .join(result)
    .where(result.c.study_id == bindparam("study_id"), report.c.kind == bindparam("kind"))
)
DUE = Prepared(select(WORK_DUE.label("due_at")).where(study.c.id == bindparam("study_id")))
