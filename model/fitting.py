"""Fit one network on one set of images: AdamW, warm-up and cosine, averaged weights. Seeded."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from model.augment import Augmentation, Augmenter
from model.evaluation import auc
from model.preprocess import Input, from_gray
from model.runtime import Network, Tensor, tensorflow

Gray = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Logits = npt.NDArray[np.float32]

_PREDICTED = 64  # images of a batch outside training
_EXPLAINED = 9  # of a batch for maps and masks, which come in groups of about so many


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one network is fitted. `learning_rate` is the peak; `averaging` the decay of the averaged weights."""

    epochs: int = 8
    batch: int = 32
    learning_rate: float = 6e-4
    weight_decay: float = 0.02
    warmup_epochs: float = 0.5
    label_smoothing: float = 0.05
    averaging: float = 0.995
    seed: int = 1
    augmentation: Augmentation = field(default_factory=Augmentation)


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch came to: mean training loss, wall-clock seconds, and how averaged weights do on other patients.

    `held_out_loss` (mean of both classes' cross-entropy) and `held_out_auc` are looked at only: nothing is chosen by
    them. None where nothing was held out.
    """

    number: int
    of: int
    loss: float
    seconds: float
    held_out_loss: float | None = None
    held_out_auc: float | None = None


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Images of patients that the fit never sees, gray uint8 [n, 156, 156], and their labels 0/1 [n]."""

    squares: Gray
    labels: Labels


def fit(
    network: Network,
    images: Gray,
    labels: Labels,
    recipe: Recipe,
    progress: Callable[[Epoch], None],
    *,
    stepped: Callable[[int, int], None] = lambda _done, _of: None,
    held_out: HeldOut | None = None,
) -> None:
    """Fit `network` in place on gray images uint8 [n, 224, 224]; it ends up with the averaged weights.

    Both classes weigh the same however many images they have. A last incomplete batch of an epoch is left out; the next
    epoch's order is another. Watching held-out images changes nothing in the result.

    Args:
        network: of the zoo.
        images: gray uint8 [n, 224, 224].
        labels: 0/1 [n].
        recipe: how to fit.
        progress: called after every epoch.
        stepped: called after every step with (steps done, steps in all).
        held_out: to be scored after every epoch.

    """
    fitter = _Fitter(network, recipe, labels)
    rng = np.random.default_rng(recipe.seed)
    for number in range(recipe.epochs):
        started, losses, order = time.monotonic(), [], rng.permutation(len(images))
        for chosen in _batches(order, recipe.batch):
            losses.append(fitter.step(images[chosen], labels[chosen], rng.integers(0, 2**31, 2)))
            stepped(fitter.number, fitter.steps)
        watched = fitter.watch(held_out) if held_out is not None else (None, None)
        progress(Epoch(number + 1, recipe.epochs, float(np.mean(losses)), time.monotonic() - started, *watched))
    fitter.finish()


def _batches(order: npt.NDArray[np.int64], size: int) -> list[npt.NDArray[np.int64]]:
    size = min(size, len(order))
    return [order[start : start + size] for start in range(0, len(order) - size + 1, size)]


class Predictor:
    """Logits of many images, computed as serving would; compiled once, also where the network's weights change."""

    def __init__(self, network: Network) -> None:
        """Wrap a network of the zoo."""
        self.network = network
        self._compiled = tensorflow().function(lambda images: network(images, training=False), autograph=False)

    def run(self, images: Input) -> tuple[Logits, Logits]:
        """Logits [n] and activation maps [n, rows, columns] of inputs float32 [n, 156, 156, 3]."""
        padding = np.zeros((-len(images) % _EXPLAINED, *images.shape[1:]), np.float32)
        padded = np.concatenate([images, padding])
        starts = range(0, len(padded), _EXPLAINED)
        parts = [self._compiled(padded[start : start + _EXPLAINED]) for start in starts]
        logits, activations = (
            np.concatenate([np.asarray(part) for part in group]) for group in zip(*parts, strict=True)
        )
        return logits[: len(images)], activations[: len(images)]

    def logits(self, squares: Gray) -> Logits:
        """Logits [n] of gray squares uint8 [n, 156, 156]."""
        padding = np.zeros((-len(squares) % _PREDICTED, *squares.shape[1:]), np.uint8)
        padded = np.concatenate([squares, padding])
        starts = range(0, len(padded), _PREDICTED)
        parts = [np.asarray(self._compiled(from_gray(padded[i : i + _PREDICTED]))[0]) for i in starts]
        return np.concatenate([np.zeros(0, np.float32), *parts])[: len(squares)]


class _Fitter:
    """One optimiser step, compiled, and the running average of the weights."""

    def __init__(self, network: Network, recipe: Recipe, labels: Labels) -> None:
        tf = self._tf = tensorflow()
        self._network, self._recipe, self.number = network, recipe, 0
        self._predictor: Predictor | None = None
        self.steps = recipe.epochs * len(_batches(np.arange(len(labels)), recipe.batch))
        self._warmup = max(1, round(self.steps * recipe.warmup_epochs / recipe.epochs))
        # a frozen copy of the labels' balance: each class contributes half of the loss
        positives = float(labels.mean())
        self._weights = tf.constant((0.5 / (1.0 - positives), 0.5 / positives), tf.float32)
        self._augment = Augmenter(recipe.augmentation)
        self._optimiser = tf.keras.optimizers.AdamW(
            recipe.learning_rate, weight_decay=recipe.weight_decay, global_clipnorm=5.0
        )
        self._optimiser.exclude_from_weight_decay(var_names=("gamma", "beta", "bias"))
        self._optimiser.build(network.trainable_variables)
        self._average = [tf.Variable(weight.value) for weight in network.weights]
        self._compiled = tf.function(self._step)

    def step(self, images: Gray, labels: Labels, seed: npt.NDArray[np.int64]) -> float:
        """One step on one batch; returns its loss."""
        tf = self._tf
        rate = tf.constant(self._rate(), tf.float32)
        decay = tf.constant(min(self._recipe.averaging, (1 + self.number) / (10 + self.number)), tf.float32)
        self.number += 1
        loss = self._compiled(tf.constant(images), tf.constant(labels), tf.constant(seed, tf.int32), rate, decay)
        return float(loss)

    def watch(self, held_out: HeldOut) -> tuple[float, float]:
        """Loss and AUC of the averaged weights on held-out images; the fit goes on as if nobody had looked."""
        self._predictor = self._predictor or Predictor(self._network)
        current = [np.asarray(weight.value) for weight in self._network.weights]
        self.finish()
        logits = self._predictor.logits(held_out.squares).astype(np.float64)
        for weight, value in zip(self._network.weights, current, strict=True):
            weight.assign(value)
        losses = np.logaddexp(0.0, np.where(held_out.labels == 1, -logits, logits))
        by_class = [losses[held_out.labels == label].mean() for label in np.unique(held_out.labels)]
        return float(np.mean(by_class)), auc(held_out.labels, logits)

    def finish(self) -> None:
        """Give the network its averaged weights."""
        for weight, average in zip(self._network.weights, self._average, strict=True):
            weight.assign(average)

    def _rate(self) -> float:
        peak, number = self._recipe.learning_rate, self.number
        if number < self._warmup:
            return peak * (number + 1) / self._warmup
        share = (number - self._warmup) / max(1, self.steps - self._warmup)
        return peak * 0.5 * (1.0 + math.cos(math.pi * share))

    def _step(self, images: Tensor, labels: Tensor, seed: Tensor, rate: Tensor, decay: Tensor) -> Tensor:
        tf, smoothing = self._tf, self._recipe.label_smoothing
        inputs = self._augment(images, labels, seed)
        targets = tf.cast(labels, tf.float32) * (1.0 - smoothing) + 0.5 * smoothing
        with tf.GradientTape() as tape:
            logits, _ = self._network(inputs, training=True)
            losses = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
            loss = tf.reduce_mean(losses * tf.gather(self._weights, labels))
        variables = self._network.trainable_variables
        self._optimiser.learning_rate.assign(rate)
        self._optimiser.apply(tape.gradient(loss, variables), variables)
        for weight, average in zip(self._network.weights, self._average, strict=True):
            average.assign(average * decay + weight.value * (1.0 - decay))
        return loss
