"""A site's own operating point from the command line to the Device UID of the reports."""

import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from agent.cli.commands import tibabu
from agent.config.file import Config
from agent.errors import InstallationError
from agent.line.site import Watch, adapted
from agent.process.app import _work
from agent.process.inference import model_identity
from agent.process.parts import Parts
from agent.reports.identity import device_uid
from db.database import Database
from db.operating_point import OperatingPointRecord, activate_operating_point, deactivate_operating_points
from db.queue import open_queue
from dicom_io.folder_store import FolderStore
from model.card import ModelCard
from model.classifier import verify
from model.site import SiteData, SitePoint, choose_point

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BY = ("--by", "A. Physicist")


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return verify("small_cnn")


@pytest.fixture(scope="module")
def point(card: ModelCard) -> SitePoint:
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 2
    data = SiteData(
        labels=labels,
        probabilities=np.clip(labels * 0.5 + rng.random(300) * 0.5, 0, 1),
        patients=tuple(map(str, range(300))),
        sha256="ab" * 32,
    )
    return choose_point(card, data, 0.97, name="ours", made_at=NOON, made_with="Tibabu")


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_template: Path, point: SitePoint
) -> Callable[..., Result]:
    """Return `run(*arguments)`: `tibabu operating-point` in a folder with a database and a file point.json."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TIBABU_CONFIG", raising=False)
    (tmp_path / "var").mkdir()
    shutil.copy(sqlite_template, tmp_path / "var/tibabu.db")
    (tmp_path / "config.toml").write_text('[model]\nname = "small_cnn"\n', encoding="utf-8")
    (tmp_path / "point.json").write_text(point.as_text(), encoding="utf-8")
    return lambda *arguments: CliRunner().invoke(tibabu, ["operating-point", *arguments])


Run = Callable[..., Result]


def shown(run: Run) -> dict[str, Any]:
    result = run("show", "--json")
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_device_uid_changes_with_activation_and_comes_back_with_deactivation(run: Run, point: SitePoint) -> None:
    before = shown(run)
    assert not before["sites_own"]
    activated = run("activate", "point.json", *BY)
    assert activated.exit_code == 0, activated.output
    assert "takes effect when the agent is restarted" in activated.stdout
    during = shown(run)
    assert (during["name"], during["threshold"]) == ("ours", point.operating_point.threshold)
    assert during["device_uid"] != before["device_uid"]
    assert run("deactivate", *BY).exit_code == 0
    after = shown(run)
    assert after["device_uid"] == before["device_uid"]
    (record,) = after["history"]
    assert (record["activated_by"], record["deactivated_by"]) == ("A. Physicist", "A. Physicist")
    assert record["content"] == point.as_text()


def test_people_read_who_activated_what(run: Run) -> None:
    run("activate", "point.json", *BY)
    said = run("show").stdout
    assert said.startswith("ours: flagged from ")
    assert "activated by A. Physicist 20" in said
    assert "Device UID in reports: 2.25." in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_sha256": "ff" * 32}, "expected an operating point of small_cnn"),
        ({"model_version": "9"}, "expected an operating point of small_cnn"),
        ({"model_name": "oracle"}, "oracle"),
        ({"calibration": {"slope": 1.0, "intercept": 9.0}}, "calibration"),
        ({"more": 1}, "unknown=['more']"),
    ],
)
def test_a_file_for_anything_else_is_refused_and_nothing_is_recorded(
    run: Run, tmp_path: Path, point: SitePoint, change: dict[str, Any], said: str
) -> None:
    content = json.loads(point.as_text()) | change
    (tmp_path / "point.json").write_text(json.dumps(content), encoding="utf-8")
    result = run("activate", "point.json", *BY)
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert shown(run)["history"] == []


def test_a_file_that_is_no_text_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "point.json").write_bytes(b"\xff\xfe\x00")
    result = run("activate", "point.json", *BY)
    assert (result.exit_code, "readable text file" in result.stderr) == (1, True)


def test_without_an_active_one_there_is_nothing_to_deactivate(run: Run) -> None:
    result = run("deactivate", *BY)
    assert (result.exit_code, "the model's own counts" in result.stderr) == (1, True)


def test_a_prevalence_makes_another_device_too(run: Run, tmp_path: Path) -> None:
    before = shown(run)
    (tmp_path / "config.toml").write_text('[model]\nname = "small_cnn"\nprevalence = 0.05\n', encoding="utf-8")
    after = shown(run)
    assert "at prevalence 0.05 (calibrated at 0.74" in after["name"]
    assert after["prevalence"] == 0.05
    assert after["threshold"] < before["threshold"]
    assert after["device_uid"] != before["device_uid"]


class TestAfterAnUpgrade:
    """The row speaks of weights that are no longer the installed ones."""

    @pytest.fixture
    def upgraded(self, run: Run, monkeypatch: pytest.MonkeyPatch, card: ModelCard) -> Run:
        assert run("activate", "point.json", *BY).exit_code == 0
        newer = replace(card, sha256="ee" * 32)
        monkeypatch.setattr("agent.cli.operating_point.verify", lambda _name: newer)
        monkeypatch.setattr("model.classifier.verify", lambda _name="": newer)
        return run

    def test_nothing_falls_back_in_silence(self, upgraded: Run) -> None:
        result = upgraded("show")
        assert result.exit_code == 1
        assert "Nothing is analysed until a person decides" in result.stderr
        assert "activated by A. Physicist" in result.stdout

    def test_check_says_so_before_the_agent_starts(self, upgraded: Run) -> None:
        assert upgraded is not None
        result = CliRunner().invoke(tibabu, ["check"])
        assert result.exit_code == 1
        assert "BAD  model: expected an operating point of small_cnn" in result.stdout

    def test_deactivating_is_a_way_out(self, upgraded: Run) -> None:
        assert upgraded("deactivate", *BY).exit_code == 0
        assert upgraded("show").exit_code == 0

    def test_one_for_the_new_weights_is_the_other(self, upgraded: Run, tmp_path: Path, point: SitePoint) -> None:
        (tmp_path / "new.json").write_text(replace(point, model_sha256="ee" * 32).as_text(), encoding="utf-8")
        assert upgraded("activate", "new.json", *BY).exit_code == 0
        found = shown(upgraded)
        assert found["name"] == "ours"
        assert [record["deactivated_by"] for record in found["history"]] == ["A. Physicist", None]


def row(point: SitePoint, **given: Any) -> OperatingPointRecord:
    values: dict[str, Any] = {
        "id": 1,
        "model_name": point.model_name,
        "model_version": point.model_version,
        "model_sha256": point.model_sha256,
        "content": point.as_text(),
        "activated_by": "A",
        "activated_at": NOON,
        "deactivated_by": None,
        "deactivated_at": None,
    }
    return OperatingPointRecord(**values | given)


class TestLoading:
    def test_the_active_one_counts(self, card: ModelCard, point: SitePoint) -> None:
        assert adapted(card, active=[row(point)]).operating_point == point.operating_point
        assert adapted(card) is card

    def test_that_of_another_model_does_not(self, card: ModelCard, point: SitePoint) -> None:
        assert adapted(card, active=[row(point, model_name="another")]) is card

    @pytest.mark.parametrize("given", [{"model_sha256": "ff" * 32}, {"content": "{}"}, {"content": "\x00"}])
    def test_a_row_that_was_meddled_with_keeps_the_model_from_loading(
        self, card: ModelCard, point: SitePoint, given: dict[str, str]
    ) -> None:
        with pytest.raises(InstallationError, match="Nothing is analysed until a person decides"):
            adapted(card, active=[row(point, **given)])

    def test_it_makes_another_device(self, card: ModelCard, point: SitePoint) -> None:
        own, ours = (model_identity(one) for one in (card, adapted(card, active=[row(point)])))
        assert device_uid("installation", own) != device_uid("installation", ours)

    def test_a_worker_that_runs_with_another_one_says_so_again_and_again(self, point: SitePoint) -> None:
        active = [row(point)]
        watch = Watch(lambda: tuple(active), tuple(active))
        with capture_logs() as before:
            watch.look()
        active[:] = [row(point, id=2)]
        with capture_logs() as after:
            watch.look()
            watch.look()
        assert before == []
        assert [entry["event"] for entry in after] == ["operating_point_waits_for_restart"] * 2


def test_the_working_process_loads_what_is_active_and_watches_it(
    sqlite_database: Database, tmp_path: Path, point: SitePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = (point.model_name, point.model_version, point.model_sha256)
    active = activate_operating_point(sqlite_database, model=model, content=point.as_text(), by="A", now=NOON)
    loaded: list[object] = []
    ticks: dict[str, Any] = {}

    class LoadedError(Exception):
        """Ends the process of this test where the model would be loaded."""

    def make_pipeline(_config: Config, active: object, _frames: object) -> None:
        loaded.append(active)
        raise LoadedError

    monkeypatch.setattr("agent.process.inference.make_pipeline", make_pipeline)
    monkeypatch.setattr("agent.process.schedule.start", ticks.update)
    config = Config.model_validate({"model": {"name": "small_cnn"}})
    parts = Parts(sqlite_database, open_queue(sqlite_database), FolderStore(tmp_path / "store"), "installation")
    with pytest.raises(LoadedError):
        _work(config, parts, threading.Event(), lambda *_, **__: None)
    assert loaded == [(active,)]
    look, seconds = ticks["operating_point"]
    assert seconds == 60
    deactivate_operating_points(sqlite_database, point.model_name, by="B", now=NOON)
    with capture_logs() as said:
        look()
    assert [(entry["event"], entry["loaded"], entry["active"]) for entry in said] == [
        ("operating_point_waits_for_restart", [active.id], [])
    ]
