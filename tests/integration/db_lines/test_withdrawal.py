"""Withdrawn results as rows: what is taken back, from whom, and what a rejection note of ours names."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from db.attributes import InstanceAttributes
from db.causes import Cause, reason_of
from db.completion import close_due
from db.concluded import ConcludedStudy, concluded_study
from db.conclusion import Conclusion, ReportOrder, TakenBack, record_conclusion, study_to_conclude
from db.delivery import RenderedInstance, StoredReport, delivery_task, record_rendered
from db.delivery_attempt import Begun, Ending, acknowledge, begin_attempt, record_failed_attempt
from db.errors import RefusedError
from db.outcome import Outcome, study_outcome
from db.priority import Priority
from db.rejected import heed, note_task
from db.rejection import NOTHING_SENT
from db.requeue import requeue_study
from db.result_withdrawal import Why, withdraw_result
from db.roles import Role
from db.schema.domain import delivery, instance, report, study
from db.withdrawal import enqueue_withdrawals, record_withdrawal, withdrawal_to_record
from db.worklist import StudyRecord, study_record

ALL = ("pacs", "archive", "viewer")
SR = ReportOrder(kind="sr", media_type="application/dicom", destinations=ALL)
NOTE = ReportOrder(kind="rejection", media_type="application/dicom", destinations=ALL, rejects=True)


class Reported:
    """A concluded, flagged study of one image, with an SR for each of three destinations, and its ledger."""

    def __init__(self, ledger: Any, uid: str = "1.2.3") -> None:
        self.ledger, self.uid = ledger, uid
        self.database, self.queue = ledger.database, ledger.queue
        self.study_id = self.image()
        self.conclude()

    def image(self) -> int:
        received = self.ledger.receive(study_instance_uid=self.uid)
        self.score(received.instance_id)
        return int(received.study_id)

    def score(self, instance_id: int) -> None:
        self.ledger.score(instance_id)

    def conclusion(self, due: Any) -> Conclusion:
        assert due is not None
        taken = None if due.takes_back is None else TakenBack(cause=due.takes_back, reason=due.withdrawn, note=NOTE)
        found: Conclusion = self.ledger.conclusion(
            due.study_id,
            *(() if due.conflict else (SR,)),
            revision=due.revision,
            withdrawals=due.withdrawals,
            outcome=study_outcome(due.images, withdrawn=due.withdrawn, conflict=due.conflict),
            taken_back=taken,
        )
        return found

    def conclude(self) -> None:
        self.ledger.now += timedelta(hours=1)
        close_due(self.database, self.queue, now=self.ledger.now)
        assert record_conclusion(
            self.database, self.queue, self.conclusion(study_to_conclude(self.database, self.study_id))
        )

    def withdraw(self, cause: Cause = Cause.QUALITY) -> Any:
        why = Why(cause=cause, reason=reason_of(cause), actor="user test")
        return withdraw_result(
            self.database, self.queue, self.uid, why, at=self.ledger.now, allowances=self.ledger.allowances
        )

    def record_withdrawal(self) -> None:
        due = withdrawal_to_record(self.database, self.study_id)
        assert record_withdrawal(self.database, self.queue, self.conclusion(due))

    @property
    def record(self) -> StudyRecord:
        found = study_record(self.database, self.uid)
        assert found is not None
        return found

    def deliveries(self, kind: str = "sr", version: int = 1) -> Iterator[Any]:
        query = (
            select(delivery.c.id, delivery.c.report_id, delivery.c.destination, delivery.c.state)
            .join(report, report.c.id == delivery.c.report_id)
            .where(report.c.kind == kind, report.c.version == version)
            .order_by(delivery.c.id)
        )
        with self.database.read() as connection:
            yield from connection.execute(query).all()

    def render(self, report_id: int, uid: str) -> None:
        stored = StoredReport(
            identifier=uid,
            sop_class_uid="1.2.840.10008.5.1.4.1.1.88.34",
            series_instance_uid="1.9.8",
            sha256=uid.replace(".", "f").rjust(64, "f"),
            path=uid,
            size=1,
        )
        about = RenderedInstance("1.2.840.10008.1.2.1", is_image=False, attributes=InstanceAttributes(modality="SR"))
        record_rendered(self.database, report_id, stored, about, at=self.ledger.now)

    def send(self, one: Any, ending: Ending | None, status: str = "") -> None:
        """Attempt a delivery that ends so; None: nobody knows how, its process died."""
        begun = begin_attempt(self.database, one.id, sha256="a" * 64, at=self.ledger.now)
        assert isinstance(begun, Begun)
        more: dict[str, Any] = {"at": self.ledger.now, "attempt_id": begun.attempt_id}
        if ending is Ending.ACKNOWLEDGED:
            acknowledge(self.database, one.id, detail="0000", **more)
        elif ending is not None:
            record_failed_attempt(self.database, one.id, reason="r", parked=True, ending=ending, status=status, **more)

    def notes(self) -> dict[str, ConcludedStudy]:
        found = [one for version in range(1, 9) for one in self.deliveries("rejection", version)]
        return {one.destination: concluded_study(self.database, one.report_id) for one in found}


@pytest.fixture
def reported(ledger: Any) -> Reported:
    return Reported(ledger)


def test_a_study_that_is_unknown_or_has_no_result_or_is_withdrawn_already_is_refused(ledger: Any) -> None:
    reported = Reported(ledger)
    ledger.receive(study_instance_uid="1.2.9")
    for uid, message in (("1.2.8", "on record. Received: 1.2.8"), ("1.2.9", "Received: state=RECEIVING")):
        why = Why(cause=Cause.SAFETY, reason="withdrawn: x", actor="user test")
        with pytest.raises(RefusedError, match=message):
            withdraw_result(ledger.database, ledger.queue, uid, why, at=ledger.now, allowances=ledger.allowances)
    reported.withdraw()
    with pytest.raises(RefusedError, match="withdrawn already"):
        reported.withdraw()
    reported.record_withdrawal()
    with pytest.raises(RefusedError, match="withdrawn already"):
        reported.withdraw()


def test_at_once_nothing_of_the_result_counts_any_more(reported: Reported) -> None:
    assert reported.record.study.priority is Priority.MEDIUM
    done = reported.withdraw(Cause.SAFETY)
    assert (done.revision, done.outcome, done.images) == (1, Outcome.FLAGGED, 1)
    found = reported.record
    assert found.study.priority is Priority.ROUTINE
    assert (found.study.outcome, found.study.reason) == (
        Outcome.NOT_ANALYSED,
        "withdrawn: rejected for patient safety reasons",
    )
    assert {row["state"] for row in found.deliveries} == {"SUPERSEDED"}
    assert (found.events[-1]["event"], found.events[-1]["actor"]) == ("RESULT_WITHDRAWN", "user test")
    assert reported.ledger.waiting()["withdraw"] == 1


def test_each_destination_gets_a_note_of_what_it_may_have(reported: Reported) -> None:
    """Acknowledged and unknown, yes; what was never sent, no."""
    pacs, archive, viewer = reported.deliveries()
    reported.render(pacs.report_id, "1.9.1")
    reported.send(pacs, Ending.ACKNOWLEDGED)
    reported.send(archive, None)
    reported.send(viewer, Ending.FAILED)
    reported.withdraw()
    reported.record_withdrawal()
    notes = reported.notes()
    assert notes.keys() == {"pacs", "archive"}
    for note in notes.values():
        assert [one.sop_instance_uid for one in note.rejected] == ["1.9.1"]
        assert (note.withdrawal_cause, note.withdrawal_reason) == (
            Cause.QUALITY,
            "withdrawn: rejected for quality reasons",
        )
    assert len({note.version for note in notes.values()}) == 2, "each has a UID of its own"


@pytest.mark.parametrize(
    ("ending", "status", "notes"),
    [
        (Ending.BROKE, "", 1),
        (Ending.REFUSED, "A700", 1),
        (Ending.REFUSED, "0122", 0),
        (Ending.FAILED, "", 0),
    ],
)
def test_what_a_destination_refused_may_be_there_unless_it_takes_none_of_that_class(
    reported: Reported, ending: Ending, status: str, notes: int
) -> None:
    pacs, *_ = reported.deliveries()
    reported.render(pacs.report_id, "1.9.1")
    reported.send(pacs, ending, status)
    reported.withdraw()
    reported.record_withdrawal()
    assert len(reported.notes()) == notes


def test_the_ledger_and_the_note_mean_the_same_by_nothing_sent() -> None:
    assert (Ending.FAILED, Ending.TESTED) == NOTHING_SENT


def test_where_nothing_was_sent_there_is_no_note(reported: Reported) -> None:
    reported.withdraw()
    reported.record_withdrawal()
    assert reported.notes() == {}


def test_a_later_result_supersedes_the_report_and_not_the_note(reported: Reported) -> None:
    pacs, *_ = reported.deliveries()
    reported.render(pacs.report_id, "1.9.1")
    reported.send(pacs, Ending.ACKNOWLEDGED)
    reported.withdraw()
    reported.record_withdrawal()
    reported.image()
    reported.conclude()
    assert [one.state for one in reported.deliveries("sr", 2)] == ["SUPERSEDED"] * 3
    (note,) = reported.deliveries("rejection")
    assert note.state == "QUEUED"


def test_a_note_leaves_although_its_study_is_in_quarantine_by_now(reported: Reported) -> None:
    pacs, *_ = reported.deliveries()
    reported.render(pacs.report_id, "1.9.1")
    reported.send(pacs, Ending.ACKNOWLEDGED)
    with reported.database.begin() as connection:
        connection.execute(update(study).values(conflict="conflicting identity"))
    reported.withdraw()
    reported.record_withdrawal()
    (note,) = reported.deliveries("rejection")
    assert delivery_task(reported.database, note.id) is not None
    assert isinstance(begin_attempt(reported.database, note.id, sha256="a" * 64, at=reported.ledger.now), Begun)


def test_a_withdrawal_that_a_late_image_overtakes_is_recorded_with_its_result(reported: Reported) -> None:
    """The late image alone decides; what was sent is taken back all the same."""
    pacs, *_ = reported.deliveries()
    reported.render(pacs.report_id, "1.9.1")
    reported.send(pacs, Ending.ACKNOWLEDGED)
    reported.withdraw()
    reported.image()
    assert withdrawal_to_record(reported.database, reported.study_id) is None
    reported.conclude()
    assert reported.record.study.outcome is Outcome.FLAGGED
    assert [one.sop_instance_uid for one in reported.notes()["pacs"].rejected] == ["1.9.1"]


def test_a_requeue_brings_back_what_was_withdrawn_with_its_result_and_not_what_was_rejected(
    reported: Reported,
) -> None:
    rejected = reported.ledger.receive(sop_instance_uid="1.2.77")
    reported.score(rejected.instance_id)
    reported.conclude()
    reported.withdraw()
    reported.record_withdrawal()
    note = reported.ledger.receive(candidate=False, rejects=True)
    task = note_task(reported.database, note.instance_id)
    at = reported.ledger.now
    heed(
        reported.database, reported.queue, task, Cause.SAFETY, ["1.2.77"], at=at, allowances=reported.ledger.allowances
    )
    requeue_study(reported.database, reported.queue, "1.2.3", actor="test", now=at)
    with reported.database.read() as connection:
        rows = connection.execute(
            select(instance).where(instance.c.role == Role.CANDIDATE).order_by(instance.c.id)
        ).all()
    assert [row.withdrawn for row in rows] == [None, "withdrawn: rejected for patient safety reasons"]


def test_a_note_that_names_a_report_of_an_earlier_result_changes_nothing(reported: Reported) -> None:
    pacs, *_ = reported.deliveries()
    reported.render(pacs.report_id, "1.9.1")
    reported.image()
    reported.conclude()
    note = reported.ledger.receive(candidate=False, rejects=True)
    task = note_task(reported.database, note.instance_id)
    at = reported.ledger.now
    done = heed(
        reported.database, reported.queue, task, Cause.QUALITY, ["1.9.1"], at=at, allowances=reported.ledger.allowances
    )
    assert (done.images, done.results, done.to_come) == (0, 0, 0)
    assert reported.record.study.outcome is Outcome.FLAGGED


def test_two_patients_with_one_id_are_never_mixed_in_a_note(ledger: Any) -> None:
    first, second = Reported(ledger, "1.2.3"), Reported(ledger, "1.2.4")
    for number, reported in enumerate((first, second), 1):
        one = next(
            one
            for one in reported.deliveries("sr", 1)
            if one.destination == "pacs" and one.report_id in {row["id"] for row in reported.record.reports}
        )
        reported.render(one.report_id, f"1.9.{number}")
        reported.send(one, Ending.ACKNOWLEDGED)
    first.withdraw()
    first.record_withdrawal()
    assert [one.sop_instance_uid for one in first.notes()["pacs"].rejected] == ["1.9.1"]
    assert second.record.study.outcome is Outcome.FLAGGED


def test_a_withdrawal_whose_job_was_lost_is_enqueued_again(reported: Reported) -> None:
    reported.withdraw()
    assert enqueue_withdrawals(reported.database, reported.queue, now=reported.ledger.now) == 1
    reported.record_withdrawal()
    assert enqueue_withdrawals(reported.database, reported.queue, now=reported.ledger.now) == 0
