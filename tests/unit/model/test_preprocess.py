"""One way from a frame to the network's input."""

import numpy as np
import numpy.typing as npt
import pytest

from model.errors import InputError
from model.preprocess import INPUT_SHAPE, SIDE, check_inputs, from_gray, to_gray_square, to_input


@pytest.mark.parametrize("shape", [(1, 1), (156, 156), (224, 224), (2022, 1500), (40, 3), (300, 200, 3)])
def test_any_frame_becomes_the_input_shape_in_0_to_1(shape: tuple[int, ...]) -> None:
    frame = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    image = to_input(frame)
    assert image.shape == INPUT_SHAPE
    assert image.dtype == np.float32
    assert 0.0 <= image.min() <= image.max() <= 1.0
    check_inputs(image[np.newaxis])


def test_black_is_0_and_white_is_1() -> None:
    assert to_input(np.zeros((50, 60), np.uint8)).max() == 0.0
    assert to_input(np.full((50, 60), 255, np.uint8)).min() == 1.0


def test_the_resize_is_antialiased() -> None:
    """A checkerboard finer than the input averages out; sampling without a filter would keep black and white."""
    board = (np.indices((1560, 1560)).sum(axis=0) % 2 * 255).astype(np.uint8)
    assert np.abs(to_input(board) - 0.5).max() < 0.02


def test_the_frame_is_stretched_to_the_square_not_padded() -> None:
    frame = np.zeros((100, 300), np.uint8)
    frame[:, 150:] = 255
    image = to_input(frame)[..., 0]
    assert image[:, : SIDE // 2 - 2].max() == 0.0
    assert image[:, SIDE // 2 + 2 :].min() == 1.0


def test_a_large_frame_and_its_thumbnail_give_nearly_the_same_input() -> None:
    smooth = np.outer(np.sin(np.linspace(0, 3, 2000)), np.cos(np.linspace(0, 2, 1600)) ** 2)
    large = np.round(255 * smooth).clip(0, 255).astype(np.uint8)
    assert np.abs(to_input(large) - to_input(to_gray_square(large, side=448))).max() < 0.01


def test_colour_is_reduced_to_luminance_and_gray_colour_equals_gray() -> None:
    gray = np.random.default_rng(1).integers(0, 256, (80, 90)).astype(np.uint8)
    assert (to_input(np.repeat(gray[..., np.newaxis], 3, axis=-1)) == to_input(gray)).all()
    tinted = to_input(np.full((20, 20, 3), (255, 0, 0), np.uint8))
    assert np.ptp(tinted) == 0.0
    assert tinted.max() == pytest.approx(0.299, abs=0.01)


def test_a_box_selects_a_part() -> None:
    frame = np.zeros((100, 100), np.uint8)
    frame[:, 50:] = 200
    assert to_gray_square(frame, side=10, box=(60, 0, 100, 100)).min() == 200


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((20, 20), np.uint16),
        np.zeros((20, 20), np.float32),
        np.zeros((20,), np.uint8),
        np.zeros((20, 20, 4), np.uint8),
        np.zeros((5, 20, 20, 3), np.uint8),
        np.zeros((0, 20), np.uint8),
    ],
)
def test_another_shape_or_type_is_refused(frame: npt.NDArray[np.uint8]) -> None:
    with pytest.raises(InputError, match=r"expected uint8 .* Received: "):
        to_input(frame)


def _inputs() -> npt.NDArray[np.float32]:
    return from_gray(np.full((2, SIDE, SIDE), 100, np.uint8))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.01, 1.01])
def test_a_value_that_is_no_share_is_refused(value: float) -> None:
    images = _inputs()
    images[1, 7, 9, 2] = value
    with pytest.raises(InputError, match=r"expected finite values in 0\.\.1"):
        check_inputs(images)


@pytest.mark.parametrize("wrong", [_inputs()[0], _inputs()[:, :155], _inputs().astype(np.float64), _inputs()[..., :1]])
def test_another_batch_shape_or_type_is_refused(wrong: npt.NDArray[np.float32]) -> None:
    with pytest.raises(InputError, match=r"expected float32 \[n, 156, 156, 3\]"):
        check_inputs(wrong)


def test_an_empty_batch_is_a_batch() -> None:
    assert len(check_inputs(_inputs()[:0])) == 0
