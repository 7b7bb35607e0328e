"""The folds of `tibabu train` for EfficientNet-Lite0, fitted with PyTorch on a GPU, all at once.

The GPU's machine needs PyTorch, NumPy, Pillow and this repository, neither TensorFlow nor a network:

    python benchmarks/fit_on_gpu/start.py start.npz                          # where TensorFlow is
    python benchmarks/fit_on_gpu --data TRAIN --start start.npz --out run    # on the GPU
    tibabu train --data TRAIN --out run           # where TensorFlow is: takes the folds over, writes weights and card
"""

import os
import platform
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import torch
from fit import Fit
from network import Array, Pass, Weights, to_keras, to_torch

from model import dataset, weights
from model.augment import SOURCE_SIDE
from model.crossvalidation import Settings, claim, keep_fold
from model.evaluation import auc
from model.expense import Machine
from model.fitting import Epoch
from model.preprocess import to_gray_square
from model.training import recommended

_DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
_WATCHED_EVERY = 5  # epochs; and the last
_SCORED = 500  # images at once

Samples = tuple[dataset.Sample, ...]
Folds = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fold:
    """One fold's fit, the images it never sees, and averaged weights of some epochs."""

    number: int
    fit: Fit
    squares: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    watched: list[tuple[int, Weights]]

    def step(self, number: int) -> None:
        """Queue a step, counted from 1, if there are so many."""
        if number > self.fit.steps:
            return
        self.fit.step()
        epoch, left = divmod(number, self.fit.steps_an_epoch)
        if not left and (epoch % _WATCHED_EVERY == 0 or number == self.fit.steps):
            self.watched.append((epoch, self.fit.averaged()))

    def epochs(self, seconds: float) -> list[Epoch]:
        """Say how each epoch went; waits for the device."""
        watched = {epoch: self._watch(averaged) for epoch, averaged in self.watched}
        losses = self.fit.losses()
        return [
            Epoch(number, len(losses), float(loss), seconds / len(losses), *watched.get(number, (None, None)))
            for number, loss in enumerate(losses, start=1)
        ]

    def _watch(self, averaged: Weights) -> tuple[float, float]:
        """Loss, the mean of both classes', and AUC of averaged weights on the images held out."""
        passed, found = Pass(averaged, training=False), []
        for first in range(0, len(self.squares), _SCORED):
            squares = torch.tensor(self.squares[first : first + _SCORED], device=_DEVICE).float() / 255
            with torch.no_grad():
                found.append(passed.logits(squares[:, None].expand(-1, 3, -1, -1)).cpu().numpy())
        logits = np.concatenate(found).astype(np.float64)
        losses = np.logaddexp(0.0, np.where(self.labels == 1, -logits, logits))
        return float(np.mean([losses[self.labels == label].mean() for label in (0, 1)])), auc(self.labels, logits)


@click.command()
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path), help="As for `tibabu train`.")
@click.option("--start", required=True, type=click.Path(exists=True, path_type=Path), help="What start.py wrote.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="As for `tibabu train`.")
def main(data: Path, start: Path, out: Path) -> None:
    """Fit every fold by the recipe of `tibabu train`, and leave the files that it takes over."""
    settings, samples = recommended("efficientnet_lite0"), dataset.find_samples(data)
    out.mkdir(parents=True, exist_ok=True)
    claim(out, samples, settings)
    with np.load(start, allow_pickle=False) as archive:
        begin = dict(archive)
    number_of = dataset.assign_folds(samples, settings.folds, settings.recipe.seed)
    folds = [_prepare(number, samples, number_of, begin, settings) for number in range(settings.folds)]
    began = time.monotonic()
    for number in range(1, max(fold.fit.steps for fold in folds) + 1):
        for fold in folds:
            fold.step(number)
    losses = [fold.fit.losses().mean() for fold in folds]  # waits for the device
    seconds = (time.monotonic() - began) / len(folds)  # they shared it
    for fold, loss in zip(folds, losses, strict=True):
        epochs = fold.epochs(seconds)
        member = {name: weights.rounded(array) for name, array in to_keras(fold.fit.averaged()).items()}
        keep_fold(out, fold.number, member, epochs, _machine())
        click.echo(f"fold {fold.number}: loss {loss:.4f}, AUC held out {epochs[-1].held_out_auc:.4f}, {seconds:.0f} s")


def _machine() -> Machine:
    gpus = torch.cuda.device_count()
    name = torch.cuda.get_device_name() if gpus else platform.machine()
    software = {"python": platform.python_version(), "numpy": version("numpy"), "torch": torch.__version__}
    return Machine(f"{name}, by benchmarks/fit_on_gpu", len(os.sched_getaffinity(0)), gpus, software)


def _prepare(number: int, samples: Samples, folds: Folds, begin: dict[str, Array], settings: Settings) -> Fold:
    seed = settings.recipe.seed * 1000 + number
    labels = np.array([sample.label for sample in samples])
    trained, held_out = (
        [sample for sample, wanted in zip(samples, which, strict=True) if wanted]
        for which in (folds != number, folds == number)
    )
    images = dataset.load_gray(trained, lambda frame, _: to_gray_square(frame, side=SOURCE_SIDE))
    fit = Fit(
        to_torch(_with_head(begin, seed), _DEVICE),
        torch.tensor(images, device=_DEVICE),
        torch.tensor(labels[folds != number], device=_DEVICE),
        replace(settings.recipe, seed=seed),
    )
    if _DEVICE == "cuda":
        fit.capture()
    return Fold(
        number, fit, dataset.load_gray(held_out, lambda frame, _: to_gray_square(frame)), labels[folds == number], []
    )


def _with_head(begin: dict[str, Array], seed: int) -> dict[str, Array]:
    """Draw the last layer as Keras does (Glorot and Bengio 2010), each fold's its own."""
    shape = begin["evidence/kernel"].shape
    reach = (6 / (shape[2] + shape[3])) ** 0.5
    kernel = np.random.default_rng(seed).uniform(-reach, reach, shape).astype(np.float32)
    return {**begin, "evidence/kernel": kernel, "evidence/bias": np.zeros(1, np.float32)}


if __name__ == "__main__":
    torch.backends.cudnn.benchmark = True
    main()
