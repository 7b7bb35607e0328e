"""Amendments and reading: a concluded study is reported anew with the same result; a read one leaves the worklist."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from db.amendment import amendment_to_record, enqueue_amendments, record_amendment, request_amendment
from db.comparison import compare_task, record_comparison
from db.completion import close_due
from db.conclusion import ReportOrder, record_conclusion, study_to_conclude
from db.delivery import delivery_task
from db.delivery_attempt import Hold, acknowledge, begin_attempt
from db.lifecycle import State
from db.orders import apply_order
from db.outcome import study_outcome
from db.priority import Priority
from db.reading import record_read
from db.schema.domain import instance, study
from db.worklist import StudyRecord, study_record, worklist
from db.worklist_counts import worklist_counts

SR = ReportOrder(kind="sr", media_type="application/dicom", destinations=("pacs",))
UID = "1.2.3"


def record(ledger: Any) -> StudyRecord:
    found = study_record(ledger.database, UID)
    assert found is not None
    return found


@pytest.fixture
def study_id(ledger: Any) -> int:
    """Return a concluded, flagged study with an SR that waits."""
    received = ledger.receive()
    ledger.score(received.instance_id)
    at = ledger.now
    ledger.now += timedelta(seconds=31)
    close_due(ledger.database, ledger.queue, now=ledger.now)
    due = study_to_conclude(ledger.database, received.study_id)
    assert due is not None
    given = {"revision": due.revision, "outcome": study_outcome(due.images), "analysed_at": at}
    conclusion = ledger.conclusion(due.study_id, SR, **given)
    assert record_conclusion(ledger.database, ledger.queue, conclusion)
    return int(received.study_id)


def request(ledger: Any, study_id: int) -> bool:
    with ledger.database.begin() as connection:
        return request_amendment(connection, ledger.queue, study_id, reason="patient corrected", at=ledger.now)


def amend(ledger: Any, study_id: int) -> bool:
    basis = amendment_to_record(ledger.database, study_id)
    assert basis is not None
    amended = replace(basis.conclusion, concluded_at=ledger.now, reports=(SR,))
    return record_amendment(ledger.database, ledger.queue, amended)


def test_an_amended_study_has_the_same_result_and_a_new_version_of_its_report(ledger: Any, study_id: int) -> None:
    assert request(ledger, study_id)
    assert ledger.waiting()["amend"] == 1
    assert amend(ledger, study_id)
    found = record(ledger)
    same = ("outcome", "probability", "model_sha256", "threshold", "device_uid", "analysed_at")
    first, second = ({name: row[name] for name in same} for row in found.results)
    assert first == second
    assert [row["version"] for row in found.reports] == [1, 2]
    assert [row["state"] for row in found.deliveries] == ["SUPERSEDED", "QUEUED"]
    assert found.events[-1]["event"] == "AMENDED"
    assert found.events[-1]["detail"] == "patient corrected"


def test_a_delivered_study_is_delivered_again(ledger: Any, study_id: int) -> None:
    acknowledge(ledger.database, record(ledger).deliveries[0]["id"], detail="0000", at=ledger.now)
    assert record(ledger).study.state is State.DELIVERED
    request(ledger, study_id)
    assert amend(ledger, study_id)
    assert record(ledger).study.state is State.CONCLUDED
    assert [row["state"] for row in record(ledger).deliveries] == ["ACKNOWLEDGED", "QUEUED"]


def test_an_amendment_is_recorded_once_however_often_it_is_asked_for(ledger: Any, study_id: int) -> None:
    request(ledger, study_id)
    request(ledger, study_id)
    basis = amendment_to_record(ledger.database, study_id)
    assert basis is not None
    assert amend(ledger, study_id)
    amended = replace(basis.conclusion, concluded_at=ledger.now, reports=(SR,))
    assert not record_amendment(ledger.database, ledger.queue, amended)
    assert amendment_to_record(ledger.database, study_id) is None
    assert enqueue_amendments(ledger.database, ledger.queue, now=ledger.now) == 0


def test_an_amendment_whose_job_was_lost_is_enqueued_again(ledger: Any, study_id: int) -> None:
    request(ledger, study_id)
    assert enqueue_amendments(ledger.database, ledger.queue, now=ledger.now) == 1


def test_a_report_of_who_the_patient_no_longer_is_does_not_leave_even_if_it_was_rendered_before(
    ledger: Any, study_id: int
) -> None:
    (waiting,) = record(ledger).deliveries
    assert delivery_task(ledger.database, waiting["id"]) is not None
    request(ledger, study_id)
    assert begin_attempt(ledger.database, waiting["id"], sha256="0" * 64, at=ledger.now) is Hold.SETTLED
    assert delivery_task(ledger.database, waiting["id"]) is None
    assert amend(ledger, study_id)
    *_, corrected = record(ledger).deliveries
    assert delivery_task(ledger.database, corrected["id"]) is not None


def test_nor_does_it_while_a_late_image_is_received(ledger: Any, study_id: int) -> None:
    (waiting,) = record(ledger).deliveries
    ledger.receive()
    assert delivery_task(ledger.database, waiting["id"]) is not None
    assert not request(ledger, study_id)
    assert delivery_task(ledger.database, waiting["id"]) is None
    assert enqueue_amendments(ledger.database, ledger.queue, now=ledger.now) == 0


def test_a_study_that_is_being_received_needs_no_amendment(ledger: Any) -> None:
    received = ledger.receive()
    assert not request(ledger, received.study_id)


def test_a_read_study_leaves_the_worklist_until_a_new_image_comes(ledger: Any, study_id: int) -> None:
    def read() -> bool:
        with ledger.database.begin() as connection:
            return record_read(connection, study_id, how="final report (HL7)", at=ledger.now)

    assert len(worklist(ledger.database)) == worklist_counts(ledger.database, now=ledger.now).studies == 1
    assert read()
    assert not read()
    assert worklist(ledger.database) == ()
    assert worklist_counts(ledger.database, now=ledger.now).studies == 0
    found = record(ledger)
    assert (found.study.read_at, found.study.read_how) == (ledger.now, "final report (HL7)")
    assert [event["event"] for event in found.events].count("READ") == 1
    ledger.receive()
    assert [row.study_instance_uid for row in worklist(ledger.database)] == [UID]
    with ledger.database.read() as connection:
        assert connection.execute(select(study.c.read_at, study.c.read_how)).one() == (None, None)


def test_an_image_that_comes_after_a_study_was_read_puts_it_back_also_while_it_arrives(ledger: Any) -> None:
    first = ledger.receive()
    with ledger.database.begin() as connection:
        assert record_read(connection, first.study_id, how="final report (HL7)", at=ledger.now)
    ledger.receive()
    with ledger.database.read() as connection:
        found = connection.execute(select(study.c.revision, study.c.read_at, study.c.read_how)).one()
    assert found == (1, None, None)


def test_a_read_study_whose_identity_turns_out_to_be_in_conflict_is_there_for_a_person_to_decide(ledger: Any) -> None:
    first = ledger.receive()
    with ledger.database.begin() as connection:
        assert record_read(connection, first.study_id, how="final report (HL7)", at=ledger.now)
        uid = connection.execute(select(instance.c.sop_instance_uid)).scalar_one()
    other = ledger.receive(sop_instance_uid=uid)
    task = compare_task(ledger.database, other.instance_id)
    assert task is not None
    record_comparison(ledger.database, ledger.queue, task, same=False, at=ledger.now)
    assert [one.study_instance_uid for one in worklist(ledger.database)] == [UID]


def order(ledger: Any, study_id: int, priority: Priority, accession_number: str = "") -> bool:
    return apply_order(
        ledger.database,
        ledger.queue,
        study_id,
        priority=priority,
        accession_number=accession_number,
        at=ledger.now,
        allowances=ledger.allowances,
    )


@pytest.mark.parametrize(
    ("priority", "accession_number", "said"),
    [
        (Priority.HIGH, "", "priority raised by its order"),
        (Priority.ROUTINE, "A1", "accession number from its order"),
        (Priority.HIGH, "A1", "priority raised by its order, accession number from its order"),
    ],
)
def test_an_order_that_comes_after_the_conclusion_is_told_to_whoever_had_the_reports(
    ledger: Any, study_id: int, priority: Priority, accession_number: str, said: str
) -> None:
    """A task at another system must not go on asking for less haste than the order does."""
    assert order(ledger, study_id, priority, accession_number)
    assert amend(ledger, study_id)
    assert record(ledger).events[-1]["detail"] == said


def test_an_order_that_asks_for_no_more_haste_than_the_ai_changes_no_report(ledger: Any, study_id: int) -> None:
    assert order(ledger, study_id, Priority.MEDIUM), "it is on record"
    assert amendment_to_record(ledger.database, study_id) is None
