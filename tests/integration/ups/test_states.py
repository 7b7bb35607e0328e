"""Clients on pynetdicom walk the states of a reading task (PS3.4 table CC.1.1-2), over the wire."""

from datetime import timedelta
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid
from pynetdicom.sop_class import UnifiedProcedureStepPull as Pull
from pynetdicom.sop_class import UnifiedProcedureStepPush as Push
from pynetdicom.sop_class import UnifiedProcedureStepQuery as Query
from pynetdicom.sop_class import UnifiedProcedureStepWatch as Watch

from db.causes import How
from db.outcome import Outcome
from db.worklist import worklist
from dicom_io.door import Verb


def only_uid(client: Any, state: str = "SCHEDULED") -> str:
    (task,) = client.listed(state)
    return str(task.SOPInstanceUID)


def test_a_reader_claims_completes_and_the_study_leaves_the_list(hospital: Any, serve: Any) -> None:
    hospital.study(outcome=Outcome.FLAGGED)
    client = serve(hospital)
    uid, transaction = only_uid(client), str(generate_uid())
    assert len(worklist(hospital.database)) == 1
    assert client.change(uid, "COMPLETED", transaction) == 0xC310, "nothing is completed that nobody claimed"
    assert client.change(uid, "IN PROGRESS", transaction) == 0x0000
    assert worklist(hospital.database)[0].reader == "RIS", "the list says who reads it"
    assert client.change(uid, "IN PROGRESS", transaction) == 0xC302
    assert client.change(uid, "IN PROGRESS", generate_uid()) == 0xC301, "somebody else's claim has another lock"
    assert client.change(uid, "COMPLETED", generate_uid()) == 0xC301
    assert client.change(uid, "SCHEDULED", transaction) == 0xC303
    assert client.change(uid, "COMPLETED", transaction) == 0xC304
    assert client.performed(uid, str(generate_uid())) == 0xC301
    assert client.performed(uid, transaction, PerformedProcedureStepEndDateTime=False) == 0x0000
    assert client.change(uid, "COMPLETED", transaction) == 0xC304
    assert client.performed(uid, transaction) == 0x0000
    assert client.change(uid, "COMPLETED", transaction) == 0x0000
    assert client.listed("SCHEDULED") == client.listed("IN PROGRESS") == []
    assert worklist(hospital.database) == ()
    assert client.change(uid, "COMPLETED", transaction) == 0xB306
    assert client.change(uid, "CANCELED", transaction) == 0xC300
    assert client.change(uid, "IN PROGRESS", transaction) == 0xC300
    assert client.performed(uid, transaction) == 0xC300
    assert client.request_cancel(uid) == 0xC311
    _, found = client.get(uid)
    assert found.ProcedureStepState == "COMPLETED"
    assert (
        found.UnifiedProcedureStepPerformedProcedureSequence[0].PerformedStationNameCodeSequence[0].CodeValue == "RIS1"
    )
    assert "TransactionUID" not in found, "the lock is never told"


def test_a_reading_that_is_broken_off_is_scheduled_anew(hospital: Any, serve: Any) -> None:
    hospital.study()
    client = serve(hospital)
    first = only_uid(client)
    transaction = client.claim(first)
    assert client.listed("SCHEDULED") == []
    assert client.change(first, "CANCELED", transaction) == 0x0000
    assert client.change(first, "CANCELED", transaction) == 0xB304
    _, cancelled = client.get(first)
    assert cancelled.ProcedureStepProgressInformationSequence[0].ProcedureStepCancellationDateTime
    again = only_uid(client)
    assert again != first
    _, found = client.get(again)
    assert found.ReplacedProcedureStepSequence[0].ReferencedSOPInstanceUID == first
    assert len(worklist(hospital.database)) == 1


def test_a_cancellation_that_is_asked_for_ends_a_task_that_nobody_holds(hospital: Any, serve: Any) -> None:
    hospital.study()
    client = serve(hospital)
    uid = only_uid(client)
    assert client.request_cancel(uid, ReasonForCancellation="Reported elsewhere") == 0x0000
    assert client.request_cancel(uid, meta=Push) == 0xB304
    assert client.listed("SCHEDULED") == []
    _, found = client.get(uid)
    assert found.ProcedureStepProgressInformationSequence[0].ReasonForCancellation == "Reported elsewhere"
    assert len(worklist(hospital.database)) == 1, "the study itself still waits to be read"


def test_a_cancellation_that_nobody_could_hear_of_is_refused(hospital: Any, serve: Any) -> None:
    hospital.study()
    client = serve(hospital)
    uid = only_uid(client)
    client.claim(uid)
    assert client.request_cancel(uid) == 0xC312
    assert only_uid(client, "IN PROGRESS") == uid


def test_a_task_that_is_not_known_is_not_there(hospital: Any, serve: Any) -> None:
    client, uid = serve(hospital), str(generate_uid())
    assert client.change(uid, "IN PROGRESS", generate_uid()) == 0xC307
    assert client.performed(uid, str(generate_uid())) == 0xC307
    assert client.request_cancel(uid) == 0xC307
    assert client.get(uid) == (0xC307, None)


def test_what_is_not_a_performers_to_say_is_left_out_with_a_warning(hospital: Any, serve: Any) -> None:
    hospital.study()
    client = serve(hospital)
    uid = only_uid(client)
    modification = Dataset()
    modification.ProcedureStepLabel, modification.ScheduledProcedureStepPriority = "Read: normal", "LOW"
    assert client.set(uid, modification) == 0xC310, "nor is a task changed that nobody holds"
    modification.TransactionUID = client.claim(uid)
    assert client.set(uid, modification) == 0x0001
    _, found = client.get(uid)
    assert found.ProcedureStepLabel == "Read: imaging study"


def test_a_peer_that_may_only_pull_changes_nothing(hospital: Any, serve: Any) -> None:
    hospital.study()
    client = serve(hospital, (Verb.UPS_PULL,))
    uid = only_uid(client)
    assert client.change(uid, "IN PROGRESS", generate_uid()) == 0x0124
    assert client.performed(uid, "1.2") == 0x0124
    assert client.request_cancel(uid) == 0x0124
    assert only_uid(client) == uid


@pytest.mark.parametrize("title", ["STRANGER", "RIS"])
def test_tasks_are_shown_to_nobody_by_default(sqlite_hospital: Any, serve: Any, title: str) -> None:
    client = serve(sqlite_hospital, (Verb.ECHO,))
    client.title = title
    with pytest.raises(AssertionError):
        client.associate(Pull, Watch, Push, Query)


def test_each_service_does_what_is_its_own_and_nothing_else(sqlite_hospital: Any, serve: Any) -> None:
    sqlite_hospital.study()
    client = serve(sqlite_hospital)
    uid = only_uid(client)
    information = Dataset()
    information.ProcedureStepState, information.TransactionUID = "IN PROGRESS", generate_uid()
    assert client.act(uid, 1, information, Watch) == 0x0123
    assert client.act(uid, 2, information, Pull) == 0x0123
    assert client.act(uid, 3, information, Push) == 0x0123
    assert client.act(uid, 1, information, Query) == 0x0211
    information.ProcedureStepState = "DONE"
    assert client.act(uid, 1, information) == 0x0115
    del information.TransactionUID
    information.ProcedureStepState = "IN PROGRESS"
    assert client.act(uid, 1, information) == 0xC301
    keys = Dataset()
    keys.ProcedureStepState = ""
    assert len(client.find(keys, Query)[0]) == len(client.find(keys, Watch)[0]) == 1


def test_tasks_are_not_taken_from_others(sqlite_hospital: Any, serve: Any) -> None:
    client = serve(sqlite_hospital)
    association = client.associate(Push)
    task = Dataset()
    task.ProcedureStepState = "SCHEDULED"
    status, _ = association.send_n_create(task, Push, generate_uid())
    association.release()
    assert status.Status == 0x0124


def test_who_completes_a_task_without_the_image_that_came_meanwhile_leaves_the_study_on_the_list(
    hospital: Any, serve: Any
) -> None:
    received = hospital.receive()
    hospital.score(received)
    hospital.conclude(received)
    client = serve(hospital)
    uid = only_uid(client)
    transaction = client.claim(uid)
    late = hospital.receive()
    hospital.score(late, Outcome.FLAGGED)
    assert client.performed(uid, transaction) == 0x0000
    assert client.change(uid, "COMPLETED", transaction) == 0x0000
    assert len(worklist(hospital.database)) == 1
    client.complete(only_uid(client))
    assert worklist(hospital.database) == ()
    assert client.listed("SCHEDULED") == []


def test_a_task_whose_study_is_needed_after_all_is_followed_by_another_if_its_performer_heeds_the_cancellation(
    hospital: Any, serve: Any
) -> None:
    received = hospital.receive()
    hospital.score(received)
    hospital.conclude(received)
    client = serve(hospital)
    uid = only_uid(client)
    transaction = client.claim(uid)
    hospital.withdraw(received, How.RESULT)
    assert client.change(uid, "CANCELED", transaction) == 0x0000
    assert only_uid(client) != uid


def test_an_image_that_comes_after_the_reading_is_another_task_also_in_the_same_revision(
    hospital: Any, serve: Any
) -> None:
    hospital.score(hospital.receive(), Outcome.FLAGGED)
    client = serve(hospital)
    client.complete(only_uid(client))
    hospital.now += timedelta(seconds=1)
    late = hospital.receive()
    hospital.score(late)
    hospital.conclude(late)
    assert len(worklist(hospital.database)) == 1
    assert only_uid(client)
