"""From a logit to a probability (Platt scaling), and from a wanted sensitivity to a threshold. NumPy only."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.errors import CardError, DatasetError

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

_NEWTON_STEPS = 50
_RIDGE = 1e-6  # keeps the solution finite where the classes separate perfectly


@dataclass(frozen=True, slots=True)
class Calibration:
    """probability = sigmoid(slope * logit + intercept); valid at the prevalence it was fitted at."""

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        """Refuse a calibration that would turn the order of the scores around or is not finite."""
        if not (0.0 < self.slope < np.inf and np.isfinite(self.intercept)):
            msg = f"expected a positive slope and a finite intercept. Received: {self.slope}, {self.intercept}"
            raise CardError(msg)

    def probability(self, logits: npt.ArrayLike) -> Floats:
        """Calibrated probabilities of logits of any shape."""
        z = np.clip(self.slope * np.asarray(logits, np.float64) + self.intercept, -60.0, 60.0)
        return np.asarray(1.0 / (1.0 + np.exp(-z)))


def fit_calibration(logits: npt.ArrayLike, labels: Labels) -> Calibration:
    """Fit slope and intercept by maximum likelihood (Platt 1999; Newton's method) on logits [n] and labels 0/1 [n].

    Raises:
        DatasetError: the logits do not rise with the labels, so that no probability can be made of them.

    """
    z = np.asarray(logits, np.float64)
    design = np.stack([z, np.ones_like(z)], axis=1)
    solution = np.zeros(2)
    for _ in range(_NEWTON_STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ solution, -60.0, 60.0)))
        gradient = design.T @ (p - labels) + _RIDGE * solution
        hessian = (design * (p * (1.0 - p))[:, np.newaxis]).T @ design + _RIDGE * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        solution -= step * min(1.0, 5.0 / (np.abs(step).max() + 1e-12))
        if np.abs(step).max() < 1e-10:  # noqa: PLR2004 (converged to rounding)
            break
    if not solution[0] > 0.0:
        msg = (
            f"expected scores of unseen patients that rise with the label. Received: slope={solution[0]:.3g} over "
            f"{len(z)} images; train for more epochs or on more images"
        )
        raise DatasetError(msg)
    return Calibration(float(solution[0]), float(solution[1]))


def choose_threshold(probabilities: Floats, labels: Labels, sensitivity: float) -> float:
    """Find the highest threshold at which `sensitivity` of the positives are flagged (probability >= threshold).

    Args:
        probabilities: [n].
        labels: 0/1 [n], with at least one positive.
        sensitivity: wanted share of the positives, in (0, 1].

    """
    positives = np.sort(probabilities[labels == 1])[::-1]
    needed = int(np.ceil(sensitivity * len(positives) - 1e-9))
    return float(positives[max(needed, 1) - 1])
