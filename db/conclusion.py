"""Conclusions: the study's result and, in the same transaction, one delivery for each report and destination."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from db import conclusion_statements as statements
from db import kinds
from db.advance import Position, advance, lock
from db.causes import Cause
from db.completion import outstanding
from db.course import Course, course_of
from db.database import Database
from db.delivery_state import DeliveryState
from db.forwarding import release_held
from db.judged import Judge, said_by
from db.lifecycle import Event, State
from db.outcome import ImageOutcome, Outcome, StudyOutcome
from db.performed import count_withdrawn, missing_of
from db.queue import Queue
from db.rejection import objects_there
from db.told import corrected_since, may_have
from db.triage import switched_off
from db.withheld import withhold_results, without_model
from db.workitems import follow_result


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyToConclude:
    """A study to conclude, every image settled. `analysed_at` is the start of its analysis, None if there was none.

    `images` are those that count; `withdrawals` were withdrawn, the last of them for `withdrawn`. `takes_back` says why
    what was reported before is to be taken back, None if it is not. `missing`: see `study_outcome`. `last` is the
    outcome until now, None for the first result. `switch` names the row by which triage is off (`db.triage`): then the
    images are told without what the model said; None while it is on. `judge` is who speaks in the result, if not
    who concludes it.
    """

    study_id: int
    study_instance_uid: str
    revision: int
    calling_ae_title: str
    conflict: str
    images: tuple[ImageOutcome, ...]
    withdrawn: str
    withdrawals: int
    takes_back: Cause | None = None
    missing: tuple[int, int] = (0, 0)
    last: Outcome | None = None
    switch: int | None = None
    judge: Judge | None = None
    analysed_at: datetime | None
    course: Course | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """What was reported before is taken back: why, and the rejection note for whoever may have it."""

    cause: Cause
    reason: str
    note: "ReportOrder"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOrder:
    """A report to render and the destinations it goes to. `kind` is its name in the configuration.

    `followers` do not want it for what it says, and get it only if they may have an earlier one: that would otherwise
    stand there uncorrected. `rejects`: it is a rejection note, which a later result does not supersede.
    """

    kind: str
    media_type: str
    destinations: tuple[str, ...]
    followers: tuple[str, ...] = ()
    rejects: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion(Judge):
    """What a study came to, by which model at which operating point (`Judge`), and the reports to send.

    `withdrawals`, `missing` and `switch` are those of the study to conclude: should they change meanwhile, it is not
    recorded. `corrected` is what is taken back if the patient was corrected since the last result. `reader_finding` is
    what a reader sees who lets reports say that they disagree.
    """

    study_id: int
    revision: int
    withdrawals: int = 0
    missing: tuple[int, int] = (0, 0)
    switch: int | None = None
    outcome: StudyOutcome
    analysed_at: datetime
    concluded_at: datetime
    reports: tuple[ReportOrder, ...]
    taken_back: TakenBack | None = None
    corrected: TakenBack | None = None
    reader_finding: str | None = None


def study_to_conclude(database: Database, study_id: int) -> StudyToConclude | None:
    """Return the study to conclude, or None unless it is COMPLETE and nothing is outstanding."""
    with database.read() as connection:
        (row,) = statements.STUDY.rows(connection, {"study_id": study_id})
        if row.state != State.COMPLETE or outstanding(connection, study_id):
            return None
        return replace(to_conclude(connection, row), course=course_of(connection, row))


def to_conclude(connection: Connection, row: Any) -> StudyToConclude:  # noqa: ANN401 - a row
    """Return what the study `row` comes to as its images stand."""
    images = statements.IMAGES.rows(connection, {"study_id": row.id})
    withdrawn = [one.withdrawn for one in statements.WITHDRAWN.rows(connection, {"study_id": row.id})]
    off = switched_off(connection)
    outcomes = tuple(
        ImageOutcome(
            outcome=Outcome(image.outcome),
            reason=image.reason,
            lateral=image.is_lateral,
            probability=image.probability,
        )
        for image in images
    )
    return StudyToConclude(
        study_id=row.id,
        study_instance_uid=row.study_instance_uid,
        revision=row.revision,
        calling_ae_title=row.calling_ae_title,
        conflict=row.conflict,
        images=outcomes if off is None else tuple(without_model(image) for image in outcomes),
        withdrawn=(row.withdrawing and row.withdrawal_reason) or (withdrawn[-1] if withdrawn else ""),
        withdrawals=len(withdrawn),
        missing=missing_of(connection, row.id),
        takes_back=Cause(row.withdrawal_cause) if row.withdrawing and row.withdrawal_cause else None,
        last=None if row.outcome is None else Outcome(row.outcome),
        switch=None if off is None else off.id,
        analysed_at=min((image.started_at for image in images), default=None),
    )


def record_conclusion(database: Database, queue: Queue, conclusion: Conclusion) -> bool:
    """Commit the result of a revision, its reports and deliveries, and the study's new place; once per revision.

    Returns False when the study has moved on or is concluded already. Deliveries of earlier revisions that were not yet
    acknowledged are superseded here and not before.
    """
    at = conclusion.concluded_at
    with database.begin() as connection:
        position = lock(connection, which := conclusion.study_id)
        if position.revision != conclusion.revision or outstanding(connection, which):
            return False
        seen = (conclusion.withdrawals, conclusion.missing)
        if (count_withdrawn(connection, which), missing_of(connection, which)) != seen:
            return False  # withdrawn, or named by a step, since we looked; that enqueued a conclusion of its own
        if not told_as_switched(connection, conclusion):
            return False
        moved = advance(connection, position, Event.CONCLUDED, at=at, detail=detail_of(conclusion.outcome))
        if moved is None:
            return False
        write_result(connection, queue, conclusion, moved)
    return True


def told_as_switched(connection: Connection, conclusion: Conclusion) -> bool:
    """Tell whether triage is on or off as when it was concluded; if it is off, withhold what the model said."""
    off = switched_off(connection)
    if (None if off is None else off.id) != conclusion.switch:
        return False
    if off is not None:
        withhold_results(connection, conclusion.study_id)
    return True


def write_result(connection: Connection, queue: Queue, conclusion: Conclusion, position: Position) -> None:
    """Write the result of the revision at `position`, its reports and deliveries; older ones are superseded."""
    at = conclusion.concluded_at
    conclusion = _as_corrected(connection, conclusion, position.revision)
    supersede(connection, conclusion.study_id, at=at)
    release_held(connection, queue, conclusion.study_id, conclusion.outcome.outcome, at=at)
    result_id = _insert_result(connection, conclusion, position.revision)
    orders = (*_reports(connection, conclusion), *_notes(connection, conclusion, position.revision))
    sent = [_insert_report(connection, queue, conclusion, result_id, order) for order in orders]
    came_to = {"outcome": conclusion.outcome.outcome, "reason": conclusion.outcome.reason, "concluded_at": at}
    probability = conclusion.outcome.probability
    statements.PLACE.run(connection, {"which": conclusion.study_id, "probability": probability, **came_to})
    follow_result(connection, queue, conclusion.study_id, at=at)
    if not any(sent):
        advance(connection, position, Event.ALL_ACKNOWLEDGED, at=at, detail="nothing to send")


def _as_corrected(connection: Connection, conclusion: Conclusion, revision: int) -> Conclusion:
    """Return it with what names the patient as before a correction taken back; that is the title of the note then."""
    if conclusion.corrected is None or not corrected_since(connection, conclusion.study_id, before=revision):
        return conclusion
    taken_back = conclusion.taken_back or conclusion.corrected
    return replace(conclusion, taken_back=replace(taken_back, cause=conclusion.corrected.cause))


def supersede(connection: Connection, study_id: int, *, at: datetime) -> None:
    """Take back what was not yet acknowledged of the study's deliveries (kept on record), but no rejection note.

    Whatever the study comes to later, what a note names is to go.
    """
    statements.SUPERSEDE.run(connection, {"of_study": study_id, "state": DeliveryState.SUPERSEDED, "updated_at": at})


def detail_of(outcome: StudyOutcome) -> str:
    """Return the outcome in words for the audit trail."""
    return f"{outcome.outcome}: {outcome.reason}" if outcome.reason else outcome.outcome


def _reports(connection: Connection, conclusion: Conclusion) -> Iterator[ReportOrder]:
    """Yield each report with all destinations that it goes to, followers too."""
    for order in conclusion.reports:
        told = tuple(name for name in order.followers if may_have(connection, conclusion.study_id, order.kind, name))
        if told or not order.followers or order.destinations:
            yield replace(order, destinations=order.destinations + told)


def _notes(connection: Connection, conclusion: Conclusion, revision: int) -> Iterator[ReportOrder]:
    """Yield a rejection note for each destination that may have objects of ours; it names what that one may have."""
    if conclusion.taken_back is not None:
        note = conclusion.taken_back.note
        for destination in note.destinations:
            if objects_there(connection, conclusion.study_id, destination, before=revision):
                yield replace(note, destinations=(destination,))


def _insert_result(connection: Connection, conclusion: Conclusion, revision: int) -> int:
    """Write the result of a revision; return its id."""
    taken_back = conclusion.taken_back
    (row,) = statements.RESULT.rows(
        connection,
        {
            "study_id": conclusion.study_id,
            "revision": revision,
            "outcome": conclusion.outcome.outcome,
            "reason": conclusion.outcome.reason,
            "probability": conclusion.outcome.probability,
            **said_by(conclusion),
            "analysed_at": conclusion.analysed_at,
            "concluded_at": conclusion.concluded_at,
            "withdrawal_cause": None if taken_back is None else taken_back.cause,
            "withdrawal_reason": None if taken_back is None else taken_back.reason,
            "reader_finding": conclusion.reader_finding,
        },
    )
    result_id: int = row.id
    return result_id


def _insert_report(
    connection: Connection, queue: Queue, conclusion: Conclusion, result_id: int, order: ReportOrder
) -> int:
    """Write a report with its deliveries and their jobs; return how many deliveries there are."""
    at, study_id = conclusion.concluded_at, conclusion.study_id
    (earlier,) = statements.EARLIER.rows(connection, {"study_id": study_id, "kind": order.kind})
    (made,) = statements.REPORT.rows(
        connection,
        {
            "result_id": result_id,
            "kind": order.kind,
            "version": earlier.reports + 1,
            "media_type": order.media_type,
            "rejects": order.rejects,
        },
    )
    (due,) = statements.DUE.rows(connection, {"study_id": study_id})
    for destination in order.destinations:
        (queued,) = statements.DELIVERY.rows(
            connection,
            {
                "report_id": made.id,
                "destination": destination,
                "state": DeliveryState.QUEUED,
                "attempts": 0,
                "reason": "",
                "created_at": at,
                "updated_at": at,
            },
        )
        queue.enqueue(connection, kinds.deliver(destination), str(queued.id), due_at=due.due_at, run_at=at)
    return len(order.destinations)
