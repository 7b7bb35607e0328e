"""The points of the plots of an evaluation: ROC, precision and recall, reliability, histograms. NumPy only."""

from dataclasses import dataclass

import numpy as np

from model.drift import wilson
from model.evaluation import ECE_BINS, Floats, Labels


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of a curve, x and y of equal length."""

    x: Floats
    y: Floats


@dataclass(frozen=True, slots=True)
class Bin:
    """Images whose probability lies in one bin: how many, the mean probability, the share of pneumonia, its interval.

    The interval is Wilson's (1927) of 95 %, over images.
    """

    n: int
    predicted: float
    observed: float
    low: float
    high: float


def roc(labels: Labels, probabilities: Floats) -> Curve:
    """Return false positive rate against sensitivity, from (0, 0) to (1, 1), one corner a distinct probability."""
    true, false = _cumulated(labels, probabilities)
    return Curve(false / max(false[-1], 1.0), true / max(true[-1], 1.0))


def precision_recall(labels: Labels, probabilities: Floats) -> Curve:
    """Return recall against precision as the threshold falls; starts at the first image flagged."""
    true, false = (counts[1:] for counts in _cumulated(labels, probabilities))
    return Curve(true / max(float(true[-1]) if len(true) else 0.0, 1.0), true / np.maximum(true + false, 1.0))


def average_precision(labels: Labels, probabilities: Floats) -> float:
    """Area under the precision-recall curve as a step function, without interpolation; NaN without positives."""
    if not labels.sum():
        return float("nan")
    curve = precision_recall(labels, probabilities)
    return float(np.diff(curve.x, prepend=0.0) @ curve.y)


def _cumulated(labels: Labels, probabilities: Floats) -> tuple[Floats, Floats]:
    """Count true and false positives as the threshold falls past each distinct probability, 0 first."""
    order = np.argsort(-probabilities, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(probabilities[order])), len(order) - 1)[: len(order)]
    true, false = (np.cumsum(part[order])[ends].astype(np.float64) for part in (labels, 1 - labels))
    return np.concatenate([[0.0], true]), np.concatenate([[0.0], false])


def reliability(labels: Labels, probabilities: Floats, bins: int = ECE_BINS) -> tuple[Bin, ...]:
    """Return the bins of equal width that hold images, from the least probability to the greatest."""
    index = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    return tuple(
        Bin(
            int(here.sum()),
            float(probabilities[here].mean()),
            float(labels[here].mean()),
            *wilson(int(labels[here].sum()), int(here.sum())),
        )
        for here in (index == number for number in range(bins))
        if here.any()
    )


def histogram(labels: Labels, probabilities: Floats, bins: int = 20) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Count normal and pneumonia images in bins of equal width from 0 to 1."""
    normal, pneumonia = (
        tuple(int(n) for n in np.histogram(probabilities[labels == label], bins, (0.0, 1.0))[0]) for label in (0, 1)
    )
    return normal, pneumonia
