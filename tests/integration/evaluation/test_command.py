"""`tibabu evaluate` as its users run it: real radiographs as pictures and as DICOM, the shipped model, both gates."""

import csv
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from agent.cli.commands import tibabu
from dicom_io.image_files import CrIdentity, read_picture, write_cr

pytestmark = pytest.mark.shared

REQUIRED = {"n", "auc", "precision", "recall", "specificity", "accuracy", "ece", "brier", "ci"}
EACH = 10
SURNAME = "Unmistakable"


@dataclass
class Run:
    """What one run of the command left."""

    result: Result
    html: str
    scores: list[dict[str, str]]

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.result.stdout)
        return found


def identity(number: int, age: str, sex: str) -> CrIdentity:
    return CrIdentity(
        patient_id=f"{SURNAME}-{number}",
        patient_name=f"{SURNAME}^{number}",
        made_at=datetime(2026, 1, 1, tzinfo=UTC),
        patient_age=age,
        patient_sex=sex,
    )


@pytest.fixture(scope="module")
def folder(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay out 10 radiographs of each class, 3 as DICOM (one an adult by its header); one blank, one broken."""
    folder = tmp_path_factory.mktemp("evaluation") / "site"
    for label in ("NORMAL", "PNEUMONIA"):
        (folder / label / "deeper").mkdir(parents=True)
        paths = sorted((shared / "data/cxr-train" / label).iterdir())
        for number, path in enumerate(paths[:: len(paths) // EACH][:EACH]):
            frame = read_picture(path)
            if number < 3:
                age = "064Y" if number == 2 else "004Y"
                write_cr(frame, folder / label / "deeper" / f"{label}{number}", identity(number, age, "FM"[number % 2]))
            else:
                Image.fromarray(frame).save(folder / label / f"{path.stem}{'.png' if number % 2 else '.jpg'}")
    Image.fromarray(np.full((224, 224), 30, np.uint8)).save(folder / "NORMAL/blank.png")
    (folder / "PNEUMONIA/broken.jpeg").write_bytes((shared / "data/README.md").read_bytes()[:100])
    return folder


@pytest.fixture(scope="module")
def done(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("out")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(out)
        patch.delenv("TIBABU_CONFIG", raising=False)
        arguments = ["evaluate", str(folder), "--json", "--html", "page.html", "--scores", "scores.csv"]
        result = CliRunner().invoke(tibabu, arguments)
    assert result.exit_code == 0, result.output
    with (out / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return Run(result, (out / "page.html").read_text(encoding="utf-8"), rows)


def test_standard_output_is_one_document_with_the_documented_keys(done: Run) -> None:
    found = done.document
    for name in ("all", "accepted"):
        assert set(found[name]) >= REQUIRED
        assert set(found[name]["ci"]) >= REQUIRED - {"n", "ci"}
        for rate in REQUIRED - {"n", "ci"}:
            low, high = found[name]["ci"][rate]
            assert 0.0 <= low <= found[name][rate] <= high <= 1.0
    assert isinstance(found["operating_point"], float)
    assert set(found["model"]) >= {"name", "version", "sha256"}
    assert found["images_per_second"] > 0


def test_every_file_is_scored_or_failed(done: Run, folder: Path) -> None:
    found = done.document
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert found["all"]["n"] + found["failed"]["n"] == len(files) == len(done.scores) == 2 * EACH + 2
    assert [row["file"] for row in found["failed"]["files"]] == ["PNEUMONIA/broken.jpeg"]
    assert found["accepted"]["n"] + found["declined"]["n"] == found["all"]["n"]


def test_both_gates_were_asked(done: Run) -> None:
    reasons = {(row["by"], row["reason"]): row["n"] for row in done.document["declined"]["reasons"]}
    assert reasons["header", "age outside the validated range"] == 2
    assert reasons["pixels", "blank"] == 1


def test_the_figures_are_those_of_the_scores(done: Run) -> None:
    found, scored = done.document, [row for row in done.scores if row["probability"]]
    for name, rows in (("all", scored), ("accepted", [row for row in scored if not row["declined_by"]])):
        right = [(row["label"] == "PNEUMONIA") == (row["flagged"] == "1") for row in rows]
        assert found[name]["accuracy"] == pytest.approx(np.mean(right), abs=1e-6)
        squares = [(float(row["probability"]) - (row["label"] == "PNEUMONIA")) ** 2 for row in rows]
        assert found[name]["brier"] == pytest.approx(np.mean(squares), abs=1e-5)


def test_a_radiograph_is_on_its_side(done: Run) -> None:
    assert done.document["accepted"]["accuracy"] > 0.8


def test_headers_make_subgroups(done: Run) -> None:
    groups = {(row["by"], row["group"]): row["n"] for row in done.document["all"]["subgroups"]}
    assert groups["age band", "3 to 5 years"] == 4
    assert groups["age band", "18 years and older"] == 2
    assert groups["sex", "female"] == 4
    assert ("manufacturer", "Tibabu") in groups


def test_nobody_is_told_who_the_patients_are(done: Run) -> None:
    assert SURNAME not in done.result.stdout
    assert SURNAME not in done.html
    assert "person" not in done.html.replace("a person", "")


def test_the_page_needs_nothing_from_elsewhere(done: Run) -> None:
    assert "<script" not in done.html
    assert not any(part in done.html for part in ("src=", "href=", "url(", "@import", "http:", "https:"))
    assert done.document["model"]["sha256"] in done.html


def test_too_few_patients_for_an_operating_point_say_how_many_it_takes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text('[model]\nname = "small_cnn"\n', encoding="utf-8")
    result = CliRunner().invoke(tibabu, ["evaluate", str(folder), "--write-operating-point", "point.json"])
    assert result.exit_code == 1
    assert "at least 100 patients with pneumonia and 50 without" in result.stderr
    assert not (tmp_path / "point.json").exists()
