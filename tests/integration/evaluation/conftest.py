"""Pictures whose brightness is their probability, a model that reads it, and gates that decline what they are told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from agent.evaluation.reading import Declined
from model.card import ModelCard
from model.classifier import verify


@dataclass
class Score:
    probability: float


class BrightnessModel:
    """Gives each image its mean brightness as probability."""

    runtime = "none"

    def __init__(self, card: ModelCard) -> None:
        self.card = card
        self.batches: list[int] = []

    def score(self, images: np.ndarray) -> Sequence[Score]:
        self.batches.append(len(images))
        return [Score(float(image.mean())) for image in images]


class OpenGate:
    """Declines what is blacker than `darkest`."""

    def __init__(self, darkest: int = 0) -> None:
        self.darkest = darkest

    def declined(self, _header: Any, frames: Sequence[np.ndarray], _squares: Any) -> Declined | None:
        return Declined("pixels", "too dark") if frames[0].mean() < self.darkest else None


@pytest.fixture(scope="session")
def card() -> ModelCard:
    return verify("small_cnn")


@pytest.fixture
def model(card: ModelCard) -> BrightnessModel:
    return BrightnessModel(card)


@pytest.fixture
def gate() -> Callable[..., OpenGate]:
    return OpenGate


@pytest.fixture
def picture() -> Callable[[Path, int], Path]:
    """Return `picture(path, gray)`: writes a PNG or JPEG of one gray, folders included."""

    def write(path: Path, gray: int) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((40, 50), gray, np.uint8)).save(path)
        return path

    return write


@pytest.fixture
def folder(tmp_path: Path, picture: Callable[[Path, int], Path]) -> Path:
    """Make 6 normal and 6 pneumonia pictures; one of each is on the wrong side of the middle."""
    for number, gray in enumerate((10, 20, 30, 40, 50, 220)):
        picture(tmp_path / f"data/NORMAL/IM-{number:04d}-0001.png", gray)
    for number, gray in enumerate((250, 240, 230, 225, 215, 25)):
        kind = "bacteria" if number % 2 else "virus"
        picture(tmp_path / f"data/PNEUMONIA/person{number}_{kind}_1.png", gray)
    return tmp_path / "data"
