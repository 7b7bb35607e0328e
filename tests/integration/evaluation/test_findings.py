"""From files to figures and to the page, with a model that reads a picture's brightness."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.evaluation import findings
from agent.evaluation.entries import Entries, entries_of_folder
from agent.evaluation.findings import data_digest, document, site_data
from agent.evaluation.gating import grouped
from agent.evaluation.manifest import entries_of_manifest
from agent.evaluation.page import page
from agent.evaluation.scoring import Scores, score
from agent.watch.traits import age_band
from model.card import ModelCard
from model.evaluation import bootstrap

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
REQUIRED = {"n", "auc", "precision", "recall", "specificity", "accuracy", "ece", "brier", "ci"}


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw a twentieth as often: what the intervals are worth is proved in tests/unit/model/test_evaluation.py."""

    def draw(*arguments: Any, replicates: int, seed: int) -> dict[str, Any]:
        return bootstrap(*arguments, replicates=replicates // 20, seed=seed)

    for module in ("model.evaluation", "model.thresholds"):
        monkeypatch.setattr(f"{module}.bootstrap", draw)


@pytest.fixture
def at_half(card: ModelCard) -> ModelCard:
    """Return a card that flags from one half on."""
    return replace(card, operating_point=replace(card.operating_point, threshold=0.5))


@pytest.fixture
def evaluated(model: Any, gate: Callable[..., Any], at_half: ModelCard) -> Callable[..., tuple[dict[str, Any], Scores]]:
    """Return `evaluated(entries, darkest=0)`: the document, and the scores behind it."""

    def evaluate(entries: Entries, darkest: int = 0) -> tuple[dict[str, Any], Scores]:
        scores = score(model, entries.entries, gate(darkest))
        return document(at_half, entries, scores, runtime="none", at=NOON), scores

    return evaluate


Evaluated = Callable[..., tuple[dict[str, Any], Scores]]


def test_the_figures_are_those_of_the_pictures(evaluated: Evaluated, folder: Path) -> None:
    found, _ = evaluated(entries_of_folder(folder))
    every = found["all"]
    assert set(every) >= REQUIRED
    assert every["confusion"] == {"true_negative": 5, "false_positive": 1, "false_negative": 1, "true_positive": 5}
    assert (every["n"], every["positives"], every["patients"]) == (12, 6, 12)
    assert every["recall"] == every["specificity"] == every["precision"] == pytest.approx(5 / 6, abs=1e-6)
    pairs = [(n, p) for n in (10, 20, 30, 40, 50, 220) for p in (250, 240, 230, 225, 215, 25)]
    assert every["auc"] == pytest.approx(sum(p > n for n, p in pairs) / 36, abs=1e-6)
    assert set(every["ci"]) >= REQUIRED - {"n", "ci"}
    assert found["operating_point"] == 0.5
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_accepted_are_the_images_that_the_gate_lets_pass(evaluated: Evaluated, folder: Path) -> None:
    found, _ = evaluated(entries_of_folder(folder), darkest=25)
    assert (found["all"]["n"], found["accepted"]["n"]) == (12, 10)
    declined = found["declined"]
    assert (declined["n"], declined["of"], declined["by_label"]["NORMAL"]["n"]) == (2, 12, 2)
    assert declined["share"] == pytest.approx(2 / 12, abs=1e-6)
    assert declined["ci"][0] <= declined["share"] <= declined["ci"][1]
    assert declined["reasons"] == [{"by": "pixels", "reason": "too dark", "n": 2}]
    assert found["accepted"]["specificity"] == pytest.approx(3 / 4)


def test_a_gate_that_lets_nothing_pass_leaves_nulls_not_errors(
    evaluated: Evaluated, folder: Path, at_half: ModelCard
) -> None:
    found, _ = evaluated(entries_of_folder(folder), darkest=256)
    accepted = found["accepted"]
    assert accepted["n"] == 0
    assert all(accepted[name] is None for name in REQUIRED - {"n", "ci"})
    assert accepted["operating_points"] == accepted["subgroups"] == []
    assert "not defined" in page(found, at_half)


def test_where_nothing_is_flagged_there_is_no_precision_to_mark(
    model: Any, gate: Callable[..., Any], folder: Path, at_half: ModelCard
) -> None:
    entries = entries_of_folder(folder)
    never = replace(at_half, operating_point=replace(at_half.operating_point, threshold=1.0))
    found = document(never, entries, score(model, entries.entries, gate(0)), runtime="none", at=NOON)
    assert (found["all"]["recall"], found["all"]["precision"]) == (0.0, None)
    marked = page(found, never).count(">operating point<")
    flags = document(at_half, entries, score(model, entries.entries, gate(0)), runtime="none", at=NOON)
    assert (marked, page(flags, at_half).count(">operating point<")) == (1, 2), "of the ROC curve alone"


def test_where_nothing_can_be_read_there_are_no_figures(evaluated: Evaluated, tmp_path: Path) -> None:
    for label in ("NORMAL", "PNEUMONIA"):
        (tmp_path / "bad" / label).mkdir(parents=True)
        (tmp_path / "bad" / label / "text.png").write_text("no picture", encoding="utf-8")
    found, scores = evaluated(entries_of_folder(tmp_path / "bad"))
    assert (scores.scored, len(scores.unreadable), found["all"]["n"]) == ((), 2, 0)


def test_a_trait_that_is_known_of_no_image_makes_no_groups(evaluated: Evaluated, folder: Path, tmp_path: Path) -> None:
    names = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*"))
    rows = [f"{name},{int(name.startswith('P'))},," for name in names]
    (tmp_path / "labels.csv").write_text("file,label,ward,shift\n" + "\n".join(rows), encoding="utf-8")
    found, _ = evaluated(entries_of_manifest(tmp_path / "labels.csv", folder))
    assert {row["by"] for row in found["all"]["subgroups"]} <= {"pathogen"}


def test_what_cannot_be_read_is_listed_and_in_no_figure(evaluated: Evaluated, folder: Path) -> None:
    (folder / "NORMAL/text.png").write_text("no picture", encoding="utf-8")
    (folder / "NORMAL/cut.png").write_bytes((folder / "NORMAL/IM-0000-0001.png").read_bytes()[:60])
    (folder / "PNEUMONIA/gone.png").symlink_to(folder / "nowhere")
    found, scores = evaluated(entries_of_folder(folder))
    assert found["all"]["n"] == 12
    assert found["failed"]["n"] == len(scores.unreadable) == 3
    assert {row["file"] for row in found["failed"]["files"]} == {
        "NORMAL/text.png",
        "NORMAL/cut.png",
        "PNEUMONIA/gone.png",
    }
    assert "3 files could not be read: they have no score and are in no figure." in found["notes"]


def test_two_runs_say_the_same(evaluated: Evaluated, folder: Path) -> None:
    first, second = (evaluated(entries_of_folder(folder))[0] for _ in range(2))
    for found in (first, second):
        del found["images_per_second"]
    assert first == second


def test_names_that_do_not_tell_the_patient_make_each_image_one(
    evaluated: Evaluated, tmp_path: Path, picture: Callable[[Path, int], Path]
) -> None:
    for number in range(3):
        picture(tmp_path / f"NORMAL/{number}.png", 10 + number)
        picture(tmp_path / f"PNEUMONIA/{number}.jpeg", 200 + number)
    found, _ = evaluated(entries_of_folder(tmp_path))
    assert found["all"]["patients"] == 6
    assert found["data"]["patients_known"] == 0
    assert "Nothing tells the patient of 6 images: each counts as a patient of its own." in found["notes"]


def test_images_of_one_patient_are_one_patient(evaluated: Evaluated, folder: Path, tmp_path: Path) -> None:
    names = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*"))
    rows = [f"{name},{int(name.startswith('P'))},{'x' if index < 6 else 'y'}" for index, name in enumerate(names)]
    (tmp_path / "labels.csv").write_text("file,label,patient\n" + "\n".join(rows), encoding="utf-8")
    found, _ = evaluated(entries_of_manifest(tmp_path / "labels.csv", folder))
    assert found["all"]["patients"] == 2


def test_the_same_bytes_under_both_labels_are_noted(evaluated: Evaluated, folder: Path) -> None:
    (folder / "PNEUMONIA/copy.png").write_bytes((folder / "NORMAL/IM-0000-0001.png").read_bytes())
    found, _ = evaluated(entries_of_folder(folder))
    assert found["data"]["same_bytes"] == {"repeated": 1, "under_both_labels": 1}


def test_the_digest_of_the_data_is_of_bytes_and_labels_not_of_names(evaluated: Evaluated, folder: Path) -> None:
    scores = evaluated(entries_of_folder(folder))[1]
    digest = data_digest(scores.scored)
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()} {int(p.parent.name[0] == 'P')}" for p in folder.glob("*/*")]
    assert digest == hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
    path = folder / "NORMAL/IM-0000-0001.png"
    path.rename(folder / "NORMAL/renamed.png")
    assert data_digest(evaluated(entries_of_folder(folder))[1].scored) == digest
    (folder / "NORMAL/renamed.png").rename(folder / "PNEUMONIA/renamed.png")
    assert data_digest(evaluated(entries_of_folder(folder))[1].scored) != digest


def test_subgroups_by_file_name_and_column(evaluated: Evaluated, folder: Path, tmp_path: Path) -> None:
    names = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*"))
    rows = [
        f"{name},{int(name.startswith('P'))},{'a' if index % 2 else 'b'},{index}" for index, name in enumerate(names)
    ]
    (tmp_path / "labels.csv").write_text("file,label,ward,age\n" + "\n".join(rows), encoding="utf-8")
    found, _ = evaluated(entries_of_manifest(tmp_path / "labels.csv", folder))
    groups = {(row["by"], row["group"]): row for row in found["all"]["subgroups"]}
    assert set(groups) == {
        ("age band", "under 1 year"),
        ("age band", "1 to 2 years"),
        ("age band", "3 to 5 years"),
        ("age band", "6 to 17 years"),
        ("pathogen", "bacteria"),
        ("pathogen", "virus"),
        ("ward", "a"),
        ("ward", "b"),
    }
    bacteria = groups["pathogen", "bacteria"]
    assert (bacteria["n"], bacteria["positives"]) == (9, 3)
    assert groups["age band", "1 to 2 years"]["n"] == 2
    assert set(bacteria) >= REQUIRED


def test_many_groups_are_cut(
    evaluated: Evaluated, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.evaluation.subgroups._MOST_GROUPS", 2)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*"))
    rows = [f"{name},{int(name.startswith('P'))},w{min(index, 5)}" for index, name in enumerate(names)]
    (tmp_path / "labels.csv").write_text("file,label,ward\n" + "\n".join(rows), encoding="utf-8")
    found, _ = evaluated(entries_of_manifest(tmp_path / "labels.csv", folder))
    wards = {row["group"]: row["n"] for row in found["all"]["subgroups"] if row["by"] == "ward"}
    assert wards == {"w5": 7, "w0": 1, "others": 4}


def test_a_site_chooses_on_accepted_images_only(evaluated: Evaluated, folder: Path) -> None:
    data = site_data(evaluated(entries_of_folder(folder), darkest=25)[1])
    assert (len(data.labels), data.labels.sum()) == (10, 6)


def test_long_curves_are_thinned_but_keep_their_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "_CURVE_POINTS", 5)
    thinned = findings._thinned(findings.np.stack([findings.np.arange(100.0)] * 2, axis=1))
    assert len(thinned) == 5
    assert (thinned[0][0], thinned[-1][0]) == (0, 99)


@pytest.mark.parametrize(
    ("years", "band"),
    [
        (0.99, "under 1 year"),
        (1, "1 to 2 years"),
        (5.99, "3 to 5 years"),
        (17, "6 to 17 years"),
        (18, "18 years and older"),
    ],
)
def test_age_bands_are_half_open(years: float, band: str) -> None:
    assert age_band(years) == band


def test_reasons_in_tables_tell_nobodys_age() -> None:
    assert grouped("age 64 years is outside the validated range 1 to 5 years") == "age outside the validated range"
    assert grouped("age contradictory: 4 years stated, 9 years by birth date") == "age contradictory"
    assert grouped("age unknown") == "age unknown"
    assert grouped("view unknown, expected AP or PA") == "view unknown, expected AP or PA"


class TestPage:
    def test_it_needs_nothing_from_elsewhere(self, evaluated: Evaluated, folder: Path, at_half: ModelCard) -> None:
        html = page(evaluated(entries_of_folder(folder), darkest=25)[0], at_half)
        assert "<script" not in html
        assert not re.search(r"""(src|href|url\(|@import|https?:)""", html)
        assert html.count("<svg") == 10

    def test_it_says_what_must_be_signed_for(self, evaluated: Evaluated, folder: Path, at_half: ModelCard) -> None:
        found, scores = evaluated(entries_of_folder(folder), darkest=25)
        html = page(found, at_half)
        for part in (
            at_half.sha256,
            data_digest(scores.scored),
            "2026-01-01",
            "0.5000",
            "does not diagnose",
            "Date, signature",
            "too dark",
            *at_half.caveats,
        ):
            assert part.replace("'", "&#39;").replace('"', "&#34;") in html, part

    def test_file_names_are_there_only_when_asked_for(
        self, evaluated: Evaluated, folder: Path, at_half: ModelCard
    ) -> None:
        (folder / "NORMAL/Doe-Jane.png").write_text("no picture", encoding="utf-8")
        found, _ = evaluated(entries_of_folder(folder))
        assert "Doe-Jane" not in page(found, at_half)
        assert "Doe-Jane" in page(found, at_half, list_files=True)
        assert not re.search(r"person\d|IM-\d", page(found, at_half, list_files=True))

    def test_names_from_headers_and_tables_are_text_not_markup(
        self, evaluated: Evaluated, folder: Path, tmp_path: Path, at_half: ModelCard
    ) -> None:
        names = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*"))
        rows = [f"{name},{int(name.startswith('P'))},<script>x</script>" for name in names]
        (tmp_path / "labels.csv").write_text("file,label,ward\n" + "\n".join(rows), encoding="utf-8")
        html = page(evaluated(entries_of_manifest(tmp_path / "labels.csv", folder))[0], at_half)
        assert "<script" not in html
        assert "&lt;script&gt;" in html
