"""The mark on flagged images as others read it: highdicom, DCMTK, and this agent itself when it comes back."""

import io
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import highdicom.ko
import pytest
from pydicom import dcmread
from pydicom.sr.codedict import codes

from agent.reports import key_object
from agent.reports.document import ReportError, StudyResult
from dicom_io.rejection import read_rejection_note

Study = Callable[..., StudyResult]
Radiograph = Callable[..., Path]


def rendered(result: StudyResult) -> bytes:
    return key_object.render(result, key_object.Settings()).data


def test_highdicom_reads_the_title_and_the_flagged_images_and_no_other(study: Study, radiograph: Radiograph) -> None:
    paths = [radiograph(), radiograph(), radiograph()]
    flagged = study("flagged", *paths)
    images = (flagged.images[0], study("not_flagged", paths[1]).images[0], flagged.images[2])
    dataset = dcmread(io.BytesIO(rendered(replace(flagged, images=images))))
    document = highdicom.ko.KeyObjectSelectionDocument.from_dataset(dataset)
    assert document.content[0].name == codes.DCM.OfInterest
    named = [item.referenced_sop_instance_uid for item in document.content.get_references()]
    assert named == [images[0].sop_instance_uid, images[2].sop_instance_uid]
    assert [document.resolve_reference(uid)[2] for uid in named] == named


def test_it_says_what_the_mark_does_not_mean(study: Study, source: Path) -> None:
    dataset = dcmread(io.BytesIO(rendered(study("flagged", source))))
    texts = {item.ConceptNameCodeSequence[0].CodeValue: item for item in dataset.ContentSequence if "TextValue" in item}
    said = texts[codes.DCM.KeyObjectDescription.value].TextValue
    assert said.startswith("FLAGGED for prioritisation: suspected pneumonia on 1 of 1 image analysed.")
    assert "not a diagnosis" in said
    assert "This does not exclude any other disease." in said


def test_it_is_never_taken_for_a_rejection_of_what_it_marks(study: Study, source: Path, tmp_path: Path) -> None:
    path = tmp_path / "mark"
    path.write_bytes(rendered(study("flagged", source)))
    assert read_rejection_note(path) is None


def test_only_a_flagged_study_has_one(study: Study, source: Path) -> None:
    assert [key_object.applies(one) for one in ("flagged", "not_flagged", "not_analysed", "failed")] == [
        True,
        False,
        False,
        False,
    ]
    with pytest.raises(ReportError, match=r"expected a flagged image in the store\. Received: outcome=failed"):
        rendered(study("failed", source))


@pytest.mark.tools
def test_dcmtk_reads_it(study: Study, source: Path, tmp_path: Path) -> None:
    path = tmp_path / "mark"
    path.write_bytes(rendered(study("flagged", source)))
    command = ["/usr/bin/dsrdump", "+U8", path]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - Debian's
    assert "Key Object Selection Document" in printed
    assert 'CONTAINER:(,,"Of Interest")=SEPARATE' in printed
    assert '<contains IMAGE:(,,"Source")=(CR image,)>' in printed
