"""Tasks sent to a worklist manager: our SCU against one built on pynetdicom alone."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import UnifiedProcedureStepPull, UnifiedProcedureStepPush, Verification

from agent.destinations import Outgoing
from agent.destinations.ups import Destination, Settings
from agent.errors import DeliveryError, DestinationDownError, Retry
from agent.reports.workitem import Task, cancellation, workitem

UID = "2.25.4711"


class Manager:
    """A worklist manager that knows the states of PS3.4 table CC.1.1-2 as far as its clients meet them here."""

    def __init__(self, *classes: str) -> None:
        self.tasks: dict[str, Dataset] = {}
        self.said: list[str] = []
        self.answer: int | None = None
        entity = AE("RIS")
        for one in classes or (UnifiedProcedureStepPush, UnifiedProcedureStepPull, Verification):
            entity.add_supported_context(one)
        handlers: list[Any] = [
            (evt.EVT_N_CREATE, self._create),
            (evt.EVT_N_SET, self._set),
            (evt.EVT_N_ACTION, self._act),
        ]
        self.server: Any = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)

    def _create(self, event: Any) -> tuple[int, Dataset | None]:
        self.said.append("N-CREATE")
        uid, task = str(event.request.AffectedSOPInstanceUID), event.attribute_list
        if self.answer is not None:
            return self.answer, None
        if uid in self.tasks:
            return 0x0111, None
        if task.ProcedureStepState != "SCHEDULED" or task.TransactionUID:
            return 0xC309, None
        self.tasks[uid] = task
        return 0x0000, task

    def _set(self, event: Any) -> tuple[int, Dataset | None]:
        self.said.append("N-SET")
        changes = event.modification_list
        task = self.tasks.get(str(event.request.RequestedSOPInstanceUID))
        if task is None:
            return 0xC307, None
        if task.ProcedureStepState in ("COMPLETED", "CANCELED"):
            return 0xC300, None
        if task.ProcedureStepState == "IN PROGRESS" and changes.get("TransactionUID") != task.TransactionUID:
            return 0xC301, None
        task.update(changes)
        return 0x0000, task

    def _act(self, event: Any) -> tuple[int, Dataset | None]:
        self.said.append(f"N-ACTION {event.action_type}")
        task = self.tasks.get(str(event.request.RequestedSOPInstanceUID))
        if task is None:
            return 0xC307, None
        if task.ProcedureStepState == "COMPLETED":
            return 0xC311, None
        task.ProcedureStepState = "CANCELED"
        task.ReasonForCancellation = event.action_information.ReasonForCancellation
        return 0x0000, None


@pytest.fixture
def manager() -> Iterator[Callable[..., Manager]]:
    made: list[Manager] = []

    def make(*classes: str) -> Manager:
        made.append(Manager(*classes))
        return made[-1]

    yield make
    for one in made:
        one.server.shutdown()


def destination(manager: Manager) -> Destination:
    port = manager.server.server_address[1]
    settings = Settings(name="ris", type="ups", ae_title="RIS", host="127.0.0.1", port=port, response_timeout_seconds=5)
    return Destination(settings, "TIBABU")


def task(priority: str = "LOW", *, is_flagged: bool = False) -> dict[str, Any]:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    return workitem(
        Task(
            sop_instance_uid=UID,
            is_flagged=is_flagged,
            priority=priority,
            received_at=noon,
            due_at=noon,
            modified_at=noon,
            study_instance_uid="1.2.3",
            patient_id="P1",
            issuer_of_patient_id="",
            patient_name="Öztürk^Zoë=山田^太郎",
            patient_birth_date="20220107",
            patient_sex="F",
            accession_number="A-1",
            study_description="Thorax",
            inputs=(("1.2.840.10008.5.1.4.1.1.1", "1.2.3.1.1", "1.2.3.1"),),
        )
    )


def outgoing(model: dict[str, Any], version: int = 1) -> Outgoing:
    data = json.dumps([model]).encode()
    return Outgoing(
        media_type="application/dicom+json", data=data, identifier=f"{UID}/{version}", study_instance_uid="1.2.3"
    )


def test_a_task_arrives_with_all_that_the_standard_demands_and_nothing_that_it_forbids(manager: Any) -> None:
    ris = manager()
    assert destination(ris).send(outgoing(task("MEDIUM", is_flagged=True))) == "0000"
    made = ris.tasks[UID]
    assert str(made.PatientName) == "Öztürk^Zoë=山田^太郎"
    assert (made.ScheduledProcedureStepPriority, made.ProcedureStepState) == ("MEDIUM", "SCHEDULED")
    assert made.ProcedureStepLabel == "Read: AI-flagged suspected pneumonia"
    assert made.InputInformationSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3.1.1"
    assert "TransactionUID" in made, "type 2: it is there, and empty"
    assert not made.TransactionUID
    for forbidden in ("SOPClassUID", "SOPInstanceUID", "ScheduledProcedureStepModificationDateTime"):
        assert forbidden not in made, forbidden


def test_a_later_version_changes_the_task_that_is_there(manager: Any) -> None:
    ris = manager()
    destination(ris).send(outgoing(task()))
    assert destination(ris).send(outgoing(task("MEDIUM", is_flagged=True), 2)) == "0000"
    assert ris.said == ["N-CREATE", "N-SET"]
    assert ris.tasks[UID].ScheduledProcedureStepPriority == "MEDIUM"
    assert str(ris.tasks[UID].PatientName) == "Öztürk^Zoë=山田^太郎"


def test_a_later_version_makes_the_task_where_no_earlier_one_arrived(manager: Any) -> None:
    ris = manager()
    assert destination(ris).send(outgoing(task("MEDIUM"), 2)) == "0000"
    assert ris.said == ["N-SET", "N-CREATE"]


@pytest.mark.parametrize(("state", "status"), [("IN PROGRESS", "C301"), ("COMPLETED", "C300"), ("CANCELED", "C300")])
def test_what_is_read_already_is_left_to_its_reader(manager: Any, state: str, status: str) -> None:
    ris = manager()
    destination(ris).send(outgoing(task()))
    ris.tasks[UID].ProcedureStepState, ris.tasks[UID].TransactionUID = state, "1.2"
    assert destination(ris).send(outgoing(task("MEDIUM"), 2)).startswith(status)
    assert ris.tasks[UID].ScheduledProcedureStepPriority == "LOW"


@pytest.mark.parametrize("version", [1, 2])
def test_a_cancelled_task_is_asked_to_be_cancelled(manager: Any, version: int) -> None:
    ris, over = manager(), outgoing(cancellation(UID, "The images were withdrawn"), version)
    assert destination(ris).send(over).startswith("C307"), "one that was never there is over already"
    destination(ris).send(outgoing(task()))
    assert destination(ris).send(over) == "0000"
    assert (ris.tasks[UID].ProcedureStepState, ris.tasks[UID].ReasonForCancellation) == (
        "CANCELED",
        "The images were withdrawn",
    )
    ris.tasks[UID].ProcedureStepState = "COMPLETED"
    assert destination(ris).send(over).startswith("C311")
    assert ris.said == ["N-ACTION 2", "N-CREATE", "N-ACTION 2", "N-ACTION 2"]


def test_a_task_that_takes_anothers_place_ends_that_one(manager: Any) -> None:
    ris = manager()
    destination(ris).send(outgoing(task()))
    new = {**task("MEDIUM"), "00080018": {"vr": "UI", "Value": ["2.25.4712"]}}
    data = json.dumps([cancellation(UID, "Another task takes its place"), new]).encode()
    both = Outgoing(
        media_type="application/dicom+json", data=data, identifier="2.25.4712/2", study_instance_uid="1.2.3"
    )
    for _ in range(2):
        assert destination(ris).send(both) == "0000"
    assert {uid: one.ProcedureStepState for uid, one in ris.tasks.items()} == {
        UID: "CANCELED",
        "2.25.4712": "SCHEDULED",
    }


def test_a_task_that_is_there_already_is_ours_only_if_the_ledger_says_so(manager: Any) -> None:
    ris = manager()
    destination(ris).send(outgoing(task()))
    with pytest.raises(DeliveryError) as caught:
        destination(ris).send(outgoing(task()))
    assert (caught.value.already_there, caught.value.retry, caught.value.status) == (True, False, "0111")


@pytest.mark.parametrize(
    ("status", "patience", "is_down"),
    [
        (0xC309, Retry.NEVER, False),
        (0xA700, Retry.SLOWLY, True),
        (0x0124, Retry.SLOWLY, True),
        (0x0110, Retry.SOON, False),
    ],
)
def test_a_refusal_is_what_the_table_of_answers_says(manager: Any, status: int, patience: Retry, is_down: bool) -> None:  # noqa: FBT001
    ris = manager()
    ris.answer = status
    with pytest.raises(DeliveryError) as caught:
        destination(ris).send(outgoing(task()))
    assert (caught.value.patience, isinstance(caught.value, DestinationDownError)) == (patience, is_down)
    assert "Öztürk" not in str(caught.value)


def test_a_manager_that_takes_no_changes_gets_new_tasks_only(manager: Any) -> None:
    ris = manager(UnifiedProcedureStepPush)
    destination(ris).send(outgoing(task()))
    with pytest.raises(DeliveryError) as caught:
        destination(ris).send(outgoing(task("MEDIUM"), 2))
    assert caught.value.already_there


def test_one_that_knows_no_tasks_is_down(manager: Any) -> None:
    ris = manager(Verification)
    destination(ris).ping()
    with pytest.raises(DestinationDownError, match="Unified Procedure Step") as caught:
        destination(ris).send(outgoing(task()))
    assert not caught.value.sent


def test_our_own_scp_takes_no_task(sqlite_hospital: Any, serve: Any) -> None:
    client = serve(sqlite_hospital)
    settings = Settings(name="ris", type="ups", ae_title="TIBABU", host="127.0.0.1", port=client.port)
    with pytest.raises(DeliveryError) as caught:
        Destination(settings, "RIS").send(outgoing(task()))
    assert caught.value.status == "0124"
    sqlite_hospital.study()
    (own,) = client.listed()
    over = Outgoing(
        media_type="application/dicom+json",
        data=json.dumps([cancellation(own.SOPInstanceUID, "Withdrawn")]).encode(),
        identifier=f"{own.SOPInstanceUID}/2",
        study_instance_uid="1.2.3",
    )
    assert Destination(settings, "RIS").send(over) == "0000", "but it takes our requests to cancel one"
    assert client.listed("SCHEDULED") == []
