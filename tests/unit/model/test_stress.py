"""Each condition takes one confound away and leaves no other mark of the class."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model.dataset import Sample
from model.preprocess import SIDE
from model.stress import STRESSES, STRETCH, match_blur, match_exposure, narrow_normal, widen_normal

NORMAL, PNEUMONIA = (Sample(Path("x.png"), label, "p") for label in (0, 1))


def _disc() -> np.ndarray:
    y, x = np.indices((224, 224)) - 111.5
    return np.where(x**2 + y**2 < 60**2, 200, 30).astype(np.uint8)


def _extent(square: np.ndarray) -> tuple[int, int]:
    bright = square > 115
    return int(bright.any(axis=0).sum()), int(bright.any(axis=1).sum())


@pytest.mark.parametrize(
    ("convert", "wider", "narrower"), [(widen_normal, NORMAL, PNEUMONIA), (narrow_normal, PNEUMONIA, NORMAL)]
)
def test_one_class_becomes_wider_and_the_other_narrower_by_the_same_ratio(
    convert: Callable[[np.ndarray, Sample], np.ndarray], wider: Sample, narrower: Sample
) -> None:
    width, height = _extent(convert(_disc(), wider))
    assert width / height == pytest.approx(STRETCH, abs=0.03)
    width, height = _extent(convert(_disc(), narrower))
    assert width / height == pytest.approx(1 / STRETCH, abs=0.03)


@pytest.mark.parametrize("sample", [NORMAL, PNEUMONIA])
def test_the_stretch_leaves_no_border(sample: Sample) -> None:
    frame = np.full((224, 224), 77, np.uint8)
    assert (widen_normal(frame, sample) == 77).all()
    assert (narrow_normal(frame, sample) == 77).all()


def test_blur_and_exposure_do_not_look_at_the_label() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (224, 224)).astype(np.uint8)
    for convert in (match_blur, match_exposure):
        assert (convert(frame, NORMAL) == convert(frame, PNEUMONIA)).all()


def test_blur_hides_what_is_finer_than_the_network_sees() -> None:
    stripes = (np.indices((224, 224))[1] // 2 % 2 * 255).astype(np.uint8)
    assert np.ptp(match_blur(stripes, NORMAL)[10:-10, 10:-10].astype(int)) < 12


def test_exposure_is_the_same_whatever_it_was() -> None:
    frame = np.random.default_rng(0).integers(80, 140, (224, 224)).astype(np.uint8)
    frame[60:160, 60:160] += 60
    dark = (frame * 0.4 + 5).astype(np.uint8)
    one, other = match_exposure(frame, NORMAL).astype(int), match_exposure(dark, NORMAL).astype(int)
    assert abs(one.mean() - other.mean()) < 1.0
    assert abs(one.std() - other.std()) < 1.0
    match_exposure(np.zeros((9, 9), np.uint8), NORMAL)  # a constant image has no spread to divide by


@pytest.mark.parametrize("stress", STRESSES, ids=lambda stress: stress.name)
def test_every_condition_gives_a_network_square(stress: object) -> None:
    for frame in (np.zeros((30, 50), np.uint8), np.zeros((50, 30, 3), np.uint8)):
        square = stress.convert(frame, NORMAL)  # type: ignore[attr-defined]
        assert square.shape == (SIDE, SIDE)
        assert square.dtype == np.uint8
