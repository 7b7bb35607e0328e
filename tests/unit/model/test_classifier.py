"""Batching, refusals and maps of the classifier, with a network that is plain arithmetic."""

import numpy as np
import numpy.typing as npt
import pytest

from model.card import ModelCard
from model.classifier import BATCHES, Classifier
from model.errors import InputError, WeightsError
from model.preprocess import INPUT_SHAPE, SIDE

Array = npt.NDArray[np.float32]


class _Forward:
    """Logit = mean of the image; activation = one value a quadrant."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, images: Array) -> tuple[Array, Array]:
        self.sizes.append(len(images))
        halves = images[..., 0].reshape(len(images), 2, SIDE // 2, 2, SIDE // 2).mean(axis=(2, 4)) - 0.5
        return halves.mean(axis=(1, 2)), halves


def _images(*values: float) -> Array:
    return np.stack([np.full(INPUT_SHAPE, value, np.float32) for value in values])


def test_any_number_of_images_is_scored_in_order_with_the_fixed_shapes_only(card: ModelCard) -> None:
    forward = _Forward()
    values = [i / 25 for i in range(21)]
    scores = Classifier(card, [forward], batches=(8, 1)).score(_images(*values))
    assert [score.score for score in scores] == pytest.approx([value - 0.5 for value in values], abs=1e-5)
    assert forward.sizes == [8, 8, 1, 1, 1, 1, 1]


def test_a_batch_smaller_than_every_shape_is_padded(card: ModelCard) -> None:
    forward = _Forward()
    scores = Classifier(card, [forward], batches=(4,)).score(_images(*[0.75] * 6))
    assert [score.score for score in scores] == pytest.approx([0.25] * 6)
    assert forward.sizes == [4, 4]


def test_the_probability_is_the_calibrated_logit(card: ModelCard) -> None:
    (score,) = Classifier(card, [_Forward()]).score(_images(0.75))
    assert score.probability == pytest.approx(1 / (1 + np.exp(-(2.0 * 0.25 + 1.0))), abs=1e-6)


def test_no_images_give_no_scores(card: ModelCard) -> None:
    assert Classifier(card, [_Forward()]).score(_images(0.5)[:0]) == ()


def test_the_places_of_a_map_fill_whole_batches(card: ModelCard) -> None:
    """One left over takes a third more than its share of a batch."""
    forward = _Forward()
    Classifier(card, [forward]).explain(_images(0.5)[0])
    assert forward.sizes == [BATCHES[-1]] * (25 // BATCHES[-1])


def test_the_map_is_brightest_where_the_evidence_is_and_black_where_it_speaks_against(card: ModelCard) -> None:
    image = np.full(INPUT_SHAPE, 0.1, np.float32)
    image[: SIDE // 2, SIDE // 2 :] = 0.9
    heat = Classifier(card, [_Forward()]).explain(image)
    assert heat.shape == (SIDE, SIDE)
    assert heat.dtype == np.uint8
    assert heat[:70, -70:].max() == 255
    assert heat[46, -46] > 200
    assert max(heat[-10, 10], heat[10, 10], heat[-10, -10]) < 5


def test_an_image_without_evidence_gives_an_empty_map(card: ModelCard) -> None:
    assert Classifier(card, [_Forward()]).explain(_images(0.2)[0]).max() == 0


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -0.5, 255.0])
def test_an_image_with_a_wrong_value_gets_neither_a_score_nor_a_map(card: ModelCard, wrong: float) -> None:
    forward = _Forward()
    classifier, images = Classifier(card, [forward]), _images(0.5, 0.5)
    images[1, 3, 4, 1] = wrong
    with pytest.raises(InputError):
        classifier.score(images)
    with pytest.raises(InputError):
        classifier.explain(images[1])
    assert forward.sizes == []


def test_a_wrong_shape_is_refused(card: ModelCard) -> None:
    classifier = Classifier(card, [_Forward()])
    with pytest.raises(InputError, match="Received: float32 shape"):
        classifier.score(_images(0.5)[0])
    with pytest.raises(InputError):
        classifier.explain(_images(0.5))


def test_a_network_that_produces_no_number_is_an_error_not_a_score(card: ModelCard) -> None:
    def broken(images: Array) -> tuple[Array, Array]:
        return np.full(len(images), np.nan, np.float32), np.zeros((len(images), 2, 2), np.float32)

    with pytest.raises(WeightsError, match="expected finite outputs"):
        Classifier(card, [broken]).score(_images(0.5))
