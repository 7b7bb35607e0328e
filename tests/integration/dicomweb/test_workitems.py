"""UPS-RS, with an HTTP client: tasks are listed, claimed, updated and completed, under the same rules as over DIMSE."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import structlog
from pydicom import Dataset
from pydicom.uid import generate_uid

from db.priority import Priority
from db.worklist import worklist

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NAME, JSON = "Zzyzx^Quentin", {"Content-Type": "application/dicom+json"}


@pytest.fixture
def ris(serve: Any, make_task: Callable[..., None]) -> httpx.Client:
    """Return a client that may read and change three tasks."""
    web = serve()
    for number, priority in enumerate((Priority.ROUTINE, Priority.HIGH, Priority.MEDIUM), start=1):
        make_task(web, number, priority)
    client: httpx.Client = web.client(web.token("ups:read", "ups:write", name="ris"))
    client.database = web.database  # type: ignore[attr-defined]
    return client


def found(response: httpx.Response) -> list[Dataset]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/dicom+json"
    return [Dataset.from_json(one) for one in response.json()]


def state(name: str, transaction: str) -> bytes:
    dataset = Dataset()
    dataset.ProcedureStepState, dataset.TransactionUID = name, transaction
    return json.dumps([dataset.to_json_dict()]).encode()


def performed() -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "RIS1", "99SITE", "Reading room 1"
    item, dataset = Dataset(), Dataset()
    item.PerformedStationNameCodeSequence = item.PerformedWorkitemCodeSequence = [code]
    item.PerformedProcedureStepStartDateTime = item.PerformedProcedureStepEndDateTime = "20260101120000"
    item.OutputInformationSequence = []
    dataset.UnifiedProcedureStepPerformedProcedureSequence = [item]
    return dataset


def test_the_list_comes_in_the_order_in_which_tasks_are_due(ris: Any) -> None:
    tasks = found(ris.get("/workitems", params={"ProcedureStepState": "SCHEDULED"}))
    assert [task.ScheduledProcedureStepPriority for task in tasks] == ["HIGH", "MEDIUM", "LOW"]
    assert {str(task.PatientName) for task in tasks} == {NAME}
    assert [task.PatientID for task in found(ris.get("/workitems?limit=1&offset=1"))] == ["P3"]
    assert "additional results" in ris.get("/workitems?limit=1").headers["warning"]


@pytest.mark.parametrize(
    ("query", "patients"),
    [
        ("00741200=HIGH", ["P2"]),
        ("ReferencedRequestSequence.AccessionNumber=A-3", ["P3"]),
        ("0040A370.00080050=A-*", ["P2", "P3", "P1"]),
        ("PatientName=zzyzx*&PatientID=P1", ["P1"]),
        ("StudyInstanceUID=1.2.1,1.2.2", ["P2", "P1"]),
        ("00404011=20260101-20260102&00741000=COMPLETED", []),
        ("includefield=all", ["P2", "P3", "P1"]),
    ],
)
def test_a_search_matches_as_c_find_does(ris: Any, query: str, patients: list[str]) -> None:
    assert [task.PatientID for task in found(ris.get(f"/workitems?{query}"))] == patients


@pytest.mark.parametrize(
    "query",
    ["limit=many", "NoSuchAttribute=1", "00404011=tomorrow", "PatientID=1&00100020=2", "ReferencedRequestSequence=1"],
)
def test_a_search_that_makes_no_sense_is_refused_without_its_words(ris: Any, query: str) -> None:
    answer = ris.get(f"/workitems?{query}")
    assert answer.status_code == 400
    assert "tomorrow" not in answer.text


def test_a_task_is_claimed_updated_and_completed_and_its_study_leaves_the_list(ris: Any) -> None:
    uid = found(ris.get("/workitems"))[0].SOPInstanceUID
    mine, other = generate_uid(), generate_uid()
    place = f"/workitems/{uid}"
    assert ris.put(f"{place}/state", content=state("COMPLETED", mine), headers=JSON).status_code == 409
    assert ris.put(f"{place}/state/RIS", content=state("IN PROGRESS", mine), headers=JSON).status_code == 200
    refused = ris.put(f"{place}/state", content=state("IN PROGRESS", other), headers=JSON)
    assert (refused.status_code, "C301" in refused.headers["warning"]) == (409, True)
    assert ris.put(f"{place}/state", content=state("SCHEDULED", mine), headers=JSON).status_code == 400
    unmet = ris.put(f"{place}/state", content=state("COMPLETED", mine), headers=JSON)
    assert (unmet.status_code, "C304" in unmet.headers["warning"]) == (409, True)
    body = json.dumps(performed().to_json_dict())
    assert ris.post(place, content=body, headers=JSON).status_code == 409, "without the lock"
    assert ris.post(f"{place}?transaction-uid={mine}", content=body, headers=JSON).status_code == 200
    assert ris.put(f"{place}/state", content=state("COMPLETED", mine), headers=JSON).status_code == 200
    again = ris.put(f"{place}/state", content=state("COMPLETED", mine), headers=JSON)
    assert (again.status_code, "B306" in again.headers["warning"]) == (200, True)
    (task,) = found(ris.get(place))
    assert (task.ProcedureStepState, "TransactionUID" in task) == ("COMPLETED", False)
    assert "P2" not in {row.patient_id for row in worklist(ris.database)}


def test_a_cancellation_is_requested(ris: Any) -> None:
    uid = found(ris.get("/workitems"))[0].SOPInstanceUID
    body = json.dumps([{"00741238": {"vr": "LT", "Value": ["Reported elsewhere"]}}])
    assert ris.post(f"/workitems/{uid}/cancelrequest", content=body, headers=JSON).status_code == 202
    again = ris.post(f"/workitems/{uid}/cancelrequest")
    assert (again.status_code, "B304" in again.headers["warning"]) == (202, True)
    assert uid not in {task.SOPInstanceUID for task in found(ris.get("/workitems?00741000=SCHEDULED"))}


def test_what_is_not_here_or_makes_no_sense_is_refused(ris: Any) -> None:
    nowhere, uid = f"/workitems/{generate_uid()}", found(ris.get("/workitems"))[0].SOPInstanceUID
    assert ris.get(nowhere).status_code == ris.post(f"{nowhere}/cancelrequest").status_code == 404
    assert ris.put(f"{nowhere}/state", content=state("IN PROGRESS", "1.2"), headers=JSON).status_code == 404
    assert ris.get("/workitems/not-a-uid").status_code == 400
    assert ris.post("/workitems", content=b"[{}]", headers=JSON).status_code == 403
    assert ris.delete("/workitems").status_code == 405
    for body in (b"", b"{", b"[[", b"[1]", b'[{"00741000": 1}]', b"[" * 100_000, state("DONE", "1.2")):
        assert ris.put(f"/workitems/{uid}/state", content=body, headers=JSON).status_code == 400
    assert ris.put(f"/workitems/{uid}/state", content=b" " * (2 << 20), headers=JSON).status_code == 413


@pytest.mark.parametrize(
    ("scope", "reads", "writes"),
    [("ups:read", 200, 403), ("ups:write", 403, 404), ("dicomweb:read", 403, 403), ("dicomweb:store", 403, 403)],
)
def test_reading_and_changing_tasks_are_scopes_of_their_own(
    serve: Callable[..., Any], scope: str, reads: int, writes: int
) -> None:
    web = serve()
    client = web.client(web.token(scope))
    assert client.get("/workitems").status_code == reads
    assert client.post(f"/workitems/{generate_uid()}/cancelrequest").status_code == writes
    assert client.get("/studies").status_code == (200 if scope == "dicomweb:read" else 403)
    assert web.client().get("/workitems").status_code == 401


def test_nothing_of_a_patient_or_a_query_is_logged(ris: Any) -> None:
    with structlog.testing.capture_logs() as logged:
        ris.get("/workitems?PatientName=Zzyzx*&PatientID=DOE-4711")
        uid = found(ris.get("/workitems"))[0].SOPInstanceUID
        ris.put(f"/workitems/{uid}/state", content=state("IN PROGRESS", "1.2.3"), headers=JSON)
        ris.close()
    said = json.dumps(logged, default=str)
    assert "workitem" in said
    assert not [word for word in ("Zzyzx", "DOE-4711", "PatientName", "1.2.3") if word in said]
