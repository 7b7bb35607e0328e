"""What every model of the zoo promises, trained or not: a new one is tested by existing."""

from functools import cache

import numpy as np
import pytest

from model import weights, zoo
from model.card import read_card
from model.classifier import Classifier, load
from model.preprocess import INPUT_SHAPE, SIDE
from model.runtime import Network, tensorflow

MAXIMUM_BYTES = 20_000_000


@cache
def _network(name: str) -> Network:
    return zoo.architecture(name).build()


@cache
def _loaded(name: str) -> Classifier:
    return load(name, batches=(2,))


@pytest.fixture(params=zoo.names())
def name(request: pytest.FixtureRequest) -> str:
    """Every architecture of the zoo."""
    return str(request.param)


@pytest.fixture(params=zoo.loadable())
def trained(request: pytest.FixtureRequest) -> str:
    """Every model with weights."""
    return str(request.param)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).random((2, *INPUT_SHAPE), np.float32)


def test_the_summary_is_one_line(name: str) -> None:
    summary = zoo.architecture(name).summary
    assert summary
    assert "\n" not in summary


def test_the_logit_is_the_mean_of_the_activation_map(name: str, images: np.ndarray) -> None:
    logits, activations = (np.asarray(part) for part in _network(name)(images, training=False))
    assert logits.shape == (2,)
    assert activations.ndim == 3
    assert np.abs(activations.mean(axis=(1, 2)) - logits).max() < 1e-4


def test_a_network_can_be_stored_and_put_back(name: str, images: np.ndarray) -> None:
    network = _network(name)
    member = weights.collect(network)
    weights.assign(network, member)
    before = np.asarray(network(images, training=False)[0])
    weights.assign(network, {path: array * 0 for path, array in member.items()})
    weights.assign(network, member)
    assert (np.asarray(network(images, training=False)[0]) == before).all()


def test_a_training_step_moves_the_trainable_weights_and_the_statistics(name: str, images: np.ndarray) -> None:
    network = _network(name)
    tf = tensorflow()
    statistics = [weight for weight in network.weights if weight.path.endswith("moving_mean")]
    before = [np.asarray(weight.value) for weight in statistics]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(network(images, training=True)[0] ** 2)
    gradients = tape.gradient(loss, network.trainable_variables)
    assert all(gradient is not None for gradient in gradients)
    assert any(bool((np.asarray(w.value) != b).any()) for w, b in zip(statistics, before, strict=True))


def test_the_card_names_the_model_and_its_weights(trained: str) -> None:
    architecture = zoo.architecture(trained)
    card = read_card(architecture.card_path)
    assert card.name == trained
    assert card.sha256 == weights.sha256(architecture.weights_path)
    assert card.caveats
    assert card.members == len(weights.load(architecture.weights_path))


def test_the_weights_are_small_enough_for_the_package(trained: str) -> None:
    assert zoo.architecture(trained).weights_path.stat().st_size <= MAXIMUM_BYTES


def test_a_trained_model_scores_and_explains(trained: str, images: np.ndarray) -> None:
    classifier = _loaded(trained)
    scores = classifier.score(images)
    assert len(scores) == 2
    assert all(0.0 <= score.probability <= 1.0 for score in scores)
    assert all(np.isfinite(score.score) for score in scores)
    heat = classifier.explain(images[0])
    assert heat.shape == (SIDE, SIDE)
    assert heat.dtype == np.uint8
