"""The difference of two models' AUCs on the same images, with its interval. NumPy only.

The variance is that of DeLong, DeLong and Clarke-Pearson 1988 (Biometrics 44:837) for correlated curves, in the form
that Obuchowski 1997 (Biometrics 53:567) gives for clustered data: images of one patient are not independent. Where
every patient has one image the two are the same.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.evaluation import Interval, auc

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int64]

_Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class AucDifference:
    """The AUCs, and B's less A's with its 95 % interval and two-sided p-value (normal approximation)."""

    a: float
    b: float
    difference: Interval
    p_value: float


def auc_difference(labels: Labels, a: Floats, b: Floats, patients: Sequence[str]) -> AucDifference:
    """Compare two AUCs on the same images, images of one patient in one cluster.

    NaN for what is not defined: the AUC without both labels, the interval with fewer than two patients of either.
    """
    value = auc(labels, b) - auc(labels, a)
    variance = _clustered_variance(labels, a, b, patients)
    spread = math.sqrt(variance) if variance >= 0 else math.nan
    if spread > 0:
        p_value = math.erfc(abs(value) / spread / math.sqrt(2))
    else:
        p_value = 1.0 if spread == 0 and value == 0 else math.nan
    return AucDifference(
        a=auc(labels, a),
        b=auc(labels, b),
        difference=Interval(value, value - _Z95 * spread, value + _Z95 * spread),
        p_value=p_value,
    )


def _clustered_variance(labels: Labels, a: Floats, b: Floats, patients: Sequence[str]) -> float:
    """Obuchowski 1997, equations 4 to 6, for the difference: its structural components are the differences."""
    positive = labels == 1
    if not positive.any() or positive.all():
        return math.nan
    (ten_a, one_a), (ten_b, one_b) = (_components(positive, scores) for scores in (a, b))
    ten, one = ten_b - ten_a, one_b - one_a
    _, cluster = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    m, x = _cluster_sums(cluster, positive, ten)
    n, y = _cluster_sums(cluster, ~positive, one)
    theta, clusters = float(ten.mean()), len(m)
    with_positive, with_negative = int((m > 0).sum()), int((n > 0).sum())
    if min(with_positive, with_negative) < 2:  # noqa: PLR2004 (a variance takes two)
        return math.nan
    x, y = x - m * theta, y - n * theta
    s10 = with_positive / (with_positive - 1) * float(x @ x) / m.sum()
    s01 = with_negative / (with_negative - 1) * float(y @ y) / n.sum()
    s11 = clusters / (clusters - 1) * float(x @ y)
    return float(max(s10 / m.sum() + s01 / n.sum() + 2 * s11 / (m.sum() * n.sum()), 0.0))


def _components(positive: Flags, scores: Floats) -> tuple[Floats, Floats]:
    """Structural components of an AUC by ranks (Sun and Xu 2014): one a positive image, one a negative image."""
    every = _midranks(scores)
    m, n = int(positive.sum()), int((~positive).sum())
    ten = (every[positive] - _midranks(scores[positive])) / n
    one = 1.0 - (every[~positive] - _midranks(scores[~positive])) / m
    return ten, one


def _midranks(values: Floats) -> Floats:
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2.0)[index], np.float64)


def _cluster_sums(cluster: npt.NDArray[np.intp], chosen: Flags, values: Floats) -> tuple[Floats, Floats]:
    """Count the chosen images of each cluster, and add up their values."""
    size = int(cluster.max()) + 1
    counts, sums = (np.bincount(cluster[chosen], weights, minlength=size) for weights in (np.ones_like(values), values))
    return np.asarray(counts, np.float64), np.asarray(sums, np.float64)
