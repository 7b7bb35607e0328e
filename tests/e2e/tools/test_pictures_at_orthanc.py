"""The pictures, maps, pages and marks of a flagged study at an independent archive: stored, shown and given back."""

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread

from agent import reports
from agent.reports.document import Document, ImageOutcome, ModelIdentity, StudyFacts, StudyResult
from dicom_io.scu import send

pytestmark = [pytest.mark.shared, pytest.mark.tools]
KINDS = ("picture", "parametric_map", "pdf", "key_object")
NOW = datetime(2026, 3, 1, 21, tzinfo=UTC)


@pytest.fixture(scope="module")
def archive(orthanc: Any) -> Iterator[Any]:
    """Run an Orthanc."""
    with orthanc() as running:
        yield running


@pytest.fixture(scope="module")
def source(radiograph: Callable[..., Dataset], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a radiograph of a child whose name needs a character set."""
    dataset = radiograph(SpecificCharacterSet="ISO_IR 192", PatientName="Люксембург^Роза")
    dataset.save_as(path := tmp_path_factory.mktemp("source") / "one.dcm", enforce_file_format=True)
    return path


@pytest.fixture(scope="module")
def documents(source: Path) -> dict[str, Document]:
    """Render each report of a flagged study."""
    image = dcmread(source, stop_before_pixels=True)
    heat_map = np.zeros((156, 156), np.uint8)
    heat_map[60:110, 90:130] = np.linspace(0, 255, 40, dtype=np.uint8)
    flagged = ImageOutcome(
        sop_instance_uid=image.SOPInstanceUID,
        sop_class_uid=image.SOPClassUID,
        path=source,
        outcome="flagged",
        probability=0.97,
        heat_map=heat_map,
    )
    result = StudyResult(
        study_instance_uid=image.StudyInstanceUID,
        revision=1,
        outcome="flagged",
        probability=0.97,
        model=ModelIdentity(name="m", version="1", sha256="0" * 64, operating_point_name="half", threshold=0.5),
        analysed_at=NOW,
        concluded_at=NOW,
        images=(flagged,),
        evidence=(source,),
        installation="5b4b1c8e-1111-4222-8333-123456789abc",
        software_version="0.1.0",
        study=StudyFacts(patient_name="Люксембург^Роза", patient_id=image.PatientID, received_at=NOW),
    )
    modules = {kind: reports.load(kind) for kind in KINDS}
    return {kind: module.render(result, module.Settings()) for kind, module in modules.items()}


@pytest.fixture(scope="module")
def at_orthanc(archive: Any, source: Path, documents: dict[str, Document]) -> SimpleNamespace:
    """Store the radiograph and all reports, and give Orthanc's identifiers."""
    files = [source.read_bytes(), *(document.data for document in documents.values())]
    assert [status.status for status in send(archive.peer, files, calling_ae_title="TIBABU")] == [0] * 5
    found = {kind: archive.find(SOPInstanceUID=document.identifier) for kind, document in documents.items()}
    return SimpleNamespace(orthanc=archive, **{kind: one for kind, (one,) in found.items()})


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_back_is_what_was_sent(at_orthanc: Any, documents: dict[str, Document], kind: str) -> None:
    back = dcmread(io.BytesIO(at_orthanc.orthanc.bytes_of(f"/instances/{getattr(at_orthanc, kind)}/file")))
    assert back == dcmread(io.BytesIO(documents[kind].data))
    assert str(back.PatientName) == "Люксембург^Роза"


def test_orthanc_shows_the_picture_and_the_map_as_they_are(at_orthanc: Any, documents: dict[str, Document]) -> None:
    shown = Image.open(io.BytesIO(at_orthanc.orthanc.bytes_of(f"/instances/{at_orthanc.picture}/preview")))
    picture = dcmread(io.BytesIO(documents["picture"].data))
    assert (np.asarray(shown.convert("RGB")) == picture.pixel_array).all()
    shown = Image.open(io.BytesIO(at_orthanc.orthanc.bytes_of(f"/instances/{at_orthanc.parametric_map}/preview")))
    assert shown.size == (156, 156)
    gray = np.asarray(shown.convert("L")).astype(int)
    assert gray[80, 128] > 200
    assert gray[80, 92] < 100
    assert gray[5, 5] < 5


def test_orthanc_gives_the_page_as_a_pdf(at_orthanc: Any, tool: Any, tmp_path: Path) -> None:
    (file := tmp_path / "page.pdf").write_bytes(at_orthanc.orthanc.bytes_of(f"/instances/{at_orthanc.pdf}/pdf"))
    assert "Люксембург, Роза" in tool("pdftotext", "-layout", file, "-")


def test_all_stand_in_the_study_of_the_radiograph(at_orthanc: Any, source: Path) -> None:
    image = dcmread(source, stop_before_pixels=True)
    (study,) = at_orthanc.orthanc.rest.post(
        "/tools/find", json={"Level": "Study", "Query": {"PatientID": image.PatientID}}
    ).json()
    assert at_orthanc.orthanc.get(f"/studies/{study}/statistics")["CountSeries"] == 5
