"""What the configuration makes of the gate, the model and the waiting times."""

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from agent.config.file import Config
from agent.process import inference
from agent.process.inference import make_pipeline, model_identity
from agent.process.outgoing import make_destinations
from agent.process.parts import allowances

CARD: Any = SimpleNamespace(
    name="lite",
    version="3",
    sha256="ab" * 32,
    age_range_years=(1.0, 6.0),
    operating_point=SimpleNamespace(name="sensitive", threshold=0.25),
)


@pytest.fixture
def ages(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[float, float]]:
    """Return `ages(**settings)`: the range that a [gate] table makes of the model's own."""
    asked: list[tuple[str, int]] = []

    def load(name: str, *, threads: Any, adapt: Any, **_: Any) -> Any:
        asked.append((name, threads.intra_op))
        return SimpleNamespace(card=adapt(CARD))

    monkeypatch.setattr(inference, "load", load)

    def effective(**settings: float) -> tuple[float, float]:
        config = Config.model_validate({"gate": settings, "model": {"name": "small_cnn", "threads": 3}})
        pipeline = make_pipeline(config)
        assert asked[-1] == ("small_cnn", 3)
        return pipeline._gate.age_range_years

    return effective


def test_the_age_range_is_the_models_unless_the_site_sets_its_own(ages: Callable[..., tuple[float, float]]) -> None:
    assert ages() == (1.0, 6.0)
    assert ages(maximum_age_years=18) == (1.0, 18.0)
    assert ages(minimum_age_years=0) == (0.0, 6.0)


def test_the_reports_name_the_model_with_its_digest_and_operating_point() -> None:
    identity = model_identity(CARD)
    assert (identity.name, identity.version, identity.sha256) == ("lite", "3", "ab" * 32)
    assert (identity.operating_point_name, identity.threshold) == ("sensitive", 0.25)
    assert "156" in identity.preprocessing


def test_waiting_times_are_configured_in_minutes() -> None:
    config = Config.model_validate({"priority": {"high_minutes": 5, "routine_minutes": 90}})
    found = allowances(config)
    assert (found.high, found.medium, found.routine) == (
        timedelta(minutes=5),
        timedelta(minutes=30),
        timedelta(minutes=90),
    )


def test_destinations_go_by_their_names_and_are_not_connected_to_when_made() -> None:
    pacs = {"type": "dicom", "ae_title": "PACS", "host": "host.invalid", "port": 104}
    config = Config.model_validate({"destinations": [pacs | {"name": "one"}, pacs | {"name": "two"}]})
    assert list(make_destinations(config)) == ["one", "two"]
