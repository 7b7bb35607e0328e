"""Training from a folder to a model that loads, and again from where it was interrupted."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model import imagenet, pictures, weights, zoo
from model.augment import SOURCE_SIDE, Augmentation, Augmenter
from model.card import read_card
from model.crossvalidation import Progress, Settings
from model.errors import DatasetError, PretrainedError
from model.fitting import Epoch, HeldOut, Recipe, fit
from model.fused_norm import fused_batch_normalization
from model.preprocess import INPUT_SHAPE, to_input
from model.runtime import Network, tensorflow
from model.stress import STRESSES
from model.training import recommended, train
from model.zoo import efficientnet_lite0

SETTINGS = Settings(name="tiny", folds=2, recipe=Recipe(epochs=2, batch=4, learning_rate=1e-2, averaging=0.7))


def _build() -> Network:
    """Two layers, to keep compiling short; the zoo's networks are trained in their contract."""
    keras = tensorflow().keras
    inputs = keras.Input(INPUT_SHAPE)
    x = keras.layers.Conv2D(8, 9, 8, use_bias=False, name="conv")(inputs)
    x = keras.layers.ReLU()(fused_batch_normalization()(momentum=0.5, name="bn")(x))
    x = keras.layers.Conv2D(1, 1, name="evidence")(x)
    activation = keras.layers.Reshape(x.shape[1:3])(x)
    logit = keras.layers.Reshape(())(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, (logit, activation), name="tiny")


def _architecture(_: str) -> zoo.Architecture:
    return zoo.Architecture("tiny", "two layers", _build, lambda _: None, Path("tiny.json"), Path("tiny.npz"))


@pytest.fixture(scope="module")
def trained(radiographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[Progress]]]:
    """One small run of a tiny network in the zoo's place: its folder and what it reported."""
    out, progress = tmp_path_factory.mktemp("run"), list[Progress]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo, "architecture", _architecture)
        train(radiographs, out, SETTINGS, version="9.9.9", description="discs", progress=progress.append)
        yield out, progress


def test_progress_tells_every_epoch_of_every_fold(trained: tuple[Path, list[Progress]]) -> None:
    seen = [(p.fold, p.folds, p.epoch.number, p.epoch.of) for p in trained[1]]
    assert seen == [(0, 2, 1, 2), (0, 2, 2, 2), (1, 2, 1, 2), (1, 2, 2, 2)]


def test_the_network_learns(trained: tuple[Path, list[Progress]]) -> None:
    losses = [p.epoch.loss for p in trained[1]]
    assert losses[1] < losses[0]
    assert losses[3] < losses[2]


def test_the_card_speaks_for_the_weights_beside_it(trained: tuple[Path, list[Progress]]) -> None:
    out, _ = trained
    card = read_card(out / "tiny.json")
    assert card.sha256 == weights.sha256(out / "tiny.npz")
    assert (card.version, card.members, card.training.data) == ("9.9.9", 2, "discs")
    assert (card.training.images, card.training.patients, card.prevalence) == (48, 24, 0.5)
    assert card.operating_point.sensitivity >= 0.97
    assert [condition.name for condition in card.conditions] == ["none", *(stress.name for stress in STRESSES)]


def test_the_scores_are_those_of_the_member_that_never_saw_the_patient(
    trained: tuple[Path, list[Progress]], radiographs: Path
) -> None:
    out, _ = trained
    with (out / "out_of_fold.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 48
    folds = {row["patient"]: row["fold"] for row in rows}
    assert all(folds[row["patient"]] == row["fold"] for row in rows)
    network = _build()
    weights.assign(network, weights.load(out / "tiny.npz")[int(rows[0]["fold"])])
    logit = float(network(_input(radiographs / rows[0]["file"]), training=False)[0][0])
    assert logit == pytest.approx(float(rows[0]["logit"]), abs=1e-3)


def _input(path: Path) -> np.ndarray:
    return to_input(np.asarray(Image.open(path)))[np.newaxis]


def test_a_run_goes_on_after_its_last_finished_fold(
    trained: tuple[Path, list[Progress]], radiographs: Path, tmp_path: Path
) -> None:
    out, _ = trained
    for name in ("run.json", "fold0.npz", "fold0.json"):
        (tmp_path / name).write_bytes((out / name).read_bytes())
    elsewhere = json.loads((out / "fold0.json").read_text())
    elsewhere["machine"] |= {"processor": "abacus", "cores": 77}
    (tmp_path / "fold0.json").write_text(json.dumps(elsewhere))
    seen: list[Progress] = []
    card = train(radiographs, tmp_path, SETTINGS, version="9.9.9", description="discs", progress=seen.append)
    assert {p.fold for p in seen} == {1}
    assert card.training.processor.startswith("abacus; "), "the card names every machine that fitted a fold"
    assert card.training.cores == 77
    kept, again = (weights.load(folder / "tiny.npz")[0] for folder in (out, tmp_path))
    assert all((kept[name] == again[name]).all() for name in kept)


def test_the_same_training_gives_the_same_file_to_the_byte(
    trained: tuple[Path, list[Progress]], radiographs: Path, tmp_path: Path
) -> None:
    train(radiographs, tmp_path, SETTINGS, version="9.9.9", description="discs")
    assert weights.sha256(tmp_path / "tiny.npz") == weights.sha256(trained[0] / "tiny.npz")
    assert (tmp_path / "out_of_fold.csv").read_bytes() == (trained[0] / "out_of_fold.csv").read_bytes()


def test_looking_at_held_out_images_changes_nothing_in_the_result() -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (8, SOURCE_SIDE, SOURCE_SIDE)).astype(np.uint8), np.arange(8) % 2
    held_out = HeldOut(rng.integers(0, 256, (4, 156, 156)).astype(np.uint8), np.arange(4) % 2)
    found, epochs = [], list[Epoch]()
    for watched in (None, held_out):
        tensorflow().keras.utils.set_random_seed(1)
        network = _build()
        fit(network, images, labels, replace(SETTINGS.recipe, epochs=2), epochs.append, held_out=watched)
        found.append(weights.collect(network))
    assert all((found[0][name] == found[1][name]).all() for name in found[0])
    assert [epoch.held_out_auc is None for epoch in epochs] == [True, True, False, False]
    assert epochs[0].loss == epochs[2].loss


def test_every_epoch_is_in_the_event_files_and_in_the_history(trained: tuple[Path, list[Progress]]) -> None:
    from tensorflow.core.util import event_pb2  # noqa: PLC0415 - who collects this file need not load TensorFlow

    out, progress = trained
    for fold in range(2):
        epochs = [p.epoch for p in progress if p.fold == fold]
        (path,) = (out / "logs" / f"fold{fold}").iterdir()
        events = [event_pb2.Event.FromString(raw.numpy()) for raw in tensorflow().data.TFRecordDataset(str(path))]
        found = {(v.tag, e.step): float(tensorflow().make_ndarray(v.tensor)) for e in events for v in e.summary.value}
        for epoch in epochs:
            assert found["loss/training", epoch.number] == pytest.approx(epoch.loss)
            assert found["loss/held out", epoch.number] == pytest.approx(epoch.held_out_loss)
            assert found["AUC/held out", epoch.number] == pytest.approx(epoch.held_out_auc)
        history = json.loads((out / f"fold{fold}.json").read_text())["epochs"]
        assert [one["held_out_auc"] for one in history] == [epoch.held_out_auc for epoch in epochs]


def test_the_pictures_are_there_and_show_something(trained: tuple[Path, list[Progress]]) -> None:
    for name in pictures.NAMES:
        with Image.open(trained[0] / name) as picture:
            pixels = np.asarray(picture.convert("L"))
        assert min(pixels.shape) >= 400
        assert pixels.std() > 5


def test_histories_without_held_out_figures_can_be_drawn(trained: tuple[Path, list[Progress]], tmp_path: Path) -> None:
    out, _ = trained
    for name in ("run.json", "fold0.npz", "fold1.npz"):
        (tmp_path / name).write_bytes((out / name).read_bytes())
    for name in ("fold0.json", "fold1.json"):
        content = json.loads((out / name).read_text())
        epochs = [{k: v for k, v in e.items() if not k.startswith("held_out")} for e in content["epochs"]]
        (tmp_path / name).write_text(json.dumps({**content, "epochs": epochs}))
    pictures._draw(tmp_path / "curves.png", lambda a, b: pictures._curves(a, b, tmp_path, 2), columns=2)
    assert (tmp_path / "curves.png").stat().st_size > 5000


def test_the_small_model_has_settings_of_its_own() -> None:
    small, other = recommended("small_cnn").recipe, recommended("efficientnet_lite0").recipe
    assert (small.epochs, small.learning_rate, small.averaging) == (5, 3e-3, 0.99)
    assert (other.epochs, other.learning_rate, other.augmentation.stretch) == (30, 6e-4, 1.6)


def test_a_folder_with_another_run_is_refused(trained: tuple[Path, list[Progress]], radiographs: Path) -> None:
    other = replace(SETTINGS, recipe=replace(SETTINGS.recipe, seed=2))
    with pytest.raises(DatasetError, match="trained with other settings or data"):
        train(radiographs, trained[0], other)


def test_augmentation_follows_its_seed_stays_in_range_and_differs_by_image() -> None:
    tf = tensorflow()
    augment = tf.function(Augmenter(Augmentation()))
    images = np.repeat(np.random.default_rng(0).integers(0, 256, (1, SOURCE_SIDE, SOURCE_SIDE)), 3, axis=0)
    first, again, other = (
        augment(tf.constant(images, tf.uint8), tf.constant((0, 1, 1)), tf.constant(s)).numpy()
        for s in ((1, 2), (1, 2), (3, 4))
    )
    assert first.shape == (3, *INPUT_SHAPE)
    assert first.min() >= 0.0
    assert first.max() <= 1.0
    assert (first == again).all()
    assert np.abs(first - other).mean() > 0.01
    assert np.abs(first[0] - first[1]).mean() > 0.01
    assert (first[..., 0] == first[..., 2]).all()


def test_augmentation_with_every_range_at_nothing_only_resizes() -> None:
    tf = tensorflow()
    still = Augmentation(
        stretch=1.0,
        widen=(1, 1),
        rotation=0,
        translation=0,
        margin=0,
        flip=False,
        blur_sigma=(0, 0),
        gamma=1,
        contrast=1,
        brightness=0,
        noise=0,
    )
    ramp = np.tile(np.arange(SOURCE_SIDE, dtype=np.uint8), (1, SOURCE_SIDE, 1))
    image = Augmenter(still)(tf.constant(ramp), tf.constant((0,)), tf.constant((1, 2))).numpy()[0, :, :, 0]
    expected = ((np.arange(156) + 0.5) * SOURCE_SIDE / 156 - 0.5) / 255
    assert np.abs(image[60] - expected).max() < 2e-3


def test_augmentation_stretches_each_class_by_its_own_factor() -> None:
    tf = tensorflow()
    only = Augmentation(
        stretch=1,
        widen=(0.8, 1.25),
        rotation=0,
        translation=0,
        margin=0,
        blur_sigma=(0, 0),
        gamma=1,
        contrast=1,
        brightness=0,
        noise=0,
    )
    y, x = np.indices((SOURCE_SIDE, SOURCE_SIDE)) - (SOURCE_SIDE - 1) / 2
    discs = np.stack([np.where(x**2 + y**2 < 60**2, 200, 30).astype(np.uint8)] * 2)
    found = Augmenter(only)(tf.constant(discs), tf.constant((0, 1)), tf.constant((1, 2))).numpy()[..., 0] > 0.45
    ratios = [disc.any(axis=0).sum() / disc.any(axis=1).sum() for disc in found]
    assert ratios == pytest.approx([0.8, 1.25], abs=0.03)


def test_every_imagenet_weight_is_used_and_gives_sane_activations() -> None:
    network = efficientnet_lite0.build()
    efficientnet_lite0.initialise(network)  # raises if one is left over or does not fit
    inputs = np.random.default_rng(0).random((2, *INPUT_SHAPE), np.float32)
    keras = tensorflow().keras
    features = keras.Model(network.input, network.get_layer("bn1").output)(inputs, training=False).numpy()
    assert np.isfinite(features).all()
    assert 0.05 < features.std() < 5.0
    assert network.count_params() == 3_414_305
    assert len(network.trainable_variables) == 149, "nothing is frozen"


def test_a_checkpoint_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    state = imagenet.efficientnet_lite0()
    network = efficientnet_lite0.build()
    monkeypatch.setattr(imagenet, "efficientnet_lite0", lambda: state | {"extra.weight": state["_fc.bias"]})
    with pytest.raises(PretrainedError, match=r"1 unused, extra\.weight first"):
        efficientnet_lite0.initialise(network)
    monkeypatch.setattr(imagenet, "efficientnet_lite0", lambda: {"_fc.bias": state["_fc.bias"]})
    with pytest.raises(PretrainedError, match=r"expected the ImageNet weight _conv_stem\.weight"):
        efficientnet_lite0.initialise(network)
