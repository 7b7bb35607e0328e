"""Training without the packages that are only nice to have: it goes on, and says what is left out."""

import logging
from pathlib import Path
from typing import Any

import pytest

from model import event_log, expense, imagenet, pictures
from model.errors import PretrainedError
from model.event_log import EventLog
from model.fitting import Epoch


def _absent(_name: str) -> None:
    """Find no package, as `importlib.util.find_spec` does of one that is not installed."""


def test_without_tensorboard_there_are_no_events_and_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(event_log, "find_spec", _absent)
    with caplog.at_level(logging.WARNING), EventLog(tmp_path) as log:
        log.write(Epoch(1, 1, 0.5, 1.0))
    assert list(tmp_path.iterdir()) == []
    assert "training_events_left_out" in caplog.text


def test_without_matplotlib_there_are_no_pictures_and_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    nothing: Any = None
    monkeypatch.setattr(pictures, "find_spec", _absent)
    with caplog.at_level(logging.WARNING):
        assert pictures.write(nothing, nothing, tmp_path) == ()
    assert "training_pictures_left_out" in caplog.text


def test_without_the_package_that_ships_them_there_are_no_imagenet_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagenet.importlib.util, "find_spec", _absent)
    with pytest.raises(PretrainedError, match="not installed"):
        imagenet.efficientnet_lite0()


def test_where_the_system_does_not_name_its_processor_python_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "cpuinfo"
    named.write_text("processor\t: 0\nmodel name\t: Ours 3000\n", encoding="utf-8")
    monkeypatch.setattr(expense, "_CPUINFO", named)
    assert expense._cpu() == "Ours 3000"
    for content in ("processor\t: 0\n", None):
        named.unlink() if content is None else named.write_text(content, encoding="utf-8")
        assert expense._cpu() not in {"", "Ours 3000"}
