"""A report in another form: for a destination that takes none of the first one's kind, as a version of its own."""

from datetime import datetime

from sqlalchemy import func, insert, select, update

from db import kinds
from db.advance import lock
from db.database import Database
from db.delivery_state import DeliveryState
from db.queue import Queue
from db.schema.domain import delivery, report, result, study
from db.still import still
from db.work_due import WORK_DUE


def fall_back(database: Database, queue: Queue, delivery_id: int, *, at: datetime) -> int | None:
    """Replace a refused delivery by one of the same report in its next form; return its version.

    None where the delivery is not waiting any more. The bytes that were refused stay under their UID; other
    destinations of that report are not touched.
    """
    with database.begin() as connection:
        found = connection.execute(
            select(report, delivery.c.destination, result.c.study_id)
            .select_from(delivery)
            .join(report, report.c.id == delivery.c.report_id)
            .join(result)
            .where(delivery.c.id == delivery_id)
        ).one()
        lock(connection, found.study_id)
        refused = connection.execute(
            update(delivery)
            .where(delivery.c.id == delivery_id, still(delivery.c.state) == DeliveryState.QUEUED)
            .values(state=DeliveryState.SUPERSEDED, updated_at=at)
        ).rowcount
        if not refused:
            return None
        versions = (
            select(func.max(report.c.version))
            .join(result)
            .where(result.c.study_id == found.study_id, report.c.kind == found.kind)
        )
        version = int(connection.execute(versions).scalar_one()) + 1
        values = {name: getattr(found, name) for name in ("result_id", "kind", "media_type", "rejects")}
        report_id = connection.execute(
            insert(report).values(**values, version=version, fall_back=found.fall_back + 1).returning(report.c.id)
        ).scalar_one()
        new_id = connection.execute(
            insert(delivery)
            .values(
                report_id=report_id,
                destination=found.destination,
                state=DeliveryState.QUEUED,
                attempts=0,
                reason="",
                created_at=at,
                updated_at=at,
            )
            .returning(delivery.c.id)
        ).scalar_one()
        due = connection.execute(select(WORK_DUE).where(study.c.id == found.study_id)).scalar_one()
        queue.enqueue(connection, kinds.deliver(found.destination), str(new_id), due_at=due, run_at=at)
    return version
