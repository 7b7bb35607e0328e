"""Score every picture of a folder NORMAL/PNEUMONIA and measure how well the scores fit the folders."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.classifier import Classifier, Score
from model.dataset import Sample, find_samples, load_gray
from model.evaluation import Metrics, measure
from model.preprocess import from_gray, to_gray_square

_BATCH = 32


@dataclass(frozen=True, slots=True)
class FolderEvaluation:
    """What the model said of each image, and how that fits the labels at the model's operating point."""

    samples: tuple[Sample, ...]
    scores: tuple[Score, ...]
    metrics: Metrics


def _ignore(_done: int, _of: int) -> None:
    """Report nothing."""


def evaluate_folder(
    classifier: Classifier, folder: Path, *, progress: Callable[[int, int], None] = _ignore
) -> FolderEvaluation:
    """Evaluate on JPEG or PNG files in `folder`/NORMAL and `folder`/PNEUMONIA.

    Args:
        classifier: a loaded model.
        folder: where file names tell the patient, intervals are over patients, else over images.
        progress: called with (images done, images in all).

    Raises:
        DatasetError: the layout is another one or a file cannot be decoded.

    """
    samples = find_samples(folder, patients_required=False)
    scores: list[Score] = []
    for start in range(0, len(samples), _BATCH):
        chosen = samples[start : start + _BATCH]
        scores += classifier.score(from_gray(load_gray(chosen, lambda frame, _: to_gray_square(frame))))
        progress(len(scores), len(samples))
    metrics = measure(
        np.array([sample.label for sample in samples]),
        np.array([score.probability for score in scores]),
        [sample.patient for sample in samples],
        classifier.card.operating_point.threshold,
    )
    return FolderEvaluation(samples, tuple(scores), metrics)
