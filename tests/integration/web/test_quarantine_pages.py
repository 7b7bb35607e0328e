"""The pages on which a person says whose a study in conflict is, with the file of what contradicts it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from agent.web.quarantine import SHOWN, names_others
from db.audit_search import AuditQuery, search
from db.database import Database
from db.identity import OF_PATIENT
from db.outcome import Outcome
from db.quarantine import quarantined
from db.schema.domain import instance
from db.worklist import worklist_row

UID = "2.25.1"
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def contested(ledger: Any, tmp_path: Path) -> Any:
    """Let Jane's study get an image that names Rita, whose file lies in the store."""
    at = datetime.now(UTC) - timedelta(minutes=10)
    image = ledger.receive(UID, at=at, patient_id="P1", patient_name="Doe^Jane")
    ledger.score(image, Outcome.NOT_FLAGGED, at=at, probability=0.1)
    other = ledger.receive(UID, at=at, patient_id="P2", patient_name="Roe^Rita")
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = ComputedRadiographyImageStorage, f"{UID}.2"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = UID, "2.25.7"
    dataset.IssuerOfPatientID = "CLINIC"
    dataset.PatientID, dataset.PatientName, dataset.Modality = "P2", "Roe^<b>Rita</b>", "CR"
    path = tmp_path / "store" / f"00/{other.instance_id:064x}.dcm"
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return ledger


def events_of(database: Database, patient_id: str) -> list[str]:
    """Return what the audit trail says of a patient."""
    return [row.event.detail for row in search(database, AuditQuery(patient_id=patient_id)).rows]


def forms(page: str) -> dict[str, str]:
    return dict(re.findall(r'type="hidden" name="(revision|version|objects)" value="(\w+)"', page))


def test_both_identities_stand_side_by_side_and_the_decision_is_carried_out(
    client: httpx.Client, contested: Any
) -> None:
    assert f'href="/quarantine/{UID}"' in client.get("/quarantine").text
    assert "say whose it is" in client.get(f"/studies/{UID}").text
    page = client.get(f"/quarantine/{UID}").text
    for said in ("Doe, Jane", "P1", "Roe, &lt;b&gt;Rita&lt;/b&gt;", "P2", "CLINIC", "not given"):
        assert said in page, said
    assert "conflict of identity: another patient" in events_of(contested.database, "P2")
    data = forms(page) | {"decision": "assign", "reason": "the ward says so"}
    answer = client.post(f"/quarantine/{UID}/decide", data=data, headers=SAME_SITE)
    assert "resolved: the study is this patient's" in events_of(contested.database, "P2")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/studies/{UID}?done=resolved#reading")
    row = worklist_row(contested.database, UID)
    assert row is not None
    assert row.patient_id == "P2"
    assert "None." in client.get("/quarantine").text
    assert client.post(f"/quarantine/{UID}/decide", data=data, headers=SAME_SITE).status_code == 409


def test_nobody_decides_of_an_object_that_came_after_they_looked(client: httpx.Client, contested: Any) -> None:
    page = client.get(f"/quarantine/{UID}").text
    contested.receive(UID, at=datetime.now(UTC), patient_id="P3", patient_name="Poe^Paul")
    for decision in ("accept", "assign", "keep_apart"):
        data = forms(page) | {"decision": decision, "reason": "the ward says so"}
        answer = client.post(f"/quarantine/{UID}/decide", data=data, headers=SAME_SITE)
        assert answer.status_code == 409, decision
    (row,) = quarantined(contested.database)
    assert (row.patient_id, row.instances) == ("P1", 2)


def test_where_the_file_cannot_be_read_nobody_is_made_anybody_but_it_can_be_kept_apart(
    client: httpx.Client, contested: Any
) -> None:
    with contested.database.begin() as connection:
        connection.execute(instance.update().values(path="00/gone.dcm"))
    page = client.get(f"/quarantine/{UID}").text
    assert "cannot be read just now" in page
    for decision, status in (("whim", 422), ("accept", 422), ("assign", 422), ("keep_apart", 303)):
        data = forms(page) | {"decision": decision, "reason": "x"}
        answer = client.post(f"/quarantine/{UID}/decide", data=data, headers=SAME_SITE)
        assert answer.status_code == status, decision
    assert quarantined(contested.database) == ()


def test_a_patient_whom_only_unlisted_objects_name_is_noticed() -> None:
    rita, paul = ({**dict.fromkeys(OF_PATIENT, ""), "patient_name": name} for name in ("Roe^Rita", "Poe^Paul"))
    assert not names_others([rita] * SHOWN + [rita])
    assert not names_others([paul] + [rita] * SHOWN)
    assert names_others([rita] * SHOWN + [paul])


@pytest.mark.parametrize("path", ["/quarantine/2.25.404", "/quarantine/x"])
def test_an_unknown_study_is_not_found(client: httpx.Client, path: str, url: Callable[..., str]) -> None:
    assert client.get(path).status_code == 404, url
