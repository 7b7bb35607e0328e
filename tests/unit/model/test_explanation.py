"""A heat map shows, in the image's own geometry, what the score is made of."""

import numpy as np
import pytest

from model import explanation, heat_map_check
from model.card_facts import MapGeometry
from model.errors import CardError
from model.preprocess import INPUT_SHAPE, SIDE

CENTRED = MapGeometry(first=15.1, step=31.2)
OFF = MapGeometry(first=27.0, step=32.0)


def _looking_at(geometry: MapGeometry) -> explanation.Activations:
    """Five by five cells, each seeing one pixel's neighbourhood around its centre."""
    centres = [round(geometry.first + geometry.step * cell) for cell in range(5)]

    def activations(images: np.ndarray) -> np.ndarray:
        gray = np.pad(images[..., 0], ((0, 0), (10, 10), (10, 10)))
        cells = [[gray[:, y : y + 21, x : x + 21].mean(axis=(1, 2)) for x in centres] for y in centres]
        return np.moveaxis(np.array(cells, np.float32), -1, 0)

    return activations


def _spot(y: int, x: int) -> np.ndarray:
    image = np.zeros(INPUT_SHAPE, np.float32)
    image[y - 8 : y + 9, x - 8 : x + 9] = 1.0
    return image


@pytest.mark.parametrize("geometry", [CENTRED, OFF])
@pytest.mark.parametrize(("y", "x"), [(40, 40), (60, 100), (91, 59), (110, 75)])
def test_the_hottest_place_is_where_the_finding_is(geometry: MapGeometry, y: int, x: int) -> None:
    heat = explanation.activation_map(_spot(y, x), _looking_at(geometry), geometry)
    found = np.unravel_index(np.argmax(heat), heat.shape)
    assert heat.shape == (SIDE, SIDE)
    assert np.hypot(found[0] - y, found[1] - x) < 12


def test_drawing_the_cells_as_if_they_tiled_the_image_would_miss_the_place() -> None:
    """The reason for the geometry: without it the map is off by more than the finding's own size."""
    heat = explanation.activation_map(_spot(59, 59), _looking_at(OFF), CENTRED)
    found = np.unravel_index(np.argmax(heat), heat.shape)
    assert np.hypot(found[0] - 59, found[1] - 59) > 14


@pytest.mark.parametrize("copies", [1, 3, 5])
def test_the_mean_of_the_map_is_the_logit(copies: int) -> None:
    image = np.random.default_rng(0).random(INPUT_SHAPE, np.float32)
    activations = _looking_at(OFF)
    heat = explanation.activation_map(image, activations, OFF, copies=copies)
    assert heat.mean() == pytest.approx(activations(image[np.newaxis]).mean(), abs=1e-5)


def test_copies_are_spread_over_one_cell_with_the_image_as_it_is_among_them() -> None:
    assert explanation.shift_pixels(OFF, 3) == (-11, 0, 11)
    assert explanation.shift_pixels(OFF, 1) == (0,)


def test_a_shifted_image_keeps_its_size_and_repeats_its_edge() -> None:
    image = np.repeat(np.arange(SIDE, dtype=np.float32)[:, np.newaxis, np.newaxis], SIDE, 1) * np.ones(3, np.float32)
    moved = explanation.shifted(image, 5, 0)
    assert moved[:6, 0, 0].tolist() == [0.0] * 6
    assert moved[6:9, 0, 0].tolist() == [1.0, 2.0, 3.0]
    assert (explanation.shifted(image, -5, 7)[-1] == SIDE - 1).all()


def test_cells_must_advance() -> None:
    with pytest.raises(CardError, match="positive step"):
        MapGeometry(first=0.0, step=0.0)


def test_the_hottest_part_has_the_area_asked_for_and_controls_have_its_shape() -> None:
    heat = np.random.default_rng(0).random((SIDE, SIDE)).astype(np.float32)
    mask = heat_map_check.hottest_part(heat, 0.1)
    assert mask.mean() == pytest.approx(0.1, abs=1e-3)
    assert heat[mask].min() >= heat[~mask].max()
    others = heat_map_check.elsewhere(mask, 3, np.random.default_rng(1))
    assert [other.sum() for other in others] == [mask.sum()] * 3
    assert all((other != mask).any() for other in others)


def test_masking_leaves_the_rest_of_the_image_and_the_mean_of_what_it_hides() -> None:
    square = np.random.default_rng(0).integers(60, 180, (SIDE, SIDE)).astype(np.uint8)
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[50:110, 50:110] = True
    masked = heat_map_check.without(square, mask)
    assert (masked[:30] == square[:30]).all()
    assert masked[65:95, 65:95].std() < 5 < square[65:95, 65:95].std()
    assert abs(float(masked[65:95, 65:95].mean()) - float(square[65:95, 65:95].mean())) < 5


def test_rank_correlation_by_hand() -> None:
    one = np.arange(9, dtype=np.float32).reshape(3, 3)
    assert heat_map_check.rank_correlation(one, np.exp(one)) == pytest.approx(1.0)
    assert heat_map_check.rank_correlation(one, -one) == pytest.approx(-1.0)
    assert heat_map_check.rank_correlation(one, one * 0) == 0.0


def test_shuffled_weights_keep_their_values_and_lose_their_places() -> None:
    kernel = np.arange(50, dtype=np.float16).reshape(5, 10)
    member = {"a/kernel": kernel, "a/bias": np.arange(3, dtype=np.float32)}
    found = heat_map_check.shuffled(member, np.random.default_rng(0))
    assert sorted(found["a/kernel"].reshape(-1).tolist()) == kernel.reshape(-1).tolist()
    assert (found["a/kernel"] != kernel).any()
    assert (found["a/bias"] == member["a/bias"]).all()
