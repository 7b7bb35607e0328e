"""A person says by the API whose a study in conflict is, of just the objects that they were told of."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian
from sqlalchemy import update

from db.outcome import Outcome
from db.queue import open_queue
from db.schema.domain import study
from db.worklist import worklist_row

Site = Any  # conftest.py
UID = "2.25.1"


def of_rita() -> bytes:
    """Return an image that names Rita."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = ComputedRadiographyImageStorage, f"{UID}.2"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = UID, "2.25.7"
    dataset.PatientID, dataset.PatientName, dataset.Modality = "P2", "Roe^Rita", "CR"
    written = io.BytesIO()
    dataset.save_as(written, enforce_file_format=True)
    return written.getvalue()


@pytest.fixture(scope="module")
def contested(site: Site, make_ledger: Any) -> Any:
    """Let Jane's study get an image that names Rita."""
    ledger = make_ledger(site.database, open_queue(site.database))
    ledger.store, ledger.numbers = site.store, iter(range(100, 200))
    at = datetime.now(UTC) - timedelta(minutes=10)
    image = ledger.receive(UID, at=at, patient_id="P1", patient_name="Doe^Jane")
    ledger.score(image, Outcome.NOT_FLAGGED, at=at, probability=0.1)
    ledger.receive(UID, at=at, file=of_rita(), patient_id="P2", patient_name="Roe^Rita")
    return ledger


def test_both_identities_are_told_and_the_decision_is_about_what_was_told(
    site: Site, api: httpx.Client, contested: Any
) -> None:
    path = f"/quarantine/{UID}"
    (listed,) = api.get("/quarantine").json()["items"]
    assert (listed["study_instance_uid"], listed["patient_id"], listed["instances"]) == (UID, "P1", 1)
    told = api.get(path).json()
    assert told["patient"]["patient_name"] == "Doe^Jane"
    assert [one["patient"]["patient_name"] for one in told["in_conflict"]] == ["Roe^Rita"]
    contested.receive(UID, at=datetime.now(UTC), file=of_rita(), patient_id="P2", patient_name="Roe^Rita")

    def decide(objects: str, reason: str = "the ward says so") -> httpx.Response:
        given = {"decision": "assign", "objects": objects, "reason": reason}
        return api.post(f"{path}/decision", json=given, headers={"If-Match": api.get(path).headers["etag"]})

    assert decide(told["objects"]).status_code == 412
    row = worklist_row(site.database, UID)
    assert row is not None
    assert row.patient_id == "P1"
    now = api.get(path).json()["objects"]
    assert api.post(f"{path}/decision", json={"decision": "accept", "objects": now, "reason": "x"}).status_code == 428
    assert decide(now, reason=" ").json()["detail"] == "Give the reason for what you decide."
    assert decide(now).status_code == 200
    row = worklist_row(site.database, UID)
    assert row is not None
    assert row.patient_id == "P2"
    assert api.get("/quarantine").json() == {"items": []}
    acts = api.get(f"/studies/{UID}/reading").json()["acts"]
    assert [(one["kind"], one["words"]) for one in acts] == [("resolved", "the ward says so")]
    assert decide(api.get(path).json()["objects"]).status_code == 409


def test_a_doubt_is_settled_with_a_reason_once(site: Site, api: httpx.Client) -> None:
    uid = site.studies[0]
    with site.database.begin() as connection:
        connection.execute(update(study).where(study.c.study_instance_uid == uid).values(doubt="two births"))
    assert api.get(f"/quarantine/{uid}").json()["doubt"] == "two births"

    def settle(reason: str) -> int:
        tag = api.get(f"/quarantine/{uid}").headers["etag"]
        answer = api.post(f"/quarantine/{uid}/settlement", json={"reason": reason}, headers={"If-Match": tag})
        return answer.status_code

    assert [settle(reason) for reason in ("", "passport", "passport")] == [409, 200, 409]
    assert api.get(f"/quarantine/{uid}").json()["doubt"] == ""
