"""Why the age rule stands: adults pass the pixel gate, and the model is no use on them."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agent.line.gate import GateSettings, decide
from dicom_io.header import Header
from model.classifier import load
from model.preprocess import to_input

pytestmark = pytest.mark.shared
COUNT = 64


@pytest.fixture(scope="module")
def rows(shared: Path) -> list[dict[str, str]]:
    with (shared / "data" / "cxr-adult" / "labels.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_age_rule_declines_everyone_from_six_years_on(rows: list[dict[str, str]]) -> None:
    child = Header(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.1", modality="CR", body_part_examined="CHEST", view_position="PA"
    )
    for row in rows:
        header = dataclasses.replace(child, patient_age=f"{int(row['age']):03d}Y")
        found = decide(header, GateSettings(), calling_ae_title="")
        assert (found is None) == (int(row["age"]) <= 5), row["age"]


def test_the_model_flags_most_adults_without_a_finding(shared: Path, rows: list[dict[str, str]]) -> None:
    """Should this fail, the model has become better on adults: then docs/gate.md needs new figures."""
    files = [row["file"] for row in rows if row["nih_labels"] == "No Finding" and int(row["age"]) >= 18][:COUNT]
    inputs = []
    for name in files:
        with Image.open(shared / "data" / "cxr-adult" / "images" / name) as picture:
            inputs.append(to_input(np.asarray(picture.convert("L"))))
    classifier = load(maps=False)
    threshold = classifier.card.operating_point.threshold
    flagged = sum(one.probability >= threshold for one in classifier.score(np.stack(inputs)))
    assert flagged > COUNT / 2
