"""Two models on the same images: do they agree, how do their probabilities differ, and which one is right more often.

NumPy only. Images of one patient are not independent: intervals are a 95 % percentile bootstrap over patients, and that
of the difference of AUCs knows of patients too (`model.paired_auc`).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.errors import DatasetError
from model.evaluation import REPLICATES, Interval, bootstrap
from model.paired_auc import AucDifference, auc_difference

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int64]

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """What models A and B said of n images: calibrated probabilities [n], whether each flags [n], and whose image [n].

    Raises DatasetError for lengths that differ or no image at all.
    """

    a: Floats
    b: Floats
    flagged_a: Flags
    flagged_b: Flags
    patients: Sequence[str]

    def __post_init__(self) -> None:
        """Refuse what is not paired."""
        lengths = {len(part) for part in (self.a, self.b, self.flagged_a, self.flagged_b, self.patients)}
        if len(lengths) != 1 or lengths == {0}:
            msg = f"expected at least one image, with all of its values. Received: lengths={sorted(lengths)}"
            raise DatasetError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Where both flag, only one, neither; the share on which they agree, and Cohen's kappa (1960; NaN where undefined).

    Intervals are 95 % percentile bootstrap over patients.
    """

    both: int
    only_a: int
    only_b: int
    neither: int
    share: Interval
    kappa: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How B's probabilities lie against A's: quantiles and mean of B less A, and the distance of the distributions.

    `kolmogorov_smirnov` is the largest distance of the two cumulative distributions, without a p-value: that of the
    two-sample test holds for independent samples, and these are of the same images.
    """

    quantiles: tuple[tuple[float, float], ...]
    mean: Interval
    mean_absolute: float
    kolmogorov_smirnov: float
    correlation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemar:
    """The images on which exactly one model is right, and the exact two-sided binomial p-value (McNemar 1947).

    Counts images as independent. `difference` is B's rate less A's, with a 95 % bootstrap interval over patients.
    """

    only_a_right: int
    only_b_right: int
    p_value: float
    difference: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """Both models against labels; each of the three McNemar tests on its own part of the images."""

    positives: int
    accuracy: McNemar
    sensitivity: McNemar
    specificity: McNemar
    auc: AucDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two models on the same images. `labelled` is None without labels: then nothing says which of them is right."""

    images: int
    patients: int
    agreement: Agreement
    shift: Shift
    labelled: Against | None


def compare(pairs: Pairs, labels: Labels | None = None, *, replicates: int = REPLICATES, seed: int = 0) -> Comparison:
    """Compare two models on the same images; with labels 0/1 [n], where there are any, also against the truth."""
    if labels is not None and len(labels) != len(pairs.a):
        msg = f"expected a label for each of {len(pairs.a)} images. Received: {len(labels)}"
        raise DatasetError(msg)
    return Comparison(
        images=len(pairs.a),
        patients=len(set(pairs.patients)),
        agreement=agreement(pairs, replicates=replicates, seed=seed),
        shift=shift(pairs, replicates=replicates, seed=seed),
        labelled=None if labels is None else _against(pairs, labels, replicates, seed),
    )


def agreement(pairs: Pairs, *, replicates: int = REPLICATES, seed: int = 0) -> Agreement:
    """Count how often two models agree, and how far that goes beyond chance."""
    a, b = pairs.flagged_a, pairs.flagged_b
    found = bootstrap(pairs.patients, lambda w: _agreement(a, b, w), replicates=replicates, seed=seed)
    return Agreement(
        both=int((a & b).sum()),
        only_a=int((a & ~b).sum()),
        only_b=int((~a & b).sum()),
        neither=int((~a & ~b).sum()),
        share=found["share"],
        kappa=found["kappa"],
    )


def _agreement(a: Flags, b: Flags, weights: Floats) -> dict[str, float]:
    total = float(weights.sum())
    share = float(weights @ (a == b)) / total
    flagged_a, flagged_b = float(weights @ a) / total, float(weights @ b) / total
    chance = flagged_a * flagged_b + (1 - flagged_a) * (1 - flagged_b)
    return {"share": share, "kappa": (share - chance) / (1 - chance) if chance < 1 else math.nan}


def shift(pairs: Pairs, *, replicates: int = REPLICATES, seed: int = 0) -> Shift:
    """Describe how the probabilities of two models differ on the same images."""
    gap = pairs.b - pairs.a
    means = bootstrap(
        pairs.patients, lambda w: {"mean": float(w @ gap) / float(w.sum())}, replicates=replicates, seed=seed
    )
    varies = len(gap) > 1 and float(np.ptp(pairs.a)) > 0 and float(np.ptp(pairs.b)) > 0
    return Shift(
        quantiles=tuple((q, float(np.quantile(gap, q))) for q in QUANTILES),
        mean=means["mean"],
        mean_absolute=float(np.abs(gap).mean()),
        kolmogorov_smirnov=kolmogorov_smirnov(pairs.a, pairs.b),
        correlation=float(np.corrcoef(pairs.a, pairs.b)[0, 1]) if varies else math.nan,
    )


def kolmogorov_smirnov(a: Floats, b: Floats) -> float:
    """Return the largest distance between the cumulative distributions of two samples."""
    at = np.concatenate([a, b])
    below = [np.searchsorted(np.sort(part), at, side="right") / len(part) for part in (a, b)]
    return float(np.abs(below[0] - below[1]).max())


def _against(pairs: Pairs, labels: Labels, replicates: int, seed: int) -> Against:
    truth = labels == 1
    right_a, right_b = pairs.flagged_a == truth, pairs.flagged_b == truth

    def test(part: Flags) -> McNemar:
        return _mcnemar(
            right_a, right_b, part, pairs.patients, lambda p, m: bootstrap(p, m, replicates=replicates, seed=seed)
        )

    return Against(
        positives=int(truth.sum()),
        accuracy=test(np.ones_like(truth)),
        sensitivity=test(truth),
        specificity=test(~truth),
        auc=auc_difference(labels, pairs.a, pairs.b, pairs.patients),
    )


Resample = Callable[[Sequence[str], Callable[[Floats], dict[str, float]]], dict[str, Interval]]


def _mcnemar(right_a: Flags, right_b: Flags, part: Flags, patients: Sequence[str], resample: Resample) -> McNemar:
    gap = right_b[part].astype(np.float64) - right_a[part].astype(np.float64)
    only_a, only_b = int((gap < 0).sum()), int((gap > 0).sum())
    whose = [patient for patient, chosen in zip(patients, part, strict=True) if chosen]
    nothing = Interval(math.nan, math.nan, math.nan)
    found = resample(whose, lambda w: {"gap": float(w @ gap) / float(w.sum())})["gap"] if whose else nothing
    return McNemar(only_a_right=only_a, only_b_right=only_b, p_value=mcnemar_exact(only_a, only_b), difference=found)


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Return the exact two-sided p-value of McNemar's test: twice the smaller binomial tail at 1/2, at most 1.

    Exact to rounding for any counts: the tail is summed in whole numbers.
    """
    discordant, tail, term = only_a + only_b, 0, 1
    for successes in range(min(only_a, only_b) + 1):
        tail += term
        term = term * (discordant - successes) // (successes + 1)
    return min(1.0, 2 * tail / (1 << discordant))
