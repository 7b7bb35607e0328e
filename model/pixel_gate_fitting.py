"""Fit the pixel gate: `python -m model.pixel_gate_fitting FOLDER [--rounds N] [--seed N] [--out FOLDER]`.

FOLDER is what benchmarks/gate_sources.py lays out: fit/{chest,lateral,not_a_chest} is fitted to, validate/chest sets
the thresholds, test/ is not opened. Takes a few minutes on one core. Writes pixel_gate.npz and pixel_gate.json.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from model import pixel_gate_examples as examples
from model.pixel_gate_network import CLASSES, SIDE, STRIDES, GateNetwork, Thresholds, normalised
from model.preprocess import to_gray_square
from model.runtime import Network, TensorFlow, Threads, tensorflow

Gray = npt.NDArray[np.uint8]
Array = npt.NDArray[np.float32]

FILTERS: Final = (16, 32, 64, 64)
KERNELS: Final = (5, 3, 3, 3)
HIDDEN: Final = 96
SHARES: Final = {"chest": 0.42, "inverted": 0.07, "rotated": 0.1, "cropped": 0.13, "lateral": 0.1, "not_a_chest": 0.18}
OTHERS: Final = (0.5, 0.2, 0.12, 0.08, 0.1)
"""Among what is not a chest: real pictures, shuffled chests, noise, pages of text, test patterns."""
EXAMPLES: Final = 8_000
"""Made anew for each round; each is shown `PASSES` times."""
PASSES: Final = 3
BATCH: Final = 64
RATE: Final = 2e-3
FALSE_DECLINES: Final = 0.006
"""Share of the validation's chests that either threshold may decline."""
NOT_READMITTED: Final = 0.1
"""Share of the validation's chests that are not sure enough to overrule a header."""
ZOOM: Final = 1.24
"""How much one axis of a validation chest is enlarged, its middle kept: a patient or a device may fill the frame."""


def main(arguments: Sequence[str]) -> None:
    """Fit, choose the thresholds, write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    options = parser.parse_args(arguments)
    tf = tensorflow(Threads(intra_op=1, inter_op=1))
    tf.keras.utils.set_random_seed(options.seed)
    pictures = {kind: _read_all(options.folder / "fit" / kind) for kind in ("chest", "lateral", "not_a_chest")}
    network = _fit(tf, pictures, rounds=options.rounds, random=np.random.default_rng(options.seed))
    arrays = _folded(network)
    arrays |= _distances(arrays, pictures["chest"], np.random.default_rng(options.seed + 1))
    arrays |= {"thresholds": np.array([0.0, np.inf, 0.0, np.inf])}
    chosen = choose_thresholds(_network(arrays), _read_all(options.folder / "validate" / "chest"))
    arrays["thresholds"] = np.array([getattr(chosen, name) for name in Thresholds.__slots__], np.float32)
    _write(arrays, options.out, counts={kind: len(found) for kind, found in pictures.items()})


def _network(arrays: dict[str, Any]) -> GateNetwork:
    return GateNetwork({**arrays, "thresholds": np.nan_to_num(arrays["thresholds"], posinf=1e30)}, "unsaved")


def _read_all(folder: Path) -> list[Gray]:
    found = []
    for path in sorted(folder.iterdir()):
        with Image.open(path) as picture:
            found.append(np.asarray(picture.convert("L")))
    return found


def examples_of(
    pictures: dict[str, list[Gray]], random: np.random.Generator, *, count: int
) -> tuple[Array, npt.NDArray[np.int64]]:
    """Make `count` examples: float32 [count, 64, 64, 1] as the network sees them, and their classes."""
    labels = random.choice(len(CLASSES), size=count, p=[SHARES[name] for name in CLASSES])
    squares = [_example(CLASSES[label], pictures, random) for label in labels]
    return np.stack([normalised(square) for square in squares])[..., np.newaxis], labels


def _example(kind: str, pictures: dict[str, list[Gray]], random: np.random.Generator) -> Gray:
    def any_of(name: str) -> Gray:
        return pictures[name][int(random.integers(len(pictures[name])))]

    if kind in examples.OF_CHESTS:
        return examples.OF_CHESTS[kind](any_of("chest"), random)
    if kind == "lateral":
        return examples.lateral(any_of("lateral"), random)
    makers: tuple[Callable[[], Gray], ...] = (
        lambda: examples.other(any_of("not_a_chest"), random),
        lambda: examples.shuffled(any_of("chest"), random),
        lambda: examples.noise(random),
        lambda: examples.text_page(random),
        lambda: examples.pattern(random),
    )
    return makers[int(random.choice(len(makers), p=OTHERS))]()


def _fit(tf: TensorFlow, pictures: dict[str, list[Gray]], *, rounds: int, random: np.random.Generator) -> Network:
    network = _build(tf)
    schedule = tf.keras.optimizers.schedules.CosineDecay(RATE, rounds * PASSES * (EXAMPLES // BATCH))
    network.compile(
        tf.keras.optimizers.AdamW(schedule, weight_decay=1e-3),
        tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    for number in range(rounds):
        inputs, labels = examples_of(pictures, random, count=EXAMPLES)
        history = network.fit(inputs, labels, batch_size=BATCH, epochs=PASSES, verbose=0).history
        values = ", ".join(f"{key} {of_passes[-1]:.4f}" for key, of_passes in history.items())
        sys.stdout.write(f"round {number + 1}: {values}\n")
        sys.stdout.flush()
    return network


def _build(tf: TensorFlow) -> Network:
    layers = tf.keras.layers
    inputs = maps = tf.keras.Input((SIDE, SIDE, 1))
    for filters, kernel, stride in zip(FILTERS, KERNELS, STRIDES, strict=True):
        maps = layers.ZeroPadding2D(kernel // 2)(maps)
        maps = layers.Conv2D(filters, kernel, strides=stride, use_bias=False)(maps)
        maps = layers.ReLU()(layers.BatchNormalization()(maps))
    features = layers.Dropout(0.3)(layers.Flatten()(layers.AveragePooling2D(2)(maps)))
    hidden = layers.Dropout(0.2)(layers.Dense(HIDDEN, activation="relu")(features))
    return tf.keras.Model(inputs, layers.Dense(len(CLASSES))(hidden))


def _folded(network: Network) -> dict[str, npt.NDArray[np.generic]]:
    """Fold the normalisations into the convolutions and round as stored: kernels to float16."""
    kinds = [layer for layer in network.layers if layer.weights]
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for number in range(len(STRIDES)):
        (kernel,) = kinds[2 * number].get_weights()
        gain, offset, mean, variance = kinds[2 * number + 1].get_weights()
        factor = gain / np.sqrt(variance + kinds[2 * number + 1].epsilon)
        arrays[f"convolution_{number}/kernel"] = (kernel * factor).astype(np.float16)
        arrays[f"convolution_{number}/bias"] = (offset - mean * factor).astype(np.float32)
    for name, layer in zip(("hidden", "output"), kinds[2 * len(STRIDES) :], strict=True):
        kernel, bias = layer.get_weights()
        arrays[f"{name}/kernel"], arrays[f"{name}/bias"] = kernel.astype(np.float16), bias.astype(np.float32)
    return arrays


def _distances(
    arrays: dict[str, npt.NDArray[np.generic]], chests: list[Gray], random: np.random.Generator
) -> dict[str, npt.NDArray[np.generic]]:
    """Measure where chests lie in the space of features: Mahalanobis distance (Lee et al., NeurIPS 2018)."""
    unit = {"distance/centre": np.zeros(HIDDEN), "distance/whitening": np.eye(HIDDEN), "thresholds": np.zeros(4)}
    network = _network({**arrays, **unit})
    picked = random.choice(len(chests), size=min(3000, len(chests)), replace=False)
    features = np.stack([network.features(normalised(examples.chest(chests[index], random))) for index in picked])
    covariance = np.cov(features.T) + 1e-2 * np.eye(HIDDEN)
    values, vectors = np.linalg.eigh(covariance)
    whitening = (vectors / np.sqrt(values)).astype(np.float16)
    return {"distance/centre": features.mean(axis=0).astype(np.float32), "distance/whitening": whitening}


def choose_thresholds(network: GateNetwork, chests: list[Gray]) -> Thresholds:
    """Choose where the gate closes from chests that it was not fitted to, each whole and with either axis enlarged."""
    found = [
        network.evidence(normalised(to_gray_square(view))) for picture in chests for view in enlarged_views(picture)
    ]
    shares, distances = np.array([one.chest for one in found]), np.array([one.distance for one in found])
    return Thresholds(
        chest=float(np.quantile(shares, FALSE_DECLINES)),
        distance=float(np.quantile(distances, 1.0 - FALSE_DECLINES)),
        readmit_chest=float(np.quantile(shares, NOT_READMITTED)),
        readmit_distance=float(np.quantile(distances, 1.0 - NOT_READMITTED)),
    )


def enlarged_views(picture: Gray) -> tuple[Gray, Gray, Gray]:
    """Return the picture, and its middle when its width, or its height, is enlarged by 1.24."""
    rows, columns = picture.shape
    left, top = round(columns * (1 - 1 / ZOOM) / 2), round(rows * (1 - 1 / ZOOM) / 2)
    return picture, picture[:, left : columns - left], picture[top : rows - top]


def _write(arrays: dict[str, npt.NDArray[np.generic]], folder: Path, *, counts: dict[str, int]) -> None:
    weights = folder / "pixel_gate.npz"
    np.savez_compressed(weights, allow_pickle=False, **arrays)
    thresholds = dict(zip(Thresholds.__slots__, arrays["thresholds"].astype(float).round(4).tolist(), strict=True))
    card = {
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "fitted_to": counts,
        "thresholds": thresholds,
        "false_declines_allowed": FALSE_DECLINES,
    }
    (folder / "pixel_gate.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(card, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
