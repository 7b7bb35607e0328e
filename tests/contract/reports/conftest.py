"""Stored studies of small synthetic radiographs, and what came of them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.data import get_testdata_file
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from agent import reports
from agent.reports import Report
from agent.reports.document import DICOM, ImageOutcome, ModelIdentity, SentObject, StudyFacts, StudyResult

CR = "1.2.840.10008.5.1.4.1.1.1"
IDENTITY = {
    "SpecificCharacterSet": "ISO_IR 100",
    "StudyDate": "20260301",
    "StudyTime": "081530",
    "AccessionNumber": "A-2026-0001",
    "ReferringPhysicianName": "Zuweiser^Dr",
    "StudyDescription": "Thorax",
    "PatientName": "Öztürk^Zoë",
    "PatientID": "PID-4711",
    "IssuerOfPatientID": "KLINIK",
    "PatientBirthDate": "20220107",
    "PatientSex": "F",
    "PatientAge": "004Y",
    "StudyID": "S1",
    "InstitutionName": "Universitätsklinik",
    "Manufacturer": "ACME",
    "BodyPartExamined": "CHEST",
    "PatientOrientation": ["L", "F"],
    "ImagerPixelSpacing": ["0.15", "0.2"],
    "TimezoneOffsetFromUTC": "+0530",
}
FACTS = StudyFacts(
    patient_id="PID-4711",
    issuer_of_patient_id="KLINIK",
    patient_name="Öztürk^Zoë",
    patient_birth_date="20220107",
    patient_sex="F",
    accession_number="A-2026-0001",
    study_date="20260301",
    study_time="081530",
    study_description="Thorax",
    study_id="S1",
    modality="CR",
    referring_physician_name="Zuweiser^Dr",
    calling_ae_title="CR_1",
    received_at=datetime(2026, 3, 1, 20, 59, 50, tzinfo=UTC),
    order_priority="LOW",
    priority="MEDIUM",
)
"""What the database holds of a study of radiographs with IDENTITY."""
SENT = (
    SentObject(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.88.34",
        sop_instance_uid="1.2.826.0.1.99.8.1",
        series_instance_uid="1.2.826.0.1.99.7.1",
        is_image=False,
    ),
    SentObject(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.7",
        sop_instance_uid="1.2.826.0.1.99.8.2",
        series_instance_uid="1.2.826.0.1.99.7.2",
        is_image=True,
    ),
)
"""What a rejection note takes back; other reports do not look at it."""
WriteRadiograph = Callable[..., Path]


@pytest.fixture
def radiograph(tmp_path: Path) -> WriteRadiograph:
    """Return `radiograph(transfer_syntax, **attributes)`: the path of a small CR image with these attributes alone."""
    count = 0

    def write(transfer_syntax: UID = ExplicitVRLittleEndian, **attributes: object) -> Path:
        nonlocal count
        count += 1
        dataset = Dataset()
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        dataset.SOPClassUID = attributes.get("SOPClassUID", CR)
        dataset.SOPInstanceUID = f"1.2.826.0.1.99.3.{count}"
        dataset.StudyInstanceUID = "1.2.826.0.1.99.1"
        dataset.SeriesInstanceUID = "1.2.826.0.1.99.2"
        dataset.Modality = "CR"
        dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 96, 80, 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
        pixels = np.random.default_rng(count).integers(0, 4096, (96, 80), np.uint16)
        order = "<" if transfer_syntax.is_little_endian else ">"
        dataset.add_new("PixelData", "OW", pixels.astype(f"{order}u2").tobytes())
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = transfer_syntax
        path = tmp_path / f"{count}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        return path

    return write


@pytest.fixture
def source(radiograph: WriteRadiograph) -> Path:
    """Return a radiograph with all that a report can take over."""
    return radiograph(**IDENTITY)


@pytest.fixture(params=["complete", "bare", "empty identity", "implicit VR", "big endian", "real"])
def any_source(request: pytest.FixtureRequest, radiograph: WriteRadiograph) -> Path:
    """Return a radiograph: with all that a report can take over, with nothing, in other encodings, and a real one."""
    match request.param:
        case "bare":
            return radiograph()
        case "empty identity":
            return radiograph(**dict.fromkeys(("PatientName", "PatientID", "PatientBirthDate", "StudyDate"), ""))
        case "implicit VR":
            return radiograph(ImplicitVRLittleEndian, **IDENTITY)
        case "big endian":
            return radiograph(ExplicitVRBigEndian, **IDENTITY)
        case "real":
            return Path(str(get_testdata_file("RG3_UNCR.dcm")))
    return radiograph(**IDENTITY)


@pytest.fixture
def study() -> Callable[..., StudyResult]:
    """Return `study(outcome, *paths, **fields)`: what came of a study of these images, all alike."""
    heat_map = np.zeros((156, 156), np.uint8)
    heat_map[50:100, 30:70] = 255
    probabilities = {"flagged": 0.9731, "not_flagged": 0.1234}
    reasons = {"not_analysed": "not a frontal view", "failed": "pixel data is truncated"}

    def make(outcome: str, *paths: Path, **fields: object) -> StudyResult:
        images = tuple(
            ImageOutcome(
                sop_instance_uid=reports.evidence.read(path).sop_instance_uid,
                sop_class_uid=CR,
                path=path,
                outcome=outcome,
                reason=reasons.get(outcome, ""),
                probability=probabilities.get(outcome),
                heat_map=heat_map if outcome == "flagged" else None,
            )
            for path in paths
        )
        result = StudyResult(
            study_instance_uid=reports.evidence.read(paths[0]).study_instance_uid,
            revision=1,
            outcome=outcome,
            reason=reasons.get(outcome, ""),
            probability=probabilities.get(outcome),
            model=ModelIdentity(
                name="lite",
                version="3",
                sha256="ab" * 32,
                operating_point_name="sensitive",
                threshold=0.3125,
                preprocessing="stretched to 156x156",
            ),
            analysed_at=datetime(2026, 3, 1, 20, 59, 58, 7, tzinfo=UTC),
            concluded_at=datetime(2026, 3, 1, 21, 0, 1, tzinfo=UTC),
            images=images,
            evidence=paths,
            installation="5b4b1c8e-1111-4222-8333-123456789abc",
            software_version="0.1.0",
            study=FACTS,
            rejected=SENT,
        )
        return replace(result, **fields)

    return make


@pytest.fixture(params=reports.names())
def any_report(request: pytest.FixtureRequest) -> Report:
    """Return every type of report that exists: a new one is here by being there."""
    return reports.load(request.param)


@pytest.fixture(params=[name for name in reports.names() if reports.load(name).MEDIA_TYPE == DICOM])
def report(request: pytest.FixtureRequest) -> Report:
    """Return every type of report that is a DICOM object."""
    return reports.load(request.param)
