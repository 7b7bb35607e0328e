"""What a person puts back: a study to be analysed again, parked deliveries to be sent again."""

from datetime import datetime

from sqlalchemy import func, or_, select, update

from db import kinds
from db.advance import Position, advance, lock_named, note
from db.audit import THE_AGENT, Who
from db.causes import How
from db.completion import conclude_when_settled
from db.database import Database
from db.delivery_state import DeliveryState
from db.errors import RefusedError
from db.lifecycle import CONCLUDED, Event, State
from db.operated import note_operated
from db.queue import Queue
from db.roles import Role
from db.schema.domain import delivery, instance, report, result, study
from db.unchanged import Whole, check_unchanged
from db.work_due import WORK_DUE


def requeue_study(
    database: Database,
    queue: Queue,
    study_instance_uid: str,
    *,
    actor: str,
    now: datetime,
    only_if: Whole | None = None,
    only_unread: bool = False,
) -> int:
    """Begin a new revision of a concluded study in which every candidate image is analysed again; return the revision.

    Images count again that were withdrawn with a result; those that their modality or a rejection note withdrew do not.

    Raises RefusedError for an unknown study, for one that is still being received or analysed and, with `only_unread`,
    for one that somebody has read; ChangedError where it is not in the state `only_if` any more, if that is given.
    """
    with database.begin() as connection:
        position = lock_named(connection, study_instance_uid)
        check_unchanged(connection, position, only_if)
        read = select(study.c.read_at).where(study.c.id == position.study_id)
        if only_unread and connection.execute(read).scalar_one() is not None:
            message = "expected a study that nobody has read. Received: one that is read"
            raise RefusedError(message)
        gone = (
            select(instance.c.id)
            .where(instance.c.study_id == position.study_id, instance.c.removed_at.is_not(None))
            .limit(1)
        )
        if connection.execute(gone).first() is not None:
            message = "expected a study whose images are here. Received: one whose images retention has removed"
            raise RefusedError(message)
        is_concluded = position.state in CONCLUDED  # what is being analysed is put back by nobody but the analysis
        moved = advance(connection, position, Event.REQUEUED, at=now, actor=actor) if is_concluded else None
        if moved is None:
            message = f"expected a study that is CONCLUDED or DELIVERED. Received: state={position.state}"
            raise RefusedError(message)
        due = connection.execute(select(WORK_DUE).where(study.c.id == position.study_id)).scalar_one()
        candidates = connection.scalars(
            select(instance.c.id).where(
                instance.c.study_id == position.study_id,
                instance.c.role == Role.CANDIDATE,
                or_(instance.c.withdrawn.is_(None), instance.c.withdrawn_how == How.RESULT),
            )
        ).all()
        connection.execute(
            update(instance)
            .where(instance.c.id.in_(candidates))
            .values(analysis_revision=moved.revision, withdrawn=None, withdrawn_how=None)
        )
        for instance_id in candidates:
            queue.enqueue(connection, kinds.SCORE, str(instance_id), due_at=due, run_at=now)
        conclude_when_settled(connection, queue, moved, at=now)
    return moved.revision


def requeue_deliveries(
    database: Database,
    queue: Queue,
    *,
    now: datetime,
    who: Who = THE_AGENT,
    study_instance_uid: str = "",
    destination: str = "",
    delivery_id: int | None = None,
) -> int:
    """Queue parked deliveries again, of reports and of Instances, all or those of one study or destination, or one.

    Each study's own trail says by whom, and to which destinations. Return how many deliveries.

    Their studies' rows are locked first: a conclusion may be just superseding some of them, and these stay so.
    """
    owner = func.coalesce(result.c.study_id, instance.c.study_id)
    query = (
        select(
            delivery.c.id,
            delivery.c.report_id,
            delivery.c.destination,
            study.c.id.label("study_id"),
            study.c.state,
            study.c.revision,
            WORK_DUE.label("due_at"),
        )
        .select_from(delivery)
        .outerjoin(report)
        .outerjoin(result)
        .outerjoin(instance, instance.c.id == delivery.c.instance_id)
        .join(study, study.c.id == owner)
        .where(delivery.c.state == DeliveryState.PARKED)
    )
    if study_instance_uid:
        query = query.where(study.c.study_instance_uid == study_instance_uid)
    if destination:
        query = query.where(delivery.c.destination == destination)
    if delivery_id is not None:
        query = query.where(delivery.c.id == delivery_id)
    theirs = select(study.c.id).where(study.c.id.in_(query.with_only_columns(study.c.id))).order_by(study.c.id)
    with database.begin() as connection:
        connection.execute(theirs.with_for_update()).all()
        rows = connection.execute(query).all()
        for row in rows:
            connection.execute(
                update(delivery)
                .where(delivery.c.id == row.id)
                .values(state=DeliveryState.QUEUED, attempts=0, not_before=None, updated_at=now)
            )
            kind, key = (
                (kinds.forward(row.destination), row.study_id)
                if row.report_id is None
                else (kinds.deliver(row.destination), row.id)
            )
            queue.enqueue(connection, kind, str(key), due_at=row.due_at, run_at=now)
        for row in {(row.study_id, row.destination): row for row in rows}.values():
            position = Position(row.study_id, State(row.state), row.revision)
            detail = f"to {row.destination}"
            note(connection, position, "DELIVERY_REQUEUED", position.state, at=now, actor=who.name, detail=detail)
        if rows:
            note_operated(connection, who, f"{len(rows)} parked deliveries requeued", at=now, counterpart=destination)
    return len(rows)
