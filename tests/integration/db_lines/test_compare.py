"""`tibabu compare`: the scores on record, on SQLite and on PostgreSQL, and those of a labelled folder."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import agent.cli.comparison
from agent.cli.commands import tibabu
from agent.errors import AgentError
from agent.watch.comparison import on_record
from db.analysis import ImageResult, record_image_result, score_task
from db.outcome import Outcome
from db.shadow import ShadowScore, record_shadow_score, shadow_task
from model.errors import WeightsError

FIRST, SECOND = "1" * 64, "2" * 64


def scored(ledger: Any, a: float, b: float | None = None, *, reason: str = "", **more: Any) -> None:
    """Put an image on record with the first model's probability, and the second one's if there is one."""
    image = ledger.receive(**more).instance_id
    task = score_task(ledger.database, image)
    assert task is not None
    found = ImageResult(
        outcome=Outcome.FLAGGED if a >= 0.5 else Outcome.NOT_FLAGGED,
        probability=a,
        model_name="first",
        model_version="1",
        model_sha256=FIRST,
        started_at=ledger.now,
        finished_at=ledger.now,
    )
    record_image_result(ledger.database, ledger.queue, task, found, allowances=ledger.allowances, shadowed=True)
    if b is None and not reason:
        return
    number = {} if b is None else {"score": b, "probability": b, "flagged": b >= 0.3}
    said = ShadowScore(
        model_name="second",
        model_version="2",
        model_sha256=SECOND,
        threshold=0.3,
        reason=reason,
        started_at=ledger.now,
        finished_at=ledger.now,
        **number,  # type: ignore[arg-type]
    )
    second = shadow_task(ledger.database, image, model_sha256=SECOND)
    assert second is not None
    record_shadow_score(ledger.database, second, said)


@pytest.fixture
def on_file(sqlite_ledger: Any, tmp_path: Path) -> Callable[..., Result]:
    """Return `compare(*arguments)`: the command over the ledger's database."""
    url = sqlite_ledger.database.url.render_as_string(hide_password=False)
    (tmp_path / "config.toml").write_text(
        f'[database]\nurl = "{url}"\n[model]\nname = "first"\nshadow = "second"\n', encoding="utf-8"
    )
    return lambda *arguments: CliRunner().invoke(
        tibabu, ["compare", *arguments, "--config", str(tmp_path / "config.toml")]
    )


def test_the_images_that_both_models_scored_are_compared_each_at_its_own_operating_point(ledger: Any) -> None:
    for a, b in ((0.9, 0.9), (0.9, 0.2), (0.1, 0.4), (0.1, 0.1)):
        scored(ledger, a, b)
    scored(ledger, 0.7)
    scored(ledger, 0.7, reason="broken")
    found = on_record(ledger.database, "first", "second", now=ledger.now)
    agreement = found.comparison.agreement
    assert (agreement.both, agreement.only_a, agreement.only_b, agreement.neither) == (1, 1, 1, 1)
    assert (found.a.lacking, found.b.lacking, found.b.failed) == (0, 2, 1)
    assert (found.a.sha256, found.b.sha256) == (FIRST, SECOND)
    assert found.waiting == 6
    assert found.comparison.patients == 1
    assert found.comparison.labelled is None


def test_models_without_a_common_image_are_not_compared(sqlite_ledger: Any) -> None:
    with pytest.raises(AgentError, match=r"scores on record\. Received: first"):
        on_record(sqlite_ledger.database, "first", "second", now=sqlite_ledger.now)
    scored(sqlite_ledger, 0.9, 0.9)
    with pytest.raises(AgentError, match="none; 0 scores of first"):
        on_record(
            sqlite_ledger.database,
            "first",
            "second",
            now=sqlite_ledger.now,
            since=sqlite_ledger.now + timedelta(days=1),
        )


def test_people_are_told_that_without_labels_nobody_is_right(
    sqlite_ledger: Any, on_file: Callable[..., Result]
) -> None:
    for number in range(20):
        scored(sqlite_ledger, number / 20, number / 25, patient_id=f"Zzyzx-{number}", study_instance_uid=f"1.{number}")
    result = on_file()
    assert result.exit_code == 0, result.output
    for words in (
        "A  first 1", "B  second 2", "20 images of 20 patients", "Cohen's kappa", "There are no labels", "median",
        "yet to score 20 images",
    ):  # fmt: skip
        assert words in result.stdout
    assert "McNemar" not in result.stdout
    assert "Zzyzx" not in result.stdout


def test_scripts_get_one_document_without_nan(sqlite_ledger: Any, on_file: Callable[..., Result]) -> None:
    scored(sqlite_ledger, 0.9, 0.8)
    result = on_file("first", "second", "--json")
    found = json.loads(result.stdout, parse_constant=pytest.fail)
    assert found["comparison"]["agreement"]["kappa"]["value"] is None
    assert found["comparison"]["labelled"] is None
    assert found["b"] == {"name": "second", "version": "2", "sha256": SECOND, "lacking": 0, "failed": 0}


@pytest.mark.parametrize(
    "arguments",
    [["first", "first"], ["--since", "yesterday"], ["--data", "absent"], ["--data", ".", "--since", "2026-01-01"]],
)
def test_wrong_usage_is_status_2(arguments: list[str], on_file: Callable[..., Result]) -> None:
    result = on_file(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr


def test_without_a_second_model_two_have_to_be_named(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("", encoding="utf-8")
    result = CliRunner().invoke(tibabu, ["compare", "--config", str(tmp_path / "config.toml")])
    assert (result.exit_code, "model.shadow" in result.stderr) == (2, True)


class Meter:
    """Stands in for a network: the probability is the brightness, to a power."""

    def __init__(self, name: str, power: float) -> None:
        self.power = power
        point = SimpleNamespace(threshold=0.5)
        self.card = SimpleNamespace(name=name, version="1", sha256=name[0] * 64, operating_point=point)

    def score(self, images: Any) -> list[Any]:
        return [SimpleNamespace(score=0.0, probability=float(image.mean()) ** self.power) for image in images]


@pytest.fixture
def labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder of pictures, the brighter the sicker, and two models that look at that."""
    meters = {"first": Meter("first", 1.0), "second": Meter("second", 3.0)}

    def load(name: str, **_: object) -> Meter:
        if name not in meters:
            message = "expected weights"
            raise WeightsError(message)
        return meters[name]

    monkeypatch.setattr(agent.cli.comparison, "load", load)
    for label, values in (("NORMAL", range(40, 120, 4)), ("PNEUMONIA", range(110, 230, 4))):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number, value in enumerate(values):
            name = f"person{number // 2}_virus_{number}.png" if label == "PNEUMONIA" else f"IM-{number:04d}-0001.png"
            Image.fromarray(np.full((20, 20), value, np.uint8)).save(tmp_path / "data" / label / name)
    return tmp_path / "data"


def test_on_a_labelled_folder_the_models_are_compared_with_the_truth(
    labelled: Path, on_file: Callable[..., Result]
) -> None:
    found = json.loads(on_file("--data", str(labelled), "--json").stdout)
    comparison, truth = found["comparison"], found["comparison"]["labelled"]
    assert (comparison["images"], comparison["patients"], truth["positives"]) == (50, 35, 30)
    assert truth["auc"]["a"] == truth["auc"]["b"] > 0.95, "a power does not change the order"
    assert truth["auc"]["difference"]["value"] == 0
    # Flagged from a brightness of 128 on, and of 203 on.
    assert (truth["sensitivity"]["only_a_right"], truth["sensitivity"]["only_b_right"]) == (19, 0)
    assert truth["sensitivity"]["p_value"] == pytest.approx(2 / 2**19)
    assert truth["sensitivity"]["difference"]["high"] < 0
    assert (truth["specificity"]["only_a_right"], truth["specificity"]["only_b_right"]) == (0, 0)
    text = on_file("--data", str(labelled)).stdout
    for words in ("Against the labels (30 pneumonia, 20 normal)", "McNemar", "DeLong", "flatter"):
        assert words in text


def test_a_model_that_does_not_load_ends_the_comparison_with_a_message(
    labelled: Path, on_file: Callable[..., Result]
) -> None:
    result = on_file("first", "third", "--data", str(labelled))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "tibabu: expected weights" in result.stderr
