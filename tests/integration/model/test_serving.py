"""The shipped model, loaded as the worker loads it."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model import classifier as classifier_module
from model import weights, zoo
from model.card import ModelCard
from model.classifier import Classifier, load, load_member
from model.dataset import find_samples, load_gray
from model.errors import CardError, InputError, UnknownModelError, WeightsError
from model.preprocess import INPUT_SHAPE, SIDE, from_gray, to_gray_square, to_input


@pytest.fixture
def images() -> np.ndarray:
    frames = np.random.default_rng(0).integers(0, 256, (11, 90, 110)).astype(np.uint8)
    return np.stack([to_input(frame) for frame in frames])


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> zoo.Architecture:
    """Put the shipped model's files where they may be spoiled and `load` finds them."""
    shipped = zoo.architecture(classifier_module.DEFAULT)
    names = (shipped.card_path.name, shipped.weights_path.name)
    for name in names:
        shutil.copy(shipped.card_path.parent / name, tmp_path / name)
    copy = zoo.Architecture(
        shipped.name, shipped.summary, shipped.build, shipped.initialise, tmp_path / names[0], tmp_path / names[1]
    )
    monkeypatch.setattr(zoo, "architecture", lambda _: copy)
    return copy


def test_a_batch_and_single_images_get_the_same_scores(classifier: Classifier, images: np.ndarray) -> None:
    together = classifier.score(images)
    alone = [classifier.score(image[np.newaxis])[0] for image in images]
    assert [s.score for s in together] == pytest.approx([s.score for s in alone], abs=1e-4)
    assert [s.probability for s in together] == pytest.approx([s.probability for s in alone], abs=1e-4)


def test_the_same_image_gets_the_same_score_every_time(classifier: Classifier, images: np.ndarray) -> None:
    assert classifier.score(images[:3]) == classifier.score(images[:3])


def test_probabilities_are_the_calibrated_logits(classifier: Classifier, images: np.ndarray) -> None:
    scores = classifier.score(images)
    expected = classifier.card.calibration.probability([score.score for score in scores])
    assert [score.probability for score in scores] == pytest.approx(expected.tolist())


def test_the_map_covers_the_input(classifier: Classifier, images: np.ndarray) -> None:
    heat = classifier.explain(images[0])
    assert heat.shape == (SIDE, SIDE)
    assert heat.dtype == np.uint8


def test_a_constant_image_is_scored_not_crashed_on(classifier: Classifier) -> None:
    (score,) = classifier.score(np.zeros((1, *INPUT_SHAPE), np.float32))
    assert np.isfinite(score.score)


def test_nan_never_gets_a_score(classifier: Classifier, images: np.ndarray) -> None:
    images[4, 0, 0, 0] = np.nan
    with pytest.raises(InputError):
        classifier.score(images)


def test_a_damaged_weights_file_is_refused(copied: zoo.Architecture) -> None:
    content = bytearray(copied.weights_path.read_bytes())
    content[len(content) // 2] ^= 1
    copied.weights_path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"expected weights of efficientnet_lite0 with sha256=.* Received: sha256="):
        load()


def test_swapped_weights_are_refused(copied: zoo.Architecture) -> None:
    np.savez(copied.weights_path, allow_pickle=False, **{"0/conv/kernel": np.zeros(3)})
    with pytest.raises(WeightsError, match="Received: sha256="):
        load()


def test_the_other_models_file_under_this_name_is_refused(copied: zoo.Architecture) -> None:
    shutil.copy(Path(zoo.__path__[0]) / "small_cnn.npz", copied.weights_path)
    with pytest.raises(WeightsError, match="Received: sha256="):
        load()


def test_weights_that_fit_their_card_but_not_the_network_are_refused(copied: zoo.Architecture) -> None:
    digest = weights.sha256(copied.weights_path)
    weights.save(copied.weights_path, weights.load(Path(zoo.__path__[0]) / "small_cnn.npz"))
    text = copied.card_path.read_text().replace(digest, weights.sha256(copied.weights_path))
    copied.card_path.write_text(text)
    with pytest.raises(WeightsError, match=r"expected .* weights of efficientnet_lite0"):
        load()


def test_a_card_is_adapted_before_the_model_speaks() -> None:
    def everything_is_flagged(card: ModelCard) -> ModelCard:
        return replace(card, operating_point=replace(card.operating_point, threshold=0.0))

    assert (
        load("small_cnn", batches=(1,), adapt=everything_is_flagged, maps=False).card.operating_point.threshold == 0.0
    )


def test_the_ensemble_is_the_mean_of_its_members(images: np.ndarray) -> None:
    together = load("small_cnn", batches=(1,), maps=False)
    members = [load_member("small_cnn", number, batches=(1,)) for number in range(together.card.members)]
    apart = [[score.score for score in member.score(images[:2])] for member in members]
    assert [s.score for s in together.score(images[:2])] == pytest.approx(np.mean(apart, axis=0).tolist(), abs=1e-4)
    with pytest.raises(UnknownModelError, match=f"Received: member={len(members)}"):
        load_member("small_cnn", len(members))


@pytest.mark.shared
def test_both_runtimes_give_the_same_probabilities_on_200_radiographs(shared: Path) -> None:
    samples = find_samples(shared / "data" / "cxr-train")[::26][:200]
    frames = from_gray(load_gray(samples, lambda frame, _: to_gray_square(frame)))
    assert len(frames) == 200
    found = []
    for runtime in ("tensorflow", "openvino"):
        classifier = load(runtime=runtime, batches=(20,), maps=False)
        assert classifier.runtime == runtime
        found.append([score.probability for score in classifier.score(frames)])
    assert np.ptp(found[0]) > 0.9
    assert np.abs(np.subtract(*found)).max() < 1e-3


def test_a_model_without_an_operating_point_does_not_load(copied: zoo.Architecture) -> None:
    text = copied.card_path.read_text()
    copied.card_path.write_text(text.replace('"operating_point"', '"operating_points"'))
    with pytest.raises(CardError, match="operating_point"):
        load()


@pytest.mark.shared
def test_images_of_the_training_set_score_on_their_side(classifier: Classifier, shared: Path) -> None:
    """Training images, seen by two of the three members: this proves the plumbing, not the model's quality."""
    samples = find_samples(shared / "data" / "cxr-train")
    chosen = [*samples[:1341:112], *samples[1341::323]]
    frames = [np.asarray(Image.open(sample.path)) for sample in chosen]
    scores = classifier.score(np.stack([to_input(frame) for frame in frames]))
    threshold = classifier.card.operating_point.threshold
    right = [(score.probability >= threshold) == (s.label == 1) for s, score in zip(chosen, scores, strict=True)]
    assert len(chosen) == 24
    assert sum(right) >= 22
    means = [np.mean([s.score for c, s in zip(chosen, scores, strict=True) if c.label == label]) for label in (0, 1)]
    assert means[1] - means[0] > 2.0
