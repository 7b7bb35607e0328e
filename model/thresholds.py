"""What other thresholds would give on the same images: the table of operating points. NumPy only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.calibration import choose_threshold
from model.evaluation import REPLICATES, Floats, Interval, Labels, bootstrap, widened

SENSITIVITIES = (0.90, 0.925, 0.95, 0.96, 0.97, 0.975, 0.98, 0.99)
SPECIFICITIES = (0.90, 0.95, 0.98)


@dataclass(frozen=True, slots=True, kw_only=True)
class PointOnCurve:
    """A threshold, what it was chosen for ("" for one that was given), and what it gives on these images.

    Chosen and measured on the same images it looks better than it will be on others: this is for orientation.
    """

    chosen_for: str
    threshold: float
    sensitivity: Interval
    specificity: Interval
    precision: Interval
    flagged: Interval


def points_on_curve(
    labels: Labels,
    probabilities: Floats,
    patients: Sequence[str],
    threshold: float,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> tuple[PointOnCurve, ...]:
    """Tabulate `threshold` first, then those for SENSITIVITIES and SPECIFICITIES; nothing where a class is absent."""
    if len(np.unique(labels)) < 2:  # noqa: PLR2004 (normal and pneumonia)
        return ()
    thresholds = [("", threshold)]
    thresholds += [(f"sensitivity {s:.1%}", choose_threshold(probabilities, labels, s)) for s in SENSITIVITIES]
    thresholds += [(f"specificity {s:.0%}", for_specificity(probabilities, labels, s)) for s in SPECIFICITIES]
    flags = np.array([probabilities >= at for _, at in thresholds])

    def measured(weights: Floats) -> dict[str, float]:
        with np.errstate(invalid="ignore"):  # a draw without one of the classes: undefined, left out of the interval
            true, all_flagged = flags @ (weights * labels), flags @ weights
            positives, everything = weights @ labels, weights.sum()
            rates = {
                "sensitivity": true / positives,
                "specificity": 1.0 - (all_flagged - true) / (everything - positives),
                "precision": true / all_flagged,
                "flagged": all_flagged / everything,
            }
        return {f"{name} {row}": float(value) for name, values in rates.items() for row, value in enumerate(values)}

    found = bootstrap(patients, measured, replicates=replicates, seed=seed)
    names = np.asarray(patients, dtype=str)
    counts = [len(np.unique(names[labels == label])) for label in (1, 0)]
    return tuple(
        PointOnCurve(
            chosen_for=chosen_for,
            threshold=at,
            sensitivity=widened(found[f"sensitivity {row}"], counts[0]),
            specificity=widened(found[f"specificity {row}"], counts[1]),
            precision=widened(found[f"precision {row}"], len(np.unique(names[flags[row]]))),
            flagged=widened(found[f"flagged {row}"], len(np.unique(names))),
        )
        for row, (chosen_for, at) in enumerate(thresholds)
    )


def for_specificity(probabilities: Floats, labels: Labels, specificity: float) -> float:
    """Find the lowest threshold at which `specificity` of the negatives are not flagged (probability < threshold)."""
    negatives = np.sort(probabilities[labels == 0])
    needed = int(np.ceil(specificity * len(negatives) - 1e-9))
    return float(np.nextafter(negatives[max(needed, 1) - 1], 2.0))
