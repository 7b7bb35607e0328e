"""The pixel gate that ships: what nobody would take for a chest, bad input, and damaged weights."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from model.errors import InputError, WeightsError
from model.pixel_gate import PREFIX, REASONS, Category, PixelGate, load_pixel_gate
from model.pixel_gate_network import CLASSES, SIDE, normalised
from model.preprocess import to_gray_square

FOLDER = Path(__file__).parents[3] / "model"
RANDOM = np.random.default_rng(5)


@pytest.fixture(scope="module")
def gate() -> PixelGate:
    return load_pixel_gate()


def category(gate: PixelGate, frame: np.ndarray) -> Category | None:
    refusal = gate.check(frame)
    assert refusal is None or refusal.reason == PREFIX + REASONS[refusal.category]
    return refusal.category if refusal else None


@pytest.mark.parametrize("level", [0, 1, 128, 254, 255])
def test_a_constant_or_nearly_constant_image_is_blank(gate: PixelGate, level: int) -> None:
    constant = np.full((300, 300), level, np.uint8)
    nearly = np.clip(RANDOM.normal(level, 3.0, (600, 600)), 0, 255).astype(np.uint8)
    assert category(gate, constant) == category(gate, nearly) == Category.BLANK


def test_a_few_bright_pixels_on_nothing_are_blank(gate: PixelGate) -> None:
    frame = np.zeros((400, 400), np.uint8)
    frame[:10, :60] = 255
    assert category(gate, frame) is Category.BLANK


@pytest.mark.parametrize("shape", [(1, 1), (1, 4000), (4000, 1), (8, 8), (95, 95), (95, 200)])
def test_tiny_images_are_too_small(gate: PixelGate, shape: tuple[int, int]) -> None:
    assert category(gate, RANDOM.integers(0, 256, shape, dtype=np.uint8)) is Category.TOO_SMALL


@pytest.mark.parametrize("shape", [(100, 301), (1000, 300), (96, 20_000)])
def test_images_far_longer_than_wide_are_declined(gate: PixelGate, shape: tuple[int, int]) -> None:
    assert category(gate, RANDOM.integers(0, 256, shape, dtype=np.uint8)) is Category.ELONGATED


def _photograph_like(number: int) -> np.ndarray:
    random = np.random.default_rng(number)
    page = Image.new("L", (400, 400), int(random.integers(256)))
    for _ in range(6):
        x, y, wide, high = (int(value) for value in random.integers(20, 300, 4))
        ImageDraw.Draw(page).ellipse((x, y, x + wide, y + high), fill=int(random.integers(256)))
    return np.asarray(page)


@pytest.mark.parametrize("number", range(10))
def test_drawn_discs_are_no_chest(gate: PixelGate, number: int) -> None:
    assert category(gate, _photograph_like(number)) is not None


@pytest.mark.parametrize("grain", [2, 8, 32, 128])
def test_noise_of_any_grain_is_declined(gate: PixelGate, grain: int) -> None:
    small = Image.fromarray(RANDOM.integers(0, 256, (grain, grain), dtype=np.uint8))
    assert category(gate, np.asarray(small.resize((512, 512), Image.Resampling.BICUBIC))) is not None


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((0, 300), np.uint8),
        np.zeros((300,), np.uint8),
        np.zeros((300, 300), np.float32),
        np.zeros((300, 300), np.uint16),
        np.zeros((300, 300, 4), np.uint8),
        np.zeros((1, 300, 300, 3), np.uint8),
    ],
)
def test_what_is_no_frame_is_an_error_and_never_passes(gate: PixelGate, frame: np.ndarray) -> None:
    with pytest.raises(InputError, match="expected uint8"):
        gate.check(frame)


def test_colour_is_judged_by_its_luminance(gate: PixelGate) -> None:
    gray = _photograph_like(3)
    assert category(gate, np.repeat(gray[..., np.newaxis], 3, axis=2)) is category(gate, gray)


def test_a_square_that_the_caller_has_saves_the_reduction_and_changes_nothing(gate: PixelGate) -> None:
    frame = _photograph_like(1)
    assert gate.check(frame, square=to_gray_square(frame)) == gate.check(frame)
    assert gate.check(frame, square=np.zeros((156, 156), np.uint8)) != gate.check(frame)


def test_exposure_is_taken_out() -> None:
    square = to_gray_square(_photograph_like(2))
    darker = (square * 0.5 + 20).astype(np.uint8)
    np.testing.assert_allclose(normalised(darker), normalised(square), atol=0.02)
    assert normalised(square).shape == (SIDE, SIDE)


def test_shares_of_evidence_sum_to_one(gate: PixelGate) -> None:
    evidence = gate.evidence(to_gray_square(_photograph_like(4)))
    assert len(evidence.shares) == len(CLASSES)
    assert sum(evidence.shares) == pytest.approx(1.0)
    assert evidence.most_like in CLASSES[1:]
    assert np.isfinite(evidence.distance)


def _copy(folder: Path) -> tuple[Path, Path]:
    return (
        Path(shutil.copy(FOLDER / "pixel_gate.npz", folder)),
        Path(shutil.copy(FOLDER / "pixel_gate.json", folder)),
    )


def test_the_gate_is_known_by_the_digest_of_its_weights(gate: PixelGate) -> None:
    assert gate.sha256.startswith(gate.version)
    assert gate.sha256 == json.loads((FOLDER / "pixel_gate.json").read_text())["sha256"]


def test_weights_with_one_other_bit_are_refused(tmp_path: Path) -> None:
    weights, _ = _copy(tmp_path)
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    with pytest.raises(WeightsError, match="sha256"):
        load_pixel_gate(tmp_path)


@pytest.mark.parametrize("missing", ["pixel_gate.npz", "pixel_gate.json"])
def test_missing_files_are_an_error(tmp_path: Path, missing: str) -> None:
    _copy(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(WeightsError):
        load_pixel_gate(tmp_path)


@pytest.mark.parametrize("damage", ["absent", "shape", "nan", "archive"])
def test_weights_that_fit_their_digest_but_not_the_network_are_refused(tmp_path: Path, damage: str) -> None:

    weights, card = _copy(tmp_path)
    with np.load(weights) as archive:
        arrays = dict(archive)
    if damage == "absent":
        del arrays["hidden/kernel"]
    elif damage == "shape":
        arrays["hidden/kernel"] = arrays["hidden/kernel"][:-1]
    elif damage == "nan":
        arrays["thresholds"] = np.full(4, np.nan, np.float32)
    np.savez(weights, **arrays)
    if damage == "archive":
        weights.write_bytes(b"PK\x03\x04 and nothing more")
    card.write_text(json.dumps({"sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}))
    with pytest.raises(WeightsError):
        load_pixel_gate(tmp_path)
