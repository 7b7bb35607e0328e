"""Fitting the pixel gate: the examples are what they are called, and a small fit makes a gate that loads and closes."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model import pixel_gate_examples as examples
from model import pixel_gate_fitting
from model.pixel_gate import load_pixel_gate
from model.pixel_gate_network import CLASSES, SIDE, Thresholds
from model.preprocess import to_gray_square
from model.weights import sha256

Gray = examples.Gray
DRAWS = 40
ROWS, COLUMNS = np.indices((96, 112))


def _ellipse(row: float, column: float, high: float, wide: float) -> np.ndarray:
    return ((ROWS - row) / high) ** 2 + ((COLUMNS - column) / wide) ** 2 < 1.0


def _chest(number: int = 0) -> Gray:
    """Draw a body in gray with two dark lungs, a bright spine, and a bright abdomen below."""
    picture = np.full(ROWS.shape, 140.0)
    picture[76:] = 220
    picture[:, 52:60] = 230
    picture[_ellipse(42, 30, 30, 18) | _ellipse(42, 82, 30, 18)] = 30
    return np.asarray(picture + np.random.default_rng(number).integers(0, 20, picture.shape), np.uint8)


def _other(number: int = 0) -> Gray:
    ring = _ellipse(48, 56, 40, 40) & ~_ellipse(48, 56, 25, 25)
    return np.asarray(np.where(ring, 200, 20) + np.random.default_rng(number).integers(0, 20, ring.shape), np.uint8)


CHEST, OTHER = _chest(), _other()
MAKERS: dict[str, Callable[[np.random.Generator], Gray]] = {
    **{name: lambda random, make=make: make(CHEST, random) for name, make in examples.OF_CHESTS.items()},  # type: ignore[misc]
    "lateral": lambda random: examples.lateral(OTHER, random),
    "other": lambda random: examples.other(OTHER, random),
    "shuffled": lambda random: examples.shuffled(CHEST, random),
    "noise": examples.noise,
    "text_page": examples.text_page,
    "pattern": examples.pattern,
}


@cache
def _drawn(maker: str) -> list[Gray]:
    return [MAKERS[maker](np.random.default_rng(seed)) for seed in range(DRAWS)]


def _likeness(maker: str) -> float:
    """Correlate the mean of what a maker draws with the chest itself, both sides of which look the same."""
    small = np.asarray(Image.fromarray(CHEST).resize((SIDE, SIDE), Image.Resampling.BOX), float)
    mean = np.mean([(square - square.mean()) / max(square.std(), 1.0) for square in _drawn(maker)], axis=0)
    return float(np.corrcoef(small.ravel(), mean.ravel())[0, 1])


@pytest.mark.parametrize("maker", MAKERS)
def test_every_example_is_a_gray_square_that_shows_something_and_follows_its_seed(maker: str) -> None:
    drawn = _drawn(maker)
    assert {(square.shape, square.dtype.name) for square in drawn} == {((SIDE, SIDE), "uint8")}
    assert np.mean([np.ptp(square) > 16 for square in drawn]) > 0.9
    assert all(
        (one == again).all()
        for one, again in zip(drawn, map(MAKERS[maker], map(np.random.default_rng, range(3))), strict=False)
    )
    assert len({square.tobytes() for square in drawn}) == DRAWS


def test_a_chest_stays_one_an_inverted_one_is_its_negative_and_the_rest_lose_their_anatomy() -> None:
    likeness = {maker: _likeness(maker) for maker in ("chest", "inverted", "rotated", "cropped", "shuffled")}
    assert likeness["chest"] > 0.85
    assert likeness["inverted"] < -0.75
    assert max(abs(likeness[maker]) for maker in ("rotated", "cropped", "shuffled")) < 0.75


def test_a_page_of_text_is_a_ground_with_some_ink_on_it() -> None:
    grounds = [np.median(square) for square in _drawn("text_page")]
    assert 0.5 < np.mean([ground > 128 for ground in grounds]) < 1.0, "dark on light, in some cases light on dark"


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fit a gate to a few examples of a few pictures, and return the folder with its two files."""
    folder = tmp_path_factory.mktemp("gate")
    kinds = {"fit/chest": _chest, "fit/lateral": _other, "fit/not_a_chest": _other, "validate/chest": _chest}
    for kind, draw in kinds.items():
        (folder / kind).mkdir(parents=True)
        for number in range(6):
            Image.fromarray(draw(number)).save(folder / kind / f"{number}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pixel_gate_fitting, "EXAMPLES", 192)
        patch.setattr(pixel_gate_fitting, "PASSES", 1)
        pixel_gate_fitting.main([str(folder), "--rounds", "1", "--out", str(folder)])
    return folder


def test_the_fitted_gate_loads_and_admits_the_chests_that_set_its_thresholds(fitted: Path) -> None:
    """All but the one with the least share and the one with the greatest distance, as the quantiles leave them out."""
    gate = load_pixel_gate(fitted)
    assert [gate.check(_chest(number)) for number in range(6)].count(None) >= 4
    assert gate.sha256 == sha256(fitted / "pixel_gate.npz")


def test_what_is_no_chest_lies_farther_from_the_chests_than_they_do(fitted: Path) -> None:
    gate = load_pixel_gate(fitted)
    chests, others = (
        sorted(gate.evidence(to_gray_square(draw(number))).distance for number in range(6)) for draw in (_chest, _other)
    )
    assert others[3] > chests[3]


def test_its_card_tells_what_it_was_fitted_to_and_where_it_closes(fitted: Path) -> None:
    card = json.loads((fitted / "pixel_gate.json").read_text(encoding="utf-8"))
    assert card["fitted_to"] == {"chest": 6, "lateral": 6, "not_a_chest": 6}
    assert list(card["thresholds"]) == list(Thresholds.__slots__)
    assert card["thresholds"]["chest"] <= card["thresholds"]["readmit_chest"]
    assert card["thresholds"]["distance"] >= card["thresholds"]["readmit_distance"]


def test_each_class_has_its_share_of_the_examples() -> None:
    pictures = {"chest": [CHEST], "lateral": [OTHER], "not_a_chest": [OTHER]}
    inputs, labels = pixel_gate_fitting.examples_of(pictures, np.random.default_rng(1), count=400)
    assert inputs.shape == (400, SIDE, SIDE, 1)
    shares = np.bincount(labels, minlength=len(CLASSES)) / len(labels)
    assert shares == pytest.approx([pixel_gate_fitting.SHARES[name] for name in CLASSES], abs=0.06)
