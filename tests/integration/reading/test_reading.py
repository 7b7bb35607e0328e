"""What readers do with a study stands on record, with who and why, and each of it can be taken back."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from operator import attrgetter
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import select, text, update

from db import feedback, reading_marks
from db.amendment import amendment_to_record, record_amendment, request_amendment
from db.audit_search import AuditQuery, search
from db.audit_terms import EventId
from db.causes import Cause
from db.concluded import concluded_study
from db.conclusion import ReportOrder
from db.errors import ChangedError, RefusedError
from db.feedback import Finding, Opinion, all_feedback
from db.feedback_counts import feedback_counts
from db.feedback_report import report_opinion
from db.outcome import Outcome
from db.priority import Allowances, Priority
from db.reading_acts import REMOVED
from db.reading_undo import undo
from db.result_withdrawal import Why, withdraw_result
from db.schema.domain import study
from db.schema.reading import reading_act
from db.workitem_reading import TaskCriteria, reading_tasks
from db.worklist import study_record, worklist

ALLOWANCES = Allowances()
SR = (ReportOrder(kind="sr", media_type="application/dicom", destinations=("PACS",)),)
DISAGREES = Opinion(agrees=False, finding=Finding.ABSENT, reason="a rib", finding_text="old fracture")


def states(desk: Any) -> list[str]:
    return [task.state for task in reading_tasks(desk.database, TaskCriteria())]


def take_back(desk: Any, act: int, who: str = "ada") -> int:
    return undo(desk.database, desk.queue, desk.seen(), desk.acting(who), act, allowances=ALLOWANCES)


def test_a_study_that_a_person_has_read_leaves_the_list_and_its_task_leaves_the_peers(desk: Any) -> None:
    assert states(desk) == ["SCHEDULED"]
    act = reading_marks.mark_read(desk.database, desk.queue, desk.seen(), desk.acting())
    assert worklist(desk.database) == ()
    assert desk.row().read_how == "read by ada"
    assert states(desk) == ["CANCELED"]
    take_back(desk, act)
    assert [row.study_instance_uid for row in worklist(desk.database)] == [desk.uid]
    assert states(desk) == ["CANCELED", "SCHEDULED"]


def test_to_put_a_study_back_can_be_taken_back_and_then_it_is_read_as_it_was(desk: Any) -> None:
    reading_marks.mark_read(desk.database, desk.queue, desk.seen(), desk.acting())
    before = desk.row()
    act = reading_marks.mark_unread(desk.database, desk.queue, desk.seen(), desk.acting("bo"), "read the wrong one")
    assert desk.row().read_at is None
    take_back(desk, act, "bo")
    assert (desk.row().read_at, desk.row().read_how) == (before.read_at, before.read_how)


@pytest.mark.parametrize(("patient_id", "why"), [("P1", "has changed since it was read"), ("P2", "in quarantine")])
def test_images_that_came_since_a_study_was_read_are_not_read_by_taking_back_that_it_was_put_back(
    desk: Any, patient_id: str, why: str
) -> None:
    reading_marks.mark_read(desk.database, desk.queue, desk.seen(), desk.acting())
    act = reading_marks.mark_unread(desk.database, desk.queue, desk.seen(), desk.acting("bo"))
    desk.ledger.receive(desk.uid, at=desk.now, patient_id=patient_id)
    with pytest.raises((ChangedError, RefusedError), match=why):
        take_back(desk, act, "bo")
    assert desk.row().read_at is None


@pytest.mark.parametrize("priority", [Priority.HIGH, Priority.ROUTINE])
def test_a_person_raises_or_lowers_a_priority_and_the_study_is_due_accordingly(desk: Any, priority: Priority) -> None:
    before = desk.row()
    act = reading_marks.set_priority(
        desk.database,
        desk.queue,
        desk.seen(),
        desk.acting(),
        priority,
        reason="the ward called",
        allowances=ALLOWANCES,
    )
    row = desk.row()
    assert (row.priority, row.person_priority) == (priority, priority)
    assert row.due_at == row.received_at + ALLOWANCES.of(priority)
    take_back(desk, act)
    assert desk.row() == before


def test_a_study_is_assigned_to_a_reader_and_to_nobody_again(desk: Any) -> None:
    act = reading_marks.assign(desk.database, desk.seen(), desk.acting(), "bo")
    assert desk.row().assigned_to == "bo"
    take_back(desk, act)
    assert desk.row().assigned_to == ""


def test_an_opinion_is_bound_to_the_result_and_its_model_and_counts_until_taken_back(desk: Any) -> None:
    act = feedback.give(desk.database, desk.seen(), desk.acting(), DISAGREES)
    (row,) = all_feedback(desk.database)
    assert (row.person, row.agrees, row.finding, row.reason) == ("ada", False, Finding.ABSENT, "a rib")
    assert (row.revision, row.outcome, row.probability, row.threshold) == (1, Outcome.FLAGGED, 0.8, 0.4217)
    assert (row.model_name, row.model_version, row.model_sha256) == ("efficientnet_lite0", "1.0.0", "ab" * 32)
    take_back(desk, act, "bo")
    assert feedback_counts(desk.database, since=desk.now - timedelta(days=1)) == ()
    (row,) = all_feedback(desk.database)
    assert row.undone_at is not None, "it stays on record"


@pytest.mark.parametrize(
    ("opinion", "why"),
    [
        (Opinion(agrees=True, finding=Finding.ABSENT), "that is to disagree"),
        (Opinion(agrees=False, finding=Finding.PRESENT, reason="x"), "that is to agree"),
        (Opinion(agrees=False, finding=Finding.OTHER), "reason"),
    ],
)
def test_an_opinion_that_contradicts_itself_or_has_no_reason_is_refused(desk: Any, opinion: Opinion, why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        feedback.give(desk.database, desk.seen(), desk.acting(), opinion)
    assert list(all_feedback(desk.database)) == []


def test_a_note_stands_beside_what_others_do_and_is_struck_not_deleted(desk: Any) -> None:
    seen = desk.seen()
    note = reading_marks.add_note(desk.database, desk.uid, desk.acting("bo"), "called the ward")
    reading_marks.mark_read(desk.database, desk.queue, seen, desk.acting())
    take_back(desk, note)
    first, *_ = desk.record().acts
    assert (first.words, first.undone_by) == ("called the ward", "ada")


def test_nobody_overwrites_what_they_have_not_seen(desk: Any) -> None:
    seen = desk.seen()
    reading_marks.assign(desk.database, seen, desk.acting("bo"), "bo")
    with pytest.raises(ChangedError, match="bo assigned it meanwhile"):
        reading_marks.mark_read(desk.database, desk.queue, seen, desk.acting())
    assert desk.row().read_at is None


def test_a_study_that_got_an_image_meanwhile_says_so(desk: Any) -> None:
    seen = desk.seen()
    desk.ledger.receive(desk.uid, at=desk.now, patient_id="P1")
    with pytest.raises(ChangedError, match="revision 1 when you saw it and is at 2 now"):
        reading_marks.mark_read(desk.database, desk.queue, seen, desk.acting())


def test_what_has_changed_again_since_is_not_taken_back(desk: Any) -> None:
    first = reading_marks.assign(desk.database, desk.seen(), desk.acting(), "bo")
    reading_marks.assign(desk.database, desk.seen(), desk.acting(), "cy")
    with pytest.raises(ChangedError, match="would be overwritten"):
        take_back(desk, first)
    assert desk.row().assigned_to == "cy"


def test_an_act_is_taken_back_once_and_only_on_its_own_study(desk: Any) -> None:
    act = reading_marks.assign(desk.database, desk.seen(), desk.acting(), "bo")
    done = take_back(desk, act)
    with pytest.raises(RefusedError, match="taken back already"):
        take_back(desk, act)
    with pytest.raises(RefusedError, match="can be taken back"):
        take_back(desk, done)
    desk.ledger.receive("2.25.2", at=desk.now)
    desk.uid = "2.25.2"
    with pytest.raises(RefusedError, match="can be taken back"):
        take_back(desk, act)


def test_each_act_is_in_the_study_s_history_and_in_the_audit_trail_and_names_nothing_of_the_patient(desk: Any) -> None:
    feedback.give(desk.database, desk.seen(), desk.acting(), DISAGREES)
    take_back(desk, reading_marks.mark_read(desk.database, desk.queue, desk.seen(), desk.acting()), "bo")
    record = study_record(desk.database, desk.uid)
    assert record is not None
    told = [(row["event"], row["actor"]) for row in record.events if row["event"].startswith("READER_")]
    assert told == [("READER_FEEDBACK", "ada"), ("READER_READ", "ada"), ("READER_UNDONE", "bo")]
    rows = search(desk.database, AuditQuery(event=EventId.PROCEDURE_RECORD)).rows
    assert [row.event.who.name for row in rows] == ["bo", "ada", "ada"]
    assert set(map(attrgetter("event.patient_id"), rows)) == {"P1"}
    assert not any("rib" in row.event.detail or "fracture" in row.event.detail for row in rows)
    assert not any("rib" in event["detail"] for event in record.events)


def test_a_study_in_quarantine_cannot_be_read(desk: Any) -> None:
    desk.ledger.receive(desk.uid, at=desk.now, patient_id="P2")
    desk.now += timedelta(minutes=5)
    with pytest.raises(RefusedError, match="quarantine"):
        reading_marks.mark_read(desk.database, desk.queue, desk.seen(), desk.acting())


def test_reports_say_that_a_reader_disagrees_only_if_the_reader_lets_them_and_until_it_is_taken_back(
    desk: Any,
) -> None:
    act = feedback.give(desk.database, desk.seen(), desk.acting(), DISAGREES)
    assert amendment_to_record(desk.database, 1) is None, "never by itself"
    report_opinion(desk.database, desk.queue, desk.seen(), desk.acting())
    with pytest.raises(RefusedError, match="say so already"):
        report_opinion(desk.database, desk.queue, desk.seen(), desk.acting())
    said = []
    for _ in range(2):
        amendment = amendment_to_record(desk.database, 1)
        assert amendment is not None
        assert record_amendment(desk.database, desk.queue, replace(amendment.conclusion, reports=SR))
        record = study_record(desk.database, desk.uid)
        assert record is not None
        said.append(concluded_study(desk.database, record.reports[-1]["id"]).reader_finding)
        if len(said) == 1:
            take_back(desk, act)
    assert said == ["absent", ""]
    assert desk.row().outcome is Outcome.FLAGGED, "the AI's result stays what it was"


def test_a_reader_s_word_on_one_result_is_not_said_of_another_that_came_with_new_images(desk: Any) -> None:
    def amended() -> str | None:
        amendment = amendment_to_record(desk.database, 1)
        assert amendment is not None
        assert record_amendment(desk.database, desk.queue, replace(amendment.conclusion, reports=SR))
        return amendment.conclusion.reader_finding

    def correct() -> None:
        with desk.database.begin() as connection:
            request_amendment(connection, desk.queue, 1, reason="corrected: patient_name", at=desk.now)

    feedback.give(desk.database, desk.seen(), desk.acting(), DISAGREES)
    report_opinion(desk.database, desk.queue, desk.seen(), desk.acting())
    assert amended() == Finding.ABSENT
    correct()
    assert amended() == Finding.ABSENT, "it is the same result"
    image = desk.ledger.receive(desk.uid, at=desk.now, patient_id="P1")
    desk.ledger.score(image, Outcome.FLAGGED, at=desk.now, probability=0.9)
    desk.ledger.conclude(image.study_id, at=desk.now + timedelta(minutes=9))
    correct()
    assert amended() is None


def test_only_the_result_that_was_seen_is_withdrawn(desk: Any) -> None:
    why = Why(cause=Cause.SAFETY, reason="wrong", actor="ada")
    with pytest.raises(ChangedError, match="not the result you saw"):
        withdraw_result(
            desk.database,
            desk.queue,
            desk.uid,
            why,
            at=desk.now,
            allowances=ALLOWANCES,
            revision=desk.seen().revision - 1,
        )
    assert desk.row().outcome is Outcome.FLAGGED


def test_who_acts_on_a_study_while_it_is_removed_is_told_so_and_nothing_is_written(
    desk: Any, eventually: Callable[..., None]
) -> None:
    said: list[str] = []

    def note() -> None:
        try:
            reading_marks.add_note(desk.database, desk.uid, desk.acting(), "seen")
        except RefusedError as error:
            said.append(str(error))

    late = Thread(target=note)
    with desk.database.begin() as connection:
        connection.execute(update(study).values(removed_at=desk.now))
        late.start()
        if connection.dialect.name == "postgresql":  # on SQLite it waits with its first word
            waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            eventually(lambda: connection.execute(waits).scalar_one())
    late.join()
    assert said == [REMOVED]
    with desk.database.read() as connection:
        assert connection.execute(select(reading_act)).all() == []
