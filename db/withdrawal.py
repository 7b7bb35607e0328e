"""Withdrawn images and results: they count no more, and what was said because of them is taken back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, select, update

from db.advance import Position, advance, lock, note
from db.causes import Cause, How, cause_of
from db.conclusion import (
    Conclusion,
    StudyToConclude,
    detail_of,
    supersede,
    to_conclude,
    told_as_switched,
    write_result,
)
from db.database import Database
from db.flagged import is_flagged
from db.judged import judge_of
from db.kinds import WITHDRAW
from db.lifecycle import CONCLUDED, Event
from db.outcome import Outcome
from db.performed import Step, count_withdrawn, standing, withdrawal
from db.priority import Allowances, Priority, due_at, effective
from db.queue import Queue
from db.schema.domain import instance, study
from db.withheld import is_withheld
from db.work_due import WORK_DUE


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What is taken back: images by their rows' ids, none where the result rests on none."""

    how: How
    cause: Cause
    reason: str
    images: Sequence[int]


def withdraw_discontinued(
    connection: Connection,
    queue: Queue,
    position: Position,
    steps: Sequence[Step],
    *,
    at: datetime,
    allowances: Allowances,
) -> None:
    """Withdraw the images that the steps withdraw; the study's row is locked."""
    images = standing(connection, position.study_id).items()
    withdrawn = {id_: why for id_, image in images if (why := withdrawal(steps, image))}
    for reason in sorted(set(withdrawn.values())):
        ids = [id_ for id_, why in withdrawn.items() if why == reason]
        withdraw(
            connection,
            queue,
            position,
            Withdrawal(How.MODALITY, cause_of(reason), reason, ids),
            at=at,
            allowances=allowances,
        )


def withdraw(
    connection: Connection,
    queue: Queue,
    position: Position,
    what: Withdrawal,
    *,
    at: datetime,
    allowances: Allowances,
    actor: str = "agent",
) -> None:
    """Withdraw images, or a study's whole result; the study's row is locked.

    At once, in this transaction: they count no more, the AI's part of the priority goes unless another image is
    flagged, what was not yet sent is superseded, and where no image is left the worklist says so. A concluded study
    gets its new result, reports and rejection notes from a job, another one with its conclusion.
    """
    connection.execute(
        update(instance)
        .where(instance.c.id.in_(what.images))
        .values(withdrawn=what.reason, withdrawn_how=what.how, analysis_revision=None)
    )
    event = "RESULT_WITHDRAWN" if what.how is How.RESULT else "IMAGES_WITHDRAWN"
    detail = f"{len(what.images)} images {what.reason}"
    note(connection, position, event, position.state, at=at, detail=detail, actor=actor)
    supersede(connection, position.study_id, at=at)
    _take_back(connection, position.study_id, what.reason, allowances)
    connection.execute(
        update(study)
        .where(study.c.id == position.study_id)
        .values(withdrawing=True, withdrawal_cause=what.cause, withdrawal_reason=what.reason)
    )
    if position.state in CONCLUDED:
        enqueue_withdrawal(connection, queue, position.study_id, at=at)


def _take_back(connection: Connection, study_id: int, reason: str, allowances: Allowances) -> None:
    """Lower the priority to what it is without the withdrawn images, and the shown outcome where none is left."""
    row = connection.execute(select(study).where(study.c.id == study_id)).one()
    values: dict[str, object] = {}
    stands = is_flagged(connection, study_id) or is_withheld(connection, study_id)
    if row.ai_priority is not None and not stands:
        person = None if row.person_priority is None else Priority(row.person_priority)
        priority = effective(Priority(row.order_priority), None, person)
        values |= {"ai_priority": None, "due_at": due_at(row.received_at, priority, allowances)}
    if row.outcome is not None and not row.conflict and not standing(connection, study_id):
        values |= {"outcome": Outcome.NOT_ANALYSED, "reason": reason, "probability": None}
    if values:
        connection.execute(update(study).where(study.c.id == study_id).values(values))


def enqueue_withdrawal(connection: Connection, queue: Queue, study_id: int, *, at: datetime) -> None:
    """Let a job record what a concluded study comes to without its withdrawn images."""
    due = connection.execute(select(WORK_DUE).where(study.c.id == study_id)).scalar_one()
    queue.enqueue(connection, WITHDRAW, str(study_id), due_at=due, run_at=at)


def withdrawal_to_record(database: Database, study_id: int) -> StudyToConclude | None:
    """Return the concluded study whose result has to be taken back; None when that is settled or will be otherwise."""
    with database.read() as connection:
        row = connection.execute(select(study).where(study.c.id == study_id)).one()
        if row.state not in CONCLUDED or not row.withdrawing:
            return None
        return replace(to_conclude(connection, row), judge=judge_of(connection, study_id))


def record_withdrawal(database: Database, queue: Queue, conclusion: Conclusion) -> bool:
    """Commit what a concluded study comes to without its withdrawn images, as a new revision with its own reports.

    Returns False when the study has moved on, or more has been withdrawn since.
    """
    at = conclusion.concluded_at
    with database.begin() as connection:
        position = lock(connection, conclusion.study_id)
        query = select(study.c.withdrawing).where(study.c.id == conclusion.study_id)
        is_open = position.revision == conclusion.revision and connection.execute(query).scalar_one()
        if not is_open or count_withdrawn(connection, conclusion.study_id) != conclusion.withdrawals:
            return False
        if not told_as_switched(connection, conclusion):
            return False
        moved = advance(connection, position, Event.WITHDRAWN, at=at, detail=detail_of(conclusion.outcome))
        if moved is None:
            return False
        write_result(connection, queue, conclusion, moved)
    return True


def enqueue_withdrawals(database: Database, queue: Queue, *, now: datetime) -> int:
    """Enqueue every withdrawal that waits to be recorded; heals what a parked job left behind. Return how many."""
    with database.begin() as connection:
        rows = connection.execute(select(study.c.id, study.c.state).where(study.c.withdrawing)).all()
        ids = [row.id for row in rows if row.state in CONCLUDED]  # here, so that the few are found, and not the many
        for study_id in ids:
            enqueue_withdrawal(connection, queue, study_id, at=now)
    return len(ids)
