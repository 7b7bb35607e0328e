"""Whether it matters that the mean of members ships, while threshold and calibration come from single members' scores.

The mean of members that err independently spreads less. In a cross-validation each image is new to one member only, so
the mean on new images cannot be seen in it. Two ways around that, both stated in the card: an estimate from how far
members differ on images, and the mean of two runs' scores where both have the same folds, which is new to both.
"""

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model import weights
from model.calibration import Calibration, fit_calibration
from model.card_facts import EnsembleCheck
from model.crossvalidation import CrossValidation
from model.dataset import LABELS
from model.errors import DatasetError
from model.evaluation import auc, ece

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Gray = npt.NDArray[np.uint8]

OUT_OF_FOLD = "out_of_fold.csv"
_COMPARED = 900  # images; enough for a standard deviation


def estimate(run: CrossValidation, squares: Gray, calibration: Calibration, threshold: float) -> EnsembleCheck:
    """Draw each class's log-odds in towards its mean, by as much as averaging members that differ so would.

    Their difference is taken from pairs of members on images that both were trained on, where they agree more than on
    new ones: the effect is underestimated, not overestimated.
    """
    log_odds = _log_odds(run.logits, calibration)
    variance = np.zeros(2)
    pairs = _seen_by_both(run, squares)
    for label in (0, 1):
        differences = calibration.slope * np.concatenate([(a - b)[of == label] for a, b, of in pairs])
        variance[label] = np.mean(differences**2) / 2 if len(differences) else 0.0
    averaged = log_odds.copy()
    for label in (0, 1):
        inside = run.labels == label
        spread = max(float(log_odds[inside].var()), 1e-9)
        left = max(1.0 - variance[label] * (1 - 1 / run.fold_count) / spread, 0.0)
        averaged[inside] = log_odds[inside].mean() + np.sqrt(left) * (log_odds[inside] - log_odds[inside].mean())
    basis = (
        "estimate: the out-of-fold log-odds of each class drawn in as the mean of members would, which differ as the "
        "members do on images that they were trained on (a lower bound)"
    )
    deviation = float(np.sqrt(variance.mean()))
    return _compare(basis, run.labels, log_odds, averaged, run.fold_count, deviation, threshold)


def _seen_by_both(run: CrossValidation, squares: Gray) -> list[tuple[Floats, Floats, Labels]]:
    """Logits of pairs of members on images that both were trained on, some of them at random, and the labels."""
    logits = []
    chosen = np.random.default_rng(0).permutation(len(squares))[:_COMPARED]
    for member in run.members:
        weights.assign(run.predictor.network, member)
        logits.append(run.predictor.logits(squares[chosen]).astype(np.float64))
    pairs = [(a, b) for a in range(run.fold_count) for b in range(a)]
    found = []
    for a, b in pairs:
        both = (run.folds[chosen] != a) & (run.folds[chosen] != b)
        found.append((logits[a][both], logits[b][both], run.labels[chosen][both]))
    return found


def pair(run: CrossValidation, other: Path, calibration: Calibration, threshold: float) -> EnsembleCheck:
    """Average with the scores of another run over the same folds: each image is new to both networks.

    Args:
        run: this run.
        other: the folder of the other; its `out_of_fold.csv` is read.
        calibration: of this run; the other's scores get their own.
        threshold: of this run, a probability.

    Raises:
        DatasetError: the other run had other images or other folds.

    """
    with (other / OUT_OF_FOLD).open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    names = [f"{LABELS[sample.label]}/{sample.path.name}" for sample in run.samples]
    folds = [int(row["fold"]) for row in rows]
    if [row["file"] for row in rows] != names or folds != run.folds.tolist():
        msg = f"expected a run over the same images and folds. Received: {other}"
        raise DatasetError(msg)
    logits = np.array([float(row["logit"]) for row in rows])
    mine, theirs = _log_odds(run.logits, calibration), _log_odds(logits, fit_calibration(logits, run.labels))
    deviation = float(np.sqrt(np.mean((mine - theirs) ** 2) / 2))
    basis = "measured: the mean with the out-of-fold log-odds of another run over the same folds, both new to the image"
    return _compare(basis, run.labels, mine, (mine + theirs) / 2, 2, deviation, threshold)


def _log_odds(logits: npt.ArrayLike, calibration: Calibration) -> Floats:
    return np.asarray(calibration.slope * np.asarray(logits, np.float64) + calibration.intercept)


def _compare(
    basis: str, labels: Labels, single: Floats, averaged: Floats, members: int, deviation: float, threshold: float
) -> EnsembleCheck:
    one, mean = (1.0 / (1.0 + np.exp(-np.clip(part, -60, 60))) for part in (single, averaged))
    ill, even = labels == 1, np.ones(len(labels))
    return EnsembleCheck(
        basis=basis,
        images=len(labels),
        averaged=members,
        deviation=deviation,
        slope=fit_calibration(averaged, labels).slope,
        auc_single=auc(labels, single),
        auc_averaged=auc(labels, averaged),
        sensitivity_single=float((one[ill] >= threshold).mean()),
        sensitivity_averaged=float((mean[ill] >= threshold).mean()),
        specificity_single=float((one[~ill] < threshold).mean()),
        specificity_averaged=float((mean[~ill] < threshold).mean()),
        ece_single=ece(labels, one, even),
        ece_averaged=ece(labels, mean, even),
    )
