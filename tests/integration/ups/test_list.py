"""The list that a RIS pulls: which tasks there are, how urgent, in what order, and what is said of each."""

from datetime import timedelta
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence

from db.causes import How
from db.outcome import Outcome
from db.priority import Priority
from db.reading import record_read
from db.workitems import tidy

FLAGGED = "Read: AI-flagged suspected pneumonia"


def told(tasks: list[Dataset]) -> list[tuple[str, str]]:
    return [(task.ScheduledProcedureStepPriority, task.ProcedureStepLabel) for task in tasks]


def test_the_first_to_be_due_comes_first_and_each_says_how_urgent_it_is(hospital: Any, serve: Any) -> None:
    client = serve(hospital)
    hospital.study("1.2.1", order_priority=Priority.ROUTINE)
    hospital.study("1.2.2", order_priority=Priority.MEDIUM)
    hospital.study("1.2.3", Outcome.FLAGGED)
    hospital.study("1.2.4", Outcome.FLAGGED, order_priority=Priority.HIGH)
    hospital.study("1.2.5", Outcome.FAILED)
    neutral = "Read: imaging study"
    assert told(client.listed("SCHEDULED")) == [
        ("MEDIUM", neutral),
        ("HIGH", FLAGGED),
        ("MEDIUM", FLAGGED),
        ("LOW", neutral),
        ("LOW", neutral),
    ]


def test_a_flagged_image_makes_the_task_before_its_study_is_complete(hospital: Any, serve: Any) -> None:
    client = serve(hospital)
    received = hospital.receive()
    assert client.listed() == []
    hospital.score(received, Outcome.FLAGGED)
    (before,) = client.listed()
    assert told([before]) == [("MEDIUM", FLAGGED)]
    hospital.conclude(received)
    (after,) = client.listed()
    assert after.SOPInstanceUID == before.SOPInstanceUID


def test_a_late_flagged_image_raises_the_task_that_is_there_and_none_lowers_it(hospital: Any, serve: Any) -> None:
    client = serve(hospital)
    hospital.study()
    (before,) = client.listed()
    hospital.study(outcome=Outcome.FLAGGED)
    (after,) = client.listed()
    assert told([before, after]) == [("LOW", "Read: imaging study"), ("MEDIUM", FLAGGED)]
    assert after.SOPInstanceUID == before.SOPInstanceUID
    hospital.study()
    assert told(client.listed()) == [("MEDIUM", FLAGGED)]


def test_a_new_image_after_the_reading_makes_a_new_task(hospital: Any, serve: Any) -> None:
    client = serve(hospital)
    hospital.study()
    (first,) = client.listed("SCHEDULED")
    client.complete(first.SOPInstanceUID)
    assert client.listed("SCHEDULED") == []
    hospital.study(outcome=Outcome.FLAGGED)
    (second,) = client.listed("SCHEDULED")
    assert second.SOPInstanceUID != first.SOPInstanceUID


def test_a_study_that_was_read_otherwise_is_no_task_any_more_unless_somebody_holds_it(
    hospital: Any, serve: Any
) -> None:
    client = serve(hospital)
    ids = [hospital.study("1.2.1"), hospital.study("1.2.2")]
    held = client.listed()[0].SOPInstanceUID
    client.claim(held)
    with hospital.database.begin() as connection:
        for study_id in ids:
            record_read(connection, study_id, how="final report (HL7)", at=hospital.now)
    assert tidy(hospital.database, hospital.queue, now=hospital.now) == 1
    assert tidy(hospital.database, hospital.queue, now=hospital.now) == 0
    assert client.listed("SCHEDULED") == []
    assert [task.SOPInstanceUID for task in client.listed("IN PROGRESS")] == [held]


@pytest.mark.parametrize(("how", "left"), [(How.MODALITY, 0), (How.REJECTED, 0), (How.RESULT, 1)])
def test_what_was_withdrawn_is_no_task_and_a_study_whose_result_was_withdrawn_is_one_as_any_other(
    hospital: Any, serve: Any, how: How, left: int
) -> None:
    client = serve(hospital)
    received = hospital.receive()
    hospital.score(received, Outcome.FLAGGED)
    hospital.conclude(received)
    (before,) = client.listed("SCHEDULED")
    hospital.withdraw(received, how)
    after = client.listed("SCHEDULED")
    assert told(after) == [("LOW", "Read: imaging study")] * left
    _, found = client.get(before.SOPInstanceUID)
    assert found.ProcedureStepState == "CANCELED"
    assert found.ProcedureStepProgressInformationSequence[0].ReasonForCancellation.startswith("Its images")


def test_a_withdrawn_study_that_somebody_reads_is_left_to_that_one(hospital: Any, serve: Any) -> None:
    client = serve(hospital)
    received = hospital.receive()
    hospital.score(received, Outcome.FLAGGED)
    hospital.conclude(received)
    uid = client.listed()[0].SOPInstanceUID
    transaction = client.claim(uid)
    hospital.withdraw(received, How.MODALITY)
    assert [task.SOPInstanceUID for task in client.listed("IN PROGRESS")] == [uid]
    assert client.change(uid, "CANCELED", transaction) == 0x0000
    assert client.listed("SCHEDULED") == [], "nothing is left to read"


def test_a_task_that_its_reader_forgot_is_given_to_others(hospital: Any, serve: Any) -> None:
    client = serve(hospital)
    hospital.study()
    forgotten = client.listed()[0].SOPInstanceUID
    transaction = client.claim(forgotten)
    hospital.now += timedelta(hours=11)
    assert client.performed(forgotten, transaction) == 0x0000
    hospital.now += timedelta(hours=11)
    assert tidy(hospital.database, hospital.queue, now=hospital.now) == 0, "it has said something meanwhile"
    hospital.now += timedelta(hours=2)
    assert tidy(hospital.database, hospital.queue, now=hospital.now) == 1
    (again,) = client.listed("SCHEDULED")
    assert again.SOPInstanceUID != forgotten
    assert client.change(forgotten, "COMPLETED", transaction) == 0xC300


def test_a_task_says_whose_study_it_is_and_what_to_read(hospital: Any, serve: Any) -> None:
    received = hospital.receive()
    hospital.receive()
    hospital.score(received, Outcome.FLAGGED)
    client = serve(hospital)
    (task,) = client.listed()
    status, found = client.get(task.SOPInstanceUID)
    assert status == 0
    assert (found.PatientID, found.IssuerOfPatientID, str(found.PatientName)) == (
        "P1",
        "KLINIK",
        "Öztürk^Zoë=山田^太郎",
    )
    assert found.ReferencedRequestSequence[0].AccessionNumber == "A-1"
    (series,) = found.InputInformationSequence
    assert (series.StudyInstanceUID, series.SeriesInstanceUID) == ("1.2.3", "1.2.3.1")
    assert [one.ReferencedSOPInstanceUID for one in series.ReferencedSOPSequence] == ["1.2.3.1.1", "1.2.3.1.2"]
    assert series.DICOMRetrievalSequence[0].RetrieveAETitle == "TIBABU"
    assert found.ScheduledWorkitemCodeSequence[0].CodeValue == "110005"
    assert (found.InputReadinessState, found.ProcedureStepState) == ("READY", "SCHEDULED")
    due = hospital.now + timedelta(minutes=30)
    assert found.ExpectedCompletionDateTime == f"{due:%Y%m%d%H%M%S}+0000"
    status, some = client.get(task.SOPInstanceUID, [0x00741200, 0x00100020])
    assert [element.keyword for element in some] == [
        "SpecificCharacterSet",
        "PatientID",
        "ScheduledProcedureStepPriority",
    ]


def test_keys_in_sequences_and_ranges_of_times_are_matched(hospital: Any, serve: Any) -> None:
    client = serve(hospital)
    hospital.study("1.2.1", accession_number="A-1")
    hospital.study("1.2.2", accession_number="B-2", patient_id="P2")
    request = Dataset()
    request.AccessionNumber = "B*"
    keys = Dataset()
    keys.ReferencedRequestSequence = Sequence([request])
    keys.StudyInstanceUID = ""
    (found,), status = client.find(keys)
    assert (found.StudyInstanceUID, status) == ("1.2.2", 0)
    keys = Dataset()
    keys.ExpectedCompletionDateTime = "20260101-20260101120000+0000"
    assert client.find(keys) == ([], 0)
    keys.ExpectedCompletionDateTime = "20260101-20260102"
    assert len(client.find(keys)[0]) == 2
    keys.ExpectedCompletionDateTime = "20260101"
    keys.PatientID = "P2"
    assert len(client.find(keys)[0]) == 1


def test_a_list_longer_than_is_read_at_once_is_told_whole_and_in_order(sqlite_hospital: Any, serve: Any) -> None:
    received = [sqlite_hospital.receive(f"1.2.{number}", order_priority=Priority.HIGH) for number in range(105)]
    for one in received:
        sqlite_hospital.score(one, Outcome.FLAGGED)
    listed = serve(sqlite_hospital).listed()
    assert len({task.SOPInstanceUID for task in listed}) == 105
