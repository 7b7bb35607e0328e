"""The rejection note as others read it: highdicom, DCMTK, and this agent itself when it comes back."""

import io
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import highdicom.ko
import pytest
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes

from agent.reports import rejection
from agent.reports.document import ReportError, StudyResult
from dicom_io.rejection import TITLES, read_rejection_note

Study = Callable[..., StudyResult]
WHY = "withdrawn: rejected for patient safety reasons (wrong side marker)"


@pytest.fixture
def withdrawn(study: Study, source: Path) -> StudyResult:
    return replace(study("not_analysed", source), withdrawal="113037", withdrawal_reason=WHY)


def rendered(result: StudyResult) -> Dataset:
    return dcmread(io.BytesIO(rejection.render(result, rejection.Settings()).data))


@pytest.mark.parametrize("title", TITLES)
def test_highdicom_reads_the_title_the_reason_and_what_is_taken_back(withdrawn: StudyResult, title: str) -> None:
    dataset = rendered(replace(withdrawn, withdrawal=title))
    document = highdicom.ko.KeyObjectSelectionDocument.from_dataset(dataset)
    assert document.content[0].name.value == title
    assert document.content[0].name.meaning == TITLES[title]
    named = [item.referenced_sop_instance_uid for item in document.content.get_references()]
    assert named == ["1.2.826.0.1.99.8.1", "1.2.826.0.1.99.8.2"]
    assert [document.resolve_reference(uid)[1:] for uid in named] == [
        ("1.2.826.0.1.99.7.1", "1.2.826.0.1.99.8.1"),
        ("1.2.826.0.1.99.7.2", "1.2.826.0.1.99.8.2"),
    ]
    (described,) = [item for item in document.content[0].ContentSequence if item.name == codes.DCM.KeyObjectDescription]
    assert WHY in described.value


def test_pictures_are_referred_to_as_images_and_documents_as_composites(withdrawn: StudyResult) -> None:
    referred = [item.ValueType for item in rendered(withdrawn).ContentSequence if "ReferencedSOPSequence" in item]
    assert referred == ["COMPOSITE", "IMAGE"]


def test_this_agent_reads_it_as_it_was_meant(withdrawn: StudyResult, tmp_path: Path) -> None:
    path = tmp_path / "note"
    path.write_bytes(rejection.render(withdrawn, rejection.Settings()).data)
    note = read_rejection_note(path)
    assert note is not None
    assert (note.title, note.study_instance_uid) == ("113037", withdrawn.study_instance_uid)
    assert note.rejected == tuple(one.sop_instance_uid for one in withdrawn.rejected)


def test_a_note_to_another_destination_of_the_same_result_has_another_uid(withdrawn: StudyResult) -> None:
    """It may name other objects: each is a version of its own."""
    uids = {rendered(replace(withdrawn, version=version)).SOPInstanceUID for version in (1, 2)}
    assert len(uids) == 2


def test_there_is_no_note_of_nothing(withdrawn: StudyResult) -> None:
    with pytest.raises(ReportError, match="objects to take back"):
        rejection.render(replace(withdrawn, rejected=()), rejection.Settings())


@pytest.mark.tools
@pytest.mark.parametrize("tool", ["dsrdump", "dsr2html"])
def test_dcmtk_reads_it_without_complaint(withdrawn: StudyResult, tool: str, tmp_path: Path) -> None:
    path = tmp_path / "note"
    path.write_bytes(rejection.render(withdrawn, rejection.Settings()).data)
    done = subprocess.run([f"/usr/bin/{tool}", path], check=True, capture_output=True)  # noqa: S603 - Debian's
    assert b"Rejected for Patient Safety Reasons" in done.stdout
    said = [line for line in done.stderr.splitlines() if not line.startswith(b"W: Check for")]  # what it cannot check
    assert said == []
