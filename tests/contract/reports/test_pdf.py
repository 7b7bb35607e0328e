"""The one-page PDF: what an independent reader reads on it, in any script, and what does not leave with it."""

import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydicom import Dataset, dcmread

from agent.reports import pdf
from agent.reports.document import StudyFacts, StudyResult
from agent.reports.lettering import BUILT_IN, NOT_DRAWN, lettering, person

Study = Callable[..., StudyResult]
Radiograph = Callable[..., Path]


def rendered(result: StudyResult) -> Dataset:
    return dcmread(io.BytesIO(pdf.render(result, pdf.Settings()).data))


def inside(dataset: Dataset) -> bytes:
    """Return the PDF without the byte that makes its length even."""
    return bytes(dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength])


def facts(result: StudyResult, **changed: str) -> StudyResult:
    study: StudyFacts = replace(result.study, **changed)
    return replace(result, study=study)


def tool(name: str, path: Path, *options: str) -> str:
    """Return what one of poppler's tools prints."""
    command = [f"/usr/bin/{name}", *options, path, *(["-"] if name == "pdftotext" else [])]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - Debian's


def words(result: StudyResult, folder: Path) -> str:
    path = folder / "page.pdf"
    path.write_bytes(inside(rendered(result)))
    return " ".join(tool("pdftotext", path, "-layout").split())


def test_it_is_a_pdf_in_an_object_that_says_what_it_was_made_from(study: Study, source: Path) -> None:
    dataset = rendered(study("flagged", source))
    assert (dataset.Modality, dataset.MIMETypeOfEncapsulatedDocument) == ("DOC", "application/pdf")
    assert inside(dataset).startswith(b"%PDF-")
    assert inside(dataset).rstrip().endswith(b"%%EOF")
    assert [one.ReferencedSOPInstanceUID for one in dataset.SourceInstanceSequence] == [dcmread(source).SOPInstanceUID]
    assert (dataset.BurnedInAnnotation, dataset.VerificationFlag) == ("YES", "UNVERIFIED")


@pytest.mark.tools
@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("flagged", "FLAGGED for prioritisation: suspected pneumonia on 1 of 1 image analysed."),
        ("not_flagged", "PROCESSED, NOT FLAGGED: 1 image analysed."),
        ("not_analysed", "NOT ANALYSED: not a frontal view."),
        ("failed", "ANALYSIS FAILED: pixel data is truncated."),
    ],
)
def test_it_says_whose_study_it_is_what_came_of_it_and_what_that_does_not_mean(
    study: Study, source: Path, tmp_path: Path, outcome: str, told: str
) -> None:
    text = words(study(outcome, source), tmp_path)
    assert "AI TRIAGE AID - NOT FOR DIAGNOSIS Preliminary, not verified by a person." in text
    assert "Patient Öztürk, Zoë Patient ID PID-4711 issued by KLINIK Born, sex 2022-01-07, F" in text
    assert told in text
    assert ("Probability" in text) == (outcome == "flagged")  # of nothing else is there a number
    assert {
        "flagged": "does not exclude any other disease",
        "not_flagged": "does not exclude pneumonia or any other disease",
    }.get(outcome, "nothing is said about the presence or absence of disease") in text
    assert "lite 3; operating point: sensitive (flagged from 0.3125); weights sha256: abab" in text
    assert "concluded 2026-03-02 02:30:01 UTC+0530" in text


@pytest.mark.tools
def test_only_a_flagged_study_shows_its_radiograph(study: Study, source: Path, tmp_path: Path) -> None:
    """A page with the image of a study that is not flagged would look like a rule-out."""
    counts = {}
    for outcome in ("flagged", "not_flagged", "not_analysed", "failed"):
        path = tmp_path / f"{outcome}.pdf"
        path.write_bytes(inside(rendered(study(outcome, source))))
        counts[outcome] = len(tool("pdfimages", path, "-list").splitlines()[2:])
    assert counts == {"flagged": 1, "not_flagged": 0, "not_analysed": 0, "failed": 0}


@pytest.mark.tools
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("Люксембург^Роза", "Люксембург, Роза"),
        ("Διονυσιος^Αλκης", "Διονυσιος, Αλκης"),
        ("Dvořák^Šárka^^Dr.", "Dvořák, Šárka Dr."),
        ("Nguyễn^Văn Ngọc", "Nguyễn, Văn Ngọc"),
        ("W" * 64, "W" * 45),  # and the rest on a second line
        ("Wang^XiaoDong=王^小东", "Wang, XiaoDong (and in letters that this page cannot show)"),
        ("王^小东", NOT_DRAWN),
        ("สมชาย^ใจดี", NOT_DRAWN),
        ("शर्मा^राम", NOT_DRAWN),
        ("", "not given"),
    ],
)
def test_a_name_in_any_script_can_be_read_or_is_said_not_to_be_shown(
    study: Study, source: Path, tmp_path: Path, name: str, read: str
) -> None:
    text = words(facts(study("not_flagged", source), patient_name=name), tmp_path)
    assert f"Patient {read}" in text
    assert "Patient ID PID-4711" in text


@pytest.mark.tools
def test_arabic_letters_are_joined_and_run_from_right_to_left(study: Study, source: Path, tmp_path: Path) -> None:
    """Poppler gives back the forms that were drawn: the first letter of نزار at the right, joined to nothing before."""
    text = words(facts(study("not_flagged", source), patient_name="قباني^نزار"), tmp_path)
    assert "ﻧﺰﺍﺭ" in text
    assert "ﻗﺒﺎﻧﻲ" in text


def test_without_the_extra_that_reverses_them_arabic_and_hebrew_letters_are_said_not_to_be_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "bidi", None)  # as if it were not installed
    fonts = lettering()
    assert person("Qabbani^Nizar=قباني^نزار", fonts) == f"Qabbani, Nizar {NOT_DRAWN}".replace("(in", "(and in")
    assert person("כהן^דוד", fonts) == NOT_DRAWN


def test_what_cannot_be_drawn_is_never_a_box_or_a_question_mark() -> None:
    fonts = lettering()
    assert person("王^小东=?", fonts) == f"? {NOT_DRAWN}".replace("(in", "(and in")
    for text in ("王", "ไทย", "हिन्दी", "\ue000", "🙂"):
        assert not fonts.can_draw(text)
        assert "".join(run.text for run in fonts.runs(text)) == NOT_DRAWN


@pytest.mark.tools
def test_many_images_stay_on_one_page_that_says_how_many_it_leaves_out(
    study: Study, source: Path, tmp_path: Path
) -> None:
    result = study("not_analysed", source)
    path = tmp_path / "page.pdf"
    path.write_bytes(inside(rendered(replace(result, images=result.images * 200))))
    assert "Pages: 1" in " ".join(tool("pdfinfo", path).split())
    text = " ".join(tool("pdftotext", path, "-layout").split())
    shown = text.count("Image not analysed")
    assert 10 < shown < 100
    assert f"And {200 - shown} more: the DICOM SR names them all." in text


@pytest.mark.tools
def test_its_own_title_names_nobody_and_its_fonts_are_in_it(study: Study, source: Path, tmp_path: Path) -> None:
    """Viewers make a file's name of the title; a font that is not in the file may be another one elsewhere."""
    path = tmp_path / "page.pdf"
    dataset = rendered(study("flagged", source))
    path.write_bytes(inside(dataset))
    about = tool("pdfinfo", path)
    assert "AI triage report" in about
    assert dataset.DocumentTitle == "AI triage report"
    assert not any(secret in about for secret in ("Öztürk", "PID-4711", "A-2026-0001"))
    fonts = tool("pdffonts", path).splitlines()[2:]
    assert len(fonts) == 1
    assert fonts[0].split()[-5:-2] == ["yes", "yes", "yes"]  # embedded, subset, with a way back to Unicode


@pytest.mark.parametrize("path", ["fonts/relative.ttf", "/does/not/exist.ttf", __file__])
def test_a_font_that_cannot_be_embedded_is_refused_with_its_path(path: str) -> None:
    with pytest.raises(ValidationError, match=r"expected absolute paths of fonts with TrueType outlines\. Received: "):
        pdf.Settings(fonts=(path,))
    assert pdf.Settings(fonts=(BUILT_IN,)).fonts == (BUILT_IN,)
