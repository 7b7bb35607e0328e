"""The shipped model's heat maps, on radiographs that the member asked had never seen, pass both sanity checks."""

from pathlib import Path

import numpy as np
import pytest

from model import explanation, heat_map_check, weights, zoo
from model.card_facts import HeatMapCheck
from model.classifier import DEFAULT, Classifier
from model.crossvalidation import CrossValidation, out_of_fold_logits
from model.dataset import assign_folds, find_samples, load_gray
from model.fitting import Predictor
from model.preprocess import to_gray_square, to_input

_IMAGES = 8


@pytest.fixture(scope="module")
def found(shared: Path, classifier: Classifier) -> HeatMapCheck:
    """Check the maps of eight pneumonia images of the first fold."""
    training = classifier.card.training
    samples = find_samples(shared / "data" / "cxr-train")
    folds = assign_folds(samples, training.folds, training.seed)
    chosen = [i for i, sample in enumerate(samples) if sample.label == 1 and folds[i] == 0][:: 1200 // _IMAGES][
        :_IMAGES
    ]
    images = tuple(samples[i] for i in chosen)
    squares = load_gray(images, lambda frame, _: to_gray_square(frame))
    architecture = zoo.architecture(DEFAULT)
    members, predictor = weights.load(architecture.weights_path), Predictor(architecture.build())
    logits = out_of_fold_logits(predictor, members, folds[chosen], squares)
    run = CrossValidation(predictor, images, folds[chosen], members, logits, ())
    return heat_map_check.check(run, squares, float(logits.min()), _IMAGES * training.folds)


@pytest.mark.shared
def test_hiding_the_hottest_part_lowers_the_score_more_than_hiding_another(found: HeatMapCheck) -> None:
    assert found.images == _IMAGES
    assert found.hottest_lowers_more.value >= 0.75
    assert found.drop_hottest > found.drop_random + 0.1


@pytest.mark.shared
def test_shuffled_weights_draw_other_maps(found: HeatMapCheck) -> None:
    assert abs(found.correlation_shuffled) < 0.5


@pytest.mark.shared
def test_a_map_is_the_same_every_time_and_not_the_same_for_every_image(classifier: Classifier, shared: Path) -> None:
    samples = find_samples(shared / "data" / "cxr-train")[-2:]
    one, other = (to_input(load_gray([sample], lambda frame, _: to_gray_square(frame))[0]) for sample in samples)
    assert (classifier.explain(one) == classifier.explain(one)).all()
    maps = [
        explanation.occlusion_map(i, lambda x: np.array([s.score for s in classifier.score(x)])) for i in (one, other)
    ]
    assert heat_map_check.rank_correlation(maps[0], maps[1]) < 0.95


@pytest.mark.shared
def test_a_map_is_that_of_all_members_asked_exactly_but_for_little(classifier: Classifier, shared: Path) -> None:
    """Scores are float32 on every processor, heat maps are not: this is how far they may differ."""
    samples = find_samples(shared / "data" / "cxr-train")[-2:]
    for sample in samples:
        image = to_input(load_gray([sample], lambda frame, _: to_gray_square(frame))[0])
        exact = explanation.explain(image, lambda x: np.array([s.score for s in classifier.score(x)], np.float32))
        drawn = classifier.explain(image)
        assert np.corrcoef(exact.reshape(-1), drawn.reshape(-1))[0, 1] > 0.9
        assert np.abs(exact.astype(float) - drawn).mean() < 20
