"""Decisions that need nothing around them: what to ask a worklist, whose an image is, what a comparison leaves out."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.destinations.stow import Settings
from agent.errors import DeliveryError
from agent.evaluation.entries import Entry
from agent.evaluation.reading import _patient
from agent.fhir import values
from agent.line.orders import _questions
from agent.watch.comparison_text import _left_out
from db.orders import OrderedStudy


@pytest.mark.parametrize(
    ("accession", "patient", "asked"),
    [
        ("A1", "P1", ["AccessionNumber", "StudyInstanceUID", "PatientID"]),
        ("", "P1", ["StudyInstanceUID", "PatientID"]),
        ("", "", ["StudyInstanceUID"]),
    ],
)
def test_a_worklist_is_asked_by_what_a_study_has_the_surest_first(
    accession: str, patient: str, asked: list[str]
) -> None:
    study = SimpleNamespace(
        accession_number=accession, study_instance_uid="1.2", patient=SimpleNamespace(patient_id=patient)
    )
    assert [key for one in _questions(cast("OrderedStudy", study)) for key in one] == asked


@pytest.mark.parametrize(
    ("table", "header", "name", "patient"),
    [
        ("7", ("P1", "H"), "IM-0001-0001.jpeg", "table 7"),
        ("", ("P1", "H"), "x.dcm", "header H/P1"),
        ("", ("", ""), "x.dcm", "study 1.2"),
        ("", None, "x.png", ""),
    ],
)
def test_an_image_is_of_whom_the_table_says_else_its_header_else_its_study(
    table: str, header: tuple[str, str] | None, name: str, patient: str
) -> None:
    entry = SimpleNamespace(patient=table, path=Path(name))
    said: Any = None
    if header is not None:
        said = SimpleNamespace(patient_id=header[0], issuer_of_patient_id=header[1], study_instance_uid="1.2")
    assert _patient(cast("Entry", entry), said) == patient


def test_a_comparison_says_which_images_it_leaves_out_and_why() -> None:
    whole, part = SimpleNamespace(lacking=0, failed=0), SimpleNamespace(lacking=3, failed=2)
    found: Any = SimpleNamespace(a=whole, b=part, waiting=0, parked=0)
    assert list(_left_out(found)) == [
        "left out: 3 images without a score of B",
        "left out: 2 images that B could not score",
    ]
    found.b = whole
    assert list(_left_out(found)) == []


def test_a_component_group_that_is_empty_is_no_name() -> None:
    assert values.names("") == []
    assert [one["text"] for one in values.names("=山田^太郎")] == ["太郎 山田"]


def test_a_secret_of_several_lines_is_none(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("one\ntwo\n", encoding="utf-8")
    settings = Settings(name="pacs", type="stow", reports=["sr"], url="http://127.0.0.1:1", secret_file=file)
    with pytest.raises(DeliveryError, match="one line"):
        settings.secret()
