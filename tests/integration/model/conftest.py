"""One loaded model for all, and a small made-up data set that a network can learn."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.classifier import Classifier, load
from model.runtime import Threads


@pytest.fixture(scope="session")
def classifier() -> Classifier:
    """Load the shipped model once for all tests."""
    return load(threads=Threads(intra_op=2, inter_op=1))


@pytest.fixture(scope="session")
def radiographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw 48 pictures of 24 patients: a bright disc on dark ground is PNEUMONIA, a dark one on bright is NORMAL."""
    folder = tmp_path_factory.mktemp("radiographs")
    rng = np.random.default_rng(0)
    y, x = np.indices((100, 120))
    disc = (y - 50) ** 2 + (x - 60) ** 2 < 30**2
    for label in ("NORMAL", "PNEUMONIA"):
        (folder / label).mkdir()
        for number in range(24):
            ill = label == "PNEUMONIA"
            name = f"person{number // 2}_virus_{number}.jpeg" if ill else f"IM-{number // 2:04d}-000{number % 2}.jpeg"
            frame = rng.integers(30, 60, disc.shape) + 150 * (disc == ill)
            Image.fromarray(frame.astype(np.uint8)).save(folder / label / name)
    return folder
