"""A heat map shows, in the image's own geometry, what the score is made of."""

import numpy as np
import pytest

from model import explanation, heat_map_check
from model.card_facts import MapGeometry
from model.errors import CardError
from model.preprocess import INPUT_SHAPE, SIDE, check_inputs


def _logits(images: np.ndarray) -> np.ndarray:
    """Score what stands out of the image's surroundings: the mean of the squares."""
    return np.asarray(40.0 * (images[..., 0] ** 2).mean(axis=(1, 2)), np.float32)


def _spot(y: int, x: int) -> np.ndarray:
    image = np.full(INPUT_SHAPE, 0.1, np.float32)
    image[y - 12 : y + 13, x - 12 : x + 13] = 1.0
    return image


@pytest.mark.parametrize(("y", "x"), [(20, 20), (40, 40), (60, 100), (91, 59), (110, 75), (138, 20)])
def test_the_hottest_place_is_where_the_finding_is(y: int, x: int) -> None:
    heat = explanation.explain(_spot(y, x), _logits)
    found = np.unravel_index(np.argmax(heat), heat.shape)
    assert heat.shape == (SIDE, SIDE)
    assert heat.dtype == np.uint8
    assert heat.max() == 255
    assert np.hypot(found[0] - y, found[1] - x) < 30
    assert heat[SIDE - 1 - y, SIDE - 1 - x] <= 64 or (y, x) == (91, 59)


def test_the_value_at_a_place_is_what_the_logit_loses_without_it() -> None:
    image = _spot(46, 77)  # the centre of row 1, column 2
    drop = explanation.occlusion_map(image, _logits)
    copies = explanation.hidden(image)
    lost = _logits(image[np.newaxis])[0] - _logits(copies)[1 * explanation.CELLS + 2]
    assert drop[46, 77] == pytest.approx(lost, rel=0.05)
    assert drop.max() == pytest.approx(lost, rel=0.05)


def test_copies_are_valid_inputs_and_differ_from_the_image_at_their_place_only() -> None:
    image = np.random.default_rng(0).random(INPUT_SHAPE, np.float32)
    copies = check_inputs(explanation.hidden(image))
    assert len(copies) == explanation.CELLS**2
    assert np.abs(copies[0][:32, :32] - image.mean()).mean() < np.abs(image[:32, :32] - image.mean()).mean() / 2
    assert np.abs(copies[0][60:, 60:] - image[60:, 60:]).max() < 1e-4


def test_each_place_is_scored_once_and_the_image_itself_is_not_scored_again() -> None:
    seen: list[int] = []

    def logits(images: np.ndarray) -> np.ndarray:
        seen.append(len(images))
        return _logits(images)

    explanation.explain(_spot(40, 40), logits)
    assert seen == [25]


def test_an_image_where_no_place_matters_more_than_another_gives_an_empty_map() -> None:
    assert explanation.explain(np.full(INPUT_SHAPE, 0.6, np.float32), _logits).max() == 0


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
