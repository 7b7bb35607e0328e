"""What every trained model of the zoo promises of its scores, and that a new model is one file with its weights."""

import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model import weights, zoo
from model.card import ModelCard, read_card, write_card
from model.catalogue import catalogue
from model.classifier import Classifier, load
from model.errors import InputError
from model.preprocess import INPUT_SHAPE, SIDE, from_gray, to_gray_square
from model.runtime import Threads, tensorflow

GOLDEN = 40  # images of each label
SAME = 1e-4  # in logits: sums in another order differ by this much at most

NEWCOMER = '''"""A model that somebody adds: this file, its weights and its card."""

from model.layers import keras
from model.preprocess import INPUT_SHAPE

SUMMARY = "one convolution"


def build(toolkit=None):
    toolkit = toolkit or keras()
    inputs = toolkit.input(INPUT_SHAPE, name="image")
    x = toolkit.layers.Conv2D(1, 3, 13, padding="same", name="evidence")(inputs)
    activation = toolkit.layers.Reshape(x.shape[1:3], name="activation")(x)
    logit = toolkit.layers.Reshape((), name="logit")(toolkit.layers.GlobalAveragePooling2D(name="pool")(x))
    return toolkit.network(inputs, (logit, activation), "newcomer")


def initialise(network):
    pass
'''


@cache
def _loaded(name: str) -> Classifier:
    return load(name, batches=(1, 4), threads=Threads(intra_op=2, inter_op=1))


@pytest.fixture(params=zoo.loadable())
def classifier(request: pytest.FixtureRequest) -> Classifier:
    """Every model with weights."""
    return _loaded(str(request.param))


@pytest.fixture
def images() -> np.ndarray:
    """Give seven pictures that differ much: noise of several brightnesses."""
    rng = np.random.default_rng(0)
    return (rng.random((7, *INPUT_SHAPE), np.float32) * np.linspace(0.2, 1.0, 7)[:, None, None, None]).astype(
        np.float32
    )


def logits(classifier: Classifier, images: np.ndarray) -> np.ndarray:
    return np.array([score.score for score in classifier.score(images)])


def test_scores_come_in_the_order_of_the_images(classifier: Classifier, images: np.ndarray) -> None:
    found = logits(classifier, images)
    assert len({round(score, 3) for score in found}) > 1, "these images must differ for the test to say anything"
    assert np.abs(logits(classifier, images[::-1].copy())[::-1] - found).max() < SAME


def test_an_images_score_does_not_depend_on_its_company(classifier: Classifier, images: np.ndarray) -> None:
    together = logits(classifier, images)
    alone = np.concatenate([logits(classifier, images[k : k + 1]) for k in range(len(images))])
    assert np.abs(alone - together).max() < SAME


def test_the_same_images_get_the_same_scores_again(classifier: Classifier, images: np.ndarray) -> None:
    assert np.abs(logits(classifier, images) - logits(classifier, images)).max() < 1e-6


def test_no_images_get_no_scores(classifier: Classifier) -> None:
    assert classifier.score(np.zeros((0, *INPUT_SHAPE), np.float32)) == ()


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((1, 224, 224, 3), np.float32),
        np.zeros((1, SIDE, SIDE, 1), np.float32),
        np.zeros((SIDE, SIDE, 3), np.float32),
        np.zeros((1, SIDE, SIDE, 3), np.float64),
        np.zeros((1, SIDE, SIDE, 3), np.uint8),
        np.full((1, SIDE, SIDE, 3), np.nan, np.float32),
        np.full((1, SIDE, SIDE, 3), np.inf, np.float32),
        np.full((1, SIDE, SIDE, 3), 255.0, np.float32),
        np.full((1, SIDE, SIDE, 3), -0.1, np.float32),
    ],
    ids=["size", "channels", "no batch", "doubles", "bytes", "nan", "infinity", "not scaled", "negative"],
)
def test_what_is_no_input_gets_no_score(bad: np.ndarray, classifier: Classifier) -> None:
    with pytest.raises(InputError):
        classifier.score(bad)


def test_the_probability_is_the_calibrated_logit(classifier: Classifier, images: np.ndarray) -> None:
    calibration = classifier.card.calibration
    for score in classifier.score(images):
        expected = 1 / (1 + math.exp(-(calibration.slope * score.score + calibration.intercept)))
        assert score.probability == pytest.approx(expected, abs=1e-6)


def test_the_weights_are_those_of_the_network_that_the_module_builds(classifier: Classifier) -> None:
    architecture = zoo.architecture(classifier.card.name)
    network = architecture.build()
    members = weights.load(architecture.weights_path)
    assert len(members) == classifier.card.members
    for member in members:
        weights.assign(network, member)


def golden(folder: Path) -> np.ndarray:
    """Read fixed radiographs of a label: every so many of the folder's files in their order."""
    files = sorted(folder.glob("*.jpeg"))
    chosen = files[:: len(files) // GOLDEN][:GOLDEN]
    return from_gray(np.stack([to_gray_square(np.asarray(Image.open(file).convert("L"))) for file in chosen]))


def least(share: float, of: int = GOLDEN, chance: float = 1e-3) -> int:
    """Return how many of `of` are right at least, but for one time in a thousand, where a `share` is."""
    below = 0.0
    for count in range(of + 1):
        below += math.comb(of, count) * share**count * (1 - share) ** (of - count)
        if below > chance:
            return count
    return of


@pytest.mark.shared
def test_fixed_radiographs_are_on_the_side_that_the_card_promises(classifier: Classifier, shared: Path) -> None:
    """The operating point applies to real images as the card says: neither weights nor preprocessing are others."""
    point = classifier.card.operating_point
    flagged = {
        label: sum(
            score.probability >= point.threshold
            for score in classifier.score(golden(shared / "data/cxr-train" / label))
        )
        for label in ("NORMAL", "PNEUMONIA")
    }
    assert flagged["PNEUMONIA"] >= least(point.sensitivity)
    assert GOLDEN - flagged["NORMAL"] >= least(point.specificity)


@pytest.mark.shared
def test_a_flagged_image_is_explained_by_a_place_in_it(classifier: Classifier, shared: Path) -> None:
    point = classifier.card.operating_point
    sick = golden(shared / "data/cxr-train/PNEUMONIA")
    flagged = [
        image for image, score in zip(sick, classifier.score(sick), strict=True) if score.probability >= point.threshold
    ]
    for image in flagged[:4]:
        heat = classifier.explain(image)
        assert (heat.shape, heat.dtype) == ((SIDE, SIDE), np.uint8)
        assert heat.max() > 200
        assert heat.min() < 128, "a map that is hot everywhere explains nothing"


@pytest.fixture
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelCard]:
    """Add one file to the zoo, with weights and a card."""
    card = read_card(zoo.architecture(zoo.loadable()[0]).card_path)
    (tmp_path / "newcomer.py").write_text(NEWCOMER)
    monkeypatch.setattr(zoo, "__path__", [str(tmp_path)])
    network = zoo.architecture("newcomer").build()
    digest = weights.save(tmp_path / "newcomer.npz", [weights.collect(network)])
    found = replace(card, name="newcomer", version="0.1", sha256=digest, members=1)
    write_card(found, tmp_path / "newcomer.json")
    yield found
    sys.modules.pop("model.zoo.newcomer", None)
    vars(zoo).pop("newcomer", None)


def test_a_new_model_is_one_file_with_its_weights_and_card(newcomer: ModelCard, images: np.ndarray) -> None:
    """No list names it: it is listed, loads, scores as Keras does, and explains."""
    assert [(entry.name, entry.card, entry.problem) for entry in catalogue()] == [("newcomer", newcomer, "")]
    found = load("newcomer", batches=(4,))
    network = zoo.architecture("newcomer").build()
    (member,) = weights.load(zoo.architecture("newcomer").weights_path)
    weights.assign(network, member)
    expected = np.asarray(network(tensorflow().constant(images), training=False)[0])
    assert np.abs(logits(found, images) - expected).max() < SAME
    assert found.explain(images[0]).shape == (SIDE, SIDE)
