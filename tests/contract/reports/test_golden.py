"""The reports as text, for review: a change to what leaves for a hospital shows here, line by line."""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from agent import reports
from agent.reports import Report
from agent.reports.document import Predecessor, StudyResult

Study = Callable[..., StudyResult]
GOLDEN = Path(__file__).with_name("golden")


def lines(dataset: Dataset, indent: str = "") -> Iterator[str]:
    """Yield a line for each element, one for a code, and none for the pixels."""
    for element in dataset:
        if element.VR == "SQ" and element.value and "CodeMeaning" in element.value[0]:
            (code,) = element.value
            yield f"{indent}{element.keyword}: ({code.CodeValue}, {code.CodingSchemeDesignator}, {code.CodeMeaning})"
        elif element.VR == "SQ":
            yield f"{indent}{element.keyword}"
            for number, item in enumerate(element.value, start=1):
                yield f"{indent}  {number}."
                yield from lines(item, indent + "    ")
        elif element.keyword.startswith("EncapsulatedDocument"):
            yield f"{indent}{element.keyword}: as test_pdf.py reads it"  # how long it is is zlib's affair
        elif element.keyword == "PixelData":
            yield f"{indent}PixelData: {len(element.value)} bytes"
        else:
            yield f"{indent}{element.keyword}: {element.value}"


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("sr", "flagged"),
        ("sr", "not_flagged"),
        ("sr", "not_analysed"),
        ("sr", "failed"),
        ("picture", "flagged"),
        ("parametric_map", "flagged"),
        ("pdf", "flagged"),
        ("key_object", "flagged"),
    ],
)
def test_a_report_is_what_was_reviewed(study: Study, source: Path, kind: str, outcome: str, tmp_path: Path) -> None:
    """Where a difference is meant, copy the new file over the golden one, and say in the commit why."""
    earlier = Predecessor(sop_class_uid="1.2.3", sop_instance_uid="1.2.3.4", series_instance_uid="1.2.3.5")
    result = replace(study(outcome, source), version=2, predecessors=(earlier,))
    compare(reports.load(kind), result, tmp_path / f"{kind}-{outcome}.txt")


def test_a_report_of_a_corrected_patient_is_what_was_reviewed(study: Study, source: Path, tmp_path: Path) -> None:
    """A merge gave another Patient ID and a name that the images' character set cannot hold."""
    result = study("flagged", source)
    named = {"patient_id": "PID-0815", "patient_name": "Дурова^Надежда"}
    facts = replace(result.study, **named, corrected=frozenset(named))
    earlier = Predecessor(sop_class_uid="1.2.3", sop_instance_uid="1.2.3.4", series_instance_uid="1.2.3.5")
    amended = replace(result, study=facts, revision=2, version=2, predecessors=(earlier,))
    compare(reports.load("sr"), amended, tmp_path / "sr-corrected.txt")


def test_the_reports_of_a_withdrawn_result_are_what_was_reviewed(study: Study, source: Path, tmp_path: Path) -> None:
    """The SR that says so, and the rejection note for what was sent before."""
    reason = "withdrawn: rejected for patient safety reasons (wrong side marker)"
    result = study("not_analysed", source)
    earlier = Predecessor(sop_class_uid="1.2.3", sop_instance_uid="1.2.3.4", series_instance_uid="1.2.3.5")
    images = tuple(replace(image, reason=reason) for image in result.images)
    said = {"reason": reason, "withdrawal": "113037", "withdrawal_reason": reason, "images": images}
    withdrawn = replace(result, revision=2, version=2, predecessors=(earlier,), **said)
    compare(reports.load("sr"), withdrawn, tmp_path / "sr-withdrawn.txt")
    compare(reports.load("rejection"), replace(withdrawn, version=1), tmp_path / "rejection.txt")


def compare(report: Report, result: StudyResult, actual: Path) -> None:
    dataset = dcmread(io.BytesIO(report.render(result, report.Settings()).data))
    actual.write_text("".join(f"{line}\n" for line in (*lines(dataset.file_meta), *lines(dataset))), encoding="utf-8")
    golden = GOLDEN / actual.name
    expected = golden.read_text(encoding="utf-8") if golden.exists() else ""
    assert actual.read_text(encoding="utf-8") == expected, f"{actual} differs from {golden}"
