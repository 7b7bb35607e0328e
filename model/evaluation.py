"""How well probabilities fit labels: discrimination, calibration, intervals. NumPy only.

Intervals are 95 % percentile bootstrap over patients, since images of one patient are not independent. Where a share
is 0 or 1 the bootstrap knows no spread: its other end is then exact (Clopper and Pearson 1934), counting patients.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

ECE_BINS = 15
REPLICATES = 1000
_PERCENTILES = (2.5, 97.5)
_TAIL = 0.025
RATES = ("auc", "precision", "recall", "specificity", "accuracy", "f1", "brier", "ece")


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and its 95 % confidence interval; NaN where it is not defined (no positives, nothing flagged)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Confusion:
    """Images by label and flag."""

    true_negative: int
    false_positive: int
    false_negative: int
    true_positive: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What `tibabu evaluate` reports of one set of images at one threshold; `recall` is the sensitivity."""

    n: int
    patients: int
    positives: int
    threshold: float
    confusion: Confusion
    auc: Interval
    precision: Interval
    recall: Interval
    specificity: Interval
    accuracy: Interval
    f1: Interval
    brier: Interval
    ece: Interval

    def as_json(self) -> dict[str, Any]:
        """Flat values and their intervals under `ci`; an undefined value is null."""
        values: dict[str, Any] = {"n": self.n, "patients": self.patients, "positives": self.positives}
        rates = {name: getattr(self, name) for name in RATES}
        values |= {name: number(rate.value) for name, rate in rates.items()}
        values["threshold"] = self.threshold
        values["confusion"] = {name: getattr(self.confusion, name) for name in self.confusion.__slots__}
        values["ci"] = {name: [number(rate.low), number(rate.high)] for name, rate in rates.items()}
        return values


def number(value: float) -> float | None:
    """Return a value as JSON has it: to six decimals, null where it is not defined."""
    return round(float(value), 6) if np.isfinite(value) else None


def auc(labels: Labels, scores: npt.ArrayLike, weights: Floats | None = None) -> float:
    """Area under the ROC curve (Mann-Whitney, ties count half), images counted `weights` times; NaN without both."""
    scores = np.asarray(scores, np.float64)
    weights = np.ones(len(labels)) if weights is None else weights
    order = np.argsort(scores, kind="stable")
    _, starts = np.unique(scores[order], return_index=True)
    if not len(starts):
        return float("nan")
    positive = np.add.reduceat((weights * labels)[order], starts)
    negative = np.add.reduceat((weights * (1 - labels))[order], starts)
    below = np.cumsum(negative) - negative
    return _ratio(float(positive @ (below + 0.5 * negative)), float(positive.sum() * negative.sum()))


def brier(labels: Labels, probabilities: Floats, weights: Floats) -> float:
    """Mean squared difference between probability and label (Brier 1950)."""
    return _ratio(float(weights @ (probabilities - labels) ** 2), float(weights.sum()))


def ece(labels: Labels, probabilities: Floats, weights: Floats) -> float:
    """Compute the expected calibration error over 15 equal-width bins of the probability of pneumonia."""
    bins = np.minimum((probabilities * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    gap = np.bincount(bins, weights * (probabilities - labels), ECE_BINS)
    return _ratio(float(np.abs(gap).sum()), float(weights.sum()))


def rates(labels: Labels, probabilities: Floats, flagged: Flags, weights: Floats) -> dict[str, float]:
    """Every rate of RATES for images counted `weights` times."""
    tp, fp = float(weights @ (labels * flagged)), float(weights @ ((1 - labels) * flagged))
    fn, tn = float(weights @ (labels * ~flagged)), float(weights @ ((1 - labels) * ~flagged))
    return {
        "auc": auc(labels, probabilities, weights),
        "precision": _ratio(tp, tp + fp),
        "recall": _ratio(tp, tp + fn),
        "specificity": _ratio(tn, tn + fp),
        "accuracy": _ratio(tp + tn, tp + fp + fn + tn),
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
        "brier": brier(labels, probabilities, weights),
        "ece": ece(labels, probabilities, weights),
    }


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def bootstrap(
    patients: Sequence[str], measure: Callable[[Floats], dict[str, float]], *, replicates: int, seed: int
) -> dict[str, Interval]:
    """Measure once as is, and `replicates` times with patients drawn with replacement.

    Args:
        patients: the patient of each image.
        measure: maps image weights [n] to named values.
        replicates: how many draws.
        seed: of the draws.

    """
    value = measure(np.ones(len(patients)))
    names, index = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    rng = np.random.default_rng(seed)
    draws = [
        measure(rng.multinomial(len(names), np.full(len(names), 1 / len(names)))[index].astype(np.float64))
        for _ in range(replicates if len(names) else 0)
    ]
    return {name: _interval(value[name], [draw[name] for draw in draws]) for name in value}


def _interval(value: float, draws: list[float]) -> Interval:
    defined = [draw for draw in draws if np.isfinite(draw)]
    if not defined or not np.isfinite(value):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.percentile(defined, _PERCENTILES)
    return Interval(value, float(low), float(high))


def widened(share: Interval, patients: int) -> Interval:
    """Give a share that is exactly 0 or 1 among `patients` its exact interval; any other stays as it is."""
    if not patients or share.value not in {0.0, 1.0}:
        return share
    margin = 1.0 - _TAIL ** (1.0 / patients)
    return Interval(share.value, 0.0, margin) if share.value == 0.0 else Interval(share.value, 1.0 - margin, 1.0)


def share(
    hits: Flags, among: Flags, patients: Sequence[str], *, replicates: int = REPLICATES, seed: int = 0
) -> Interval:
    """Find the share of hits [n] in the images `among` [n], with its interval over patients [n]."""
    names = np.asarray(patients, dtype=str)[among]
    chosen = hits[among]
    found = bootstrap(
        list(names), lambda w: {"share": _ratio(float(w @ chosen), float(w.sum()))}, replicates=replicates, seed=seed
    )
    return widened(found["share"], len(np.unique(names)))


def measure(
    labels: Labels,
    probabilities: npt.ArrayLike,
    patients: Sequence[str],
    threshold: float | Floats,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Metrics:
    """Everything about one set of images: labels 0/1 [n], calibrated probabilities [n], patients [n].

    An image is flagged where its probability is at least `threshold`: one for all, or one an image (then the mean is
    what the result states).
    """
    p = np.asarray(probabilities, np.float64)
    flagged = p >= threshold
    found = bootstrap(patients, lambda w: rates(labels, p, flagged, w), replicates=replicates, seed=seed)
    of = {"precision": flagged, "recall": labels == 1, "specificity": labels == 0, "accuracy": np.ones_like(flagged)}
    names = np.asarray(patients, dtype=str)
    found |= {name: widened(found[name], len(np.unique(names[among]))) for name, among in of.items()}
    return Metrics(
        n=len(labels),
        patients=len(set(patients)),
        positives=int(labels.sum()),
        threshold=float(np.mean(threshold)),
        confusion=confusion(labels, flagged),
        **found,
    )


def confusion(labels: Labels, flagged: Flags) -> Confusion:
    """Count images by label and flag."""
    tn, fp, fn, tp = np.bincount(2 * labels + flagged.astype(np.int64), minlength=4)
    return Confusion(int(tn), int(fp), int(fn), int(tp))
