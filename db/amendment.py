"""Amendments: a concluded study is reported anew with the same result, for what is said around it has changed.

A corrected patient, a merge: the reports that were sent name somebody else. The new revision has the old one's result
and new versions of its reports.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from db.advance import advance, lock
from db.conclusion import Conclusion, write_result
from db.database import Database
from db.feedback import reported_finding
from db.judged import said_by
from db.kinds import AMEND
from db.lifecycle import CONCLUDED, Event
from db.outcome import Outcome, StudyOutcome
from db.queue import Queue
from db.schema.domain import result, study
from db.work_due import WORK_DUE, work_due


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """A concluded study to report anew: its current result, as a conclusion without reports."""

    study_instance_uid: str
    calling_ae_title: str
    conflict: str
    reason: str
    conclusion: Conclusion


def request_amendment(connection: Connection, queue: Queue, study_id: int, *, reason: str, at: datetime) -> bool:
    """Let a job report the study anew; in the caller's transaction, in which the study's row is locked.

    `reason` stands in the audit trail: no patient data. Returns False for a study that is not concluded: the result
    that it comes to will be reported as things are then. What still waits of its earlier reports leaves no more.
    """
    row = connection.execute(select(study).where(study.c.id == study_id)).one()
    connection.execute(update(study).where(study.c.id == study_id).values(amending=reason))
    if row.state not in CONCLUDED:
        return False
    queue.enqueue(connection, AMEND, str(study_id), due_at=work_due(row), run_at=at)
    return True


def amendment_to_record(database: Database, study_id: int) -> Amendment | None:
    """Return the study to report anew; None when that is done or will be with another result."""
    with database.read() as connection:
        row = connection.execute(select(study).where(study.c.id == study_id)).one()
        if row.state not in CONCLUDED or row.amending is None or row.withdrawing:
            return None
        current = connection.execute(
            select(result).where(result.c.study_id == study_id).order_by(result.c.revision.desc()).limit(1)
        ).one()
        finding = reported_finding(connection, current)
    return Amendment(
        study_instance_uid=row.study_instance_uid,
        calling_ae_title=row.calling_ae_title,
        conflict=row.conflict,
        reason=row.amending,
        conclusion=Conclusion(
            study_id=study_id,
            revision=row.revision,
            outcome=StudyOutcome(
                outcome=Outcome(current.outcome), reason=current.reason, probability=current.probability
            ),
            **said_by(current),
            analysed_at=current.analysed_at,
            concluded_at=current.concluded_at,
            reports=(),
            reader_finding=finding,
        ),
    )


def record_amendment(database: Database, queue: Queue, conclusion: Conclusion) -> bool:
    """Commit the same result as a new revision, with its reports; False when the study has moved on meanwhile."""
    with database.begin() as connection:
        position = lock(connection, conclusion.study_id)
        row = connection.execute(select(study).where(study.c.id == conclusion.study_id)).one()
        if position.revision != conclusion.revision or row.amending is None or row.withdrawing:
            return False
        moved = advance(connection, position, Event.AMENDED, at=conclusion.concluded_at, detail=row.amending)
        if moved is None:
            return False
        write_result(connection, queue, conclusion, moved)
    return True


def enqueue_amendments(database: Database, queue: Queue, *, now: datetime) -> int:
    """Enqueue every amendment that waits to be recorded; heals what a parked job left behind. Return how many."""
    with database.begin() as connection:
        query = select(study.c.id, WORK_DUE.label("due_at"), study.c.state).where(study.c.amending.is_not(None))
        rows = [row for row in connection.execute(query) if row.state in CONCLUDED]  # here: so the few are found
        for row in rows:
            queue.enqueue(connection, AMEND, str(row.id), due_at=row.due_at, run_at=now)
    return len(rows)
