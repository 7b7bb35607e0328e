"""What a cross-validation shows beyond its headline figures: subgroups, reliability, conditions, flips, histograms.

Everything is out of fold: each image is scored by the member that never saw its patient.
"""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from model.calibration import Calibration, choose_threshold
from model.card import OperatingPoint
from model.card_facts import Condition, FlipComparison, Histogram, ReliabilityBin, Subgroup
from model.crossvalidation import CrossValidation
from model.dataset import LABELS, Sample, load_gray
from model.evaluation import ECE_BINS, Interval, auc, bootstrap, measure
from model.input_statistics import LOGIT, PROBABILITY, Quantity, describe
from model.stress import Stress

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Gray = npt.NDArray[np.uint8]

SENSITIVITIES = (0.90, 0.95, 0.97, 0.98, 0.99, 0.995)
REPLICATES = 500


def operating_point(run: CrossValidation, calibration: Calibration, sensitivity: float) -> OperatingPoint:
    """Choose the threshold for a sensitivity on all out-of-fold probabilities, and state what it gives on them."""
    probabilities = calibration.probability(run.logits)
    threshold = choose_threshold(probabilities, run.labels, sensitivity)
    flagged, ill = probabilities >= threshold, run.labels == 1

    def shares(weights: Floats) -> dict[str, float]:
        return {"sensitivity": _mean(flagged[ill], weights[ill]), "specificity": _mean(~flagged[~ill], weights[~ill])}

    found = bootstrap(run.patients, shares, replicates=REPLICATES, seed=0)
    return OperatingPoint(
        name=f"sensitivity {sensitivity:.1%}",
        threshold=threshold,
        sensitivity=found["sensitivity"].value,
        sensitivity_interval=(found["sensitivity"].low, found["sensitivity"].high),
        specificity=found["specificity"].value,
        specificity_interval=(found["specificity"].low, found["specificity"].high),
        chosen_on=f"out-of-fold probabilities of {len(run.labels)} images of {len(set(run.patients))} patients, "
        f"{run.fold_count} folds",
    )


def _mean(values: Flags, weights: Floats) -> float:
    return float(weights @ values / weights.sum()) if weights.sum() else float("nan")


def unchanged(run: CrossValidation, point: OperatingPoint) -> Condition:
    """State what the other conditions are compared with."""
    return Condition(
        name="none",
        description="the images as they are",
        auc=auc(run.labels, run.logits),
        auc_drop=0.0,
        auc_drop_interval=(0.0, 0.0),
        sensitivity=point.sensitivity,
        specificity=point.specificity,
    )


def condition(run: CrossValidation, stress: Stress, calibration: Calibration, point: OperatingPoint) -> Condition:
    """Score every image, changed, by the member that never saw its patient."""
    logits = run.score(load_gray(run.samples, stress.convert))
    found = measure(run.labels, calibration.probability(logits), run.patients, point.threshold, replicates=0)
    drop = _gain(run, logits, run.logits)
    return Condition(
        name=stress.name,
        description=stress.description,
        auc=found.auc.value,
        auc_drop=drop.value,
        auc_drop_interval=(drop.low, drop.high),
        sensitivity=found.recall.value,
        specificity=found.specificity.value,
    )


def flips(run: CrossValidation, squares: Gray) -> FlipComparison:
    """Compare scores of squares uint8 [n, 156, 156] with their mean with those of the mirrored squares."""
    both = (run.logits + run.score(np.ascontiguousarray(squares[:, :, ::-1]))) / 2
    return FlipComparison(
        images=len(run.labels),
        auc_without=auc(run.labels, run.logits),
        auc_with=auc(run.labels, both),
        gain=_gain(run, run.logits, both),
        served=False,
    )


def _gain(run: CrossValidation, before: npt.ArrayLike, after: npt.ArrayLike) -> Interval:
    """AUC of `after` less AUC of `before`, paired, with its interval over patients."""

    def difference(weights: Floats) -> dict[str, float]:
        return {"gain": auc(run.labels, after, weights) - auc(run.labels, before, weights)}

    return bootstrap(run.patients, difference, replicates=REPLICATES, seed=0)["gain"]


def reliability(run: CrossValidation, probabilities: Floats) -> tuple[ReliabilityBin, ...]:
    """Fifteen bins of equal width, empty ones left out: those that the expected calibration error sums over."""
    bins = np.minimum((probabilities * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    return tuple(
        ReliabilityBin(
            low=int(number) / ECE_BINS,
            high=(int(number) + 1) / ECE_BINS,
            images=int((bins == number).sum()),
            mean_probability=float(probabilities[bins == number].mean()),
            share_positive=float(run.labels[bins == number].mean()),
        )
        for number in np.unique(bins)
    )


def groups(run: CrossValidation) -> Mapping[str, Flags]:
    """Tell the images of one label apart by what their file names and their patients say."""
    counts = Counter(run.patients)
    single = np.array([counts[patient] == 1 for patient in run.patients])
    found: dict[str, Flags] = {}
    for index, sample in enumerate(run.samples):
        found.setdefault(_named(sample), np.zeros(len(run.samples), np.bool_))[index] = True
    for label, name in enumerate(LABELS):
        found[f"{name}, the patient's only image"] = single & (run.labels == label)
        found[f"{name}, one of several of the patient"] = ~single & (run.labels == label)
    return {name: chosen for name, chosen in sorted(found.items()) if chosen.any()}


def _named(sample: Sample) -> str:
    name = sample.path.name
    if sample.label:
        return next((f"PNEUMONIA, {cause}" for cause in ("bacteria", "virus") if f"_{cause}_" in name), "PNEUMONIA")
    return "NORMAL, named NORMAL2-IM-" if name.startswith("NORMAL2-") else "NORMAL, named IM-"


def subgroups(run: CrossValidation, probabilities: Floats, thresholds: Floats | float) -> tuple[Subgroup, ...]:
    """Rates and AUC of each group of images; the AUC is against all images of the other label."""
    return tuple(_subgroup(run, name, chosen, probabilities, thresholds) for name, chosen in groups(run).items())


def _subgroup(
    run: CrossValidation, name: str, chosen: Flags, probabilities: Floats, thresholds: Floats | float
) -> Subgroup:
    label = int(run.labels[chosen][0])
    right = (probabilities >= thresholds) == (label == 1)
    compared = chosen | (run.labels != label)

    def rates(weights: Floats) -> dict[str, float]:
        return {
            "rate": _mean(right[chosen], weights[chosen]),
            "auc": auc(run.labels[compared], run.logits[compared], weights[compared]),
        }

    found = bootstrap(run.patients, rates, replicates=REPLICATES, seed=0)
    return Subgroup(
        name=name,
        label=LABELS[label],
        images=int(chosen.sum()),
        patients=len({patient for patient, inside in zip(run.patients, chosen, strict=True) if inside}),
        rate="sensitivity" if label else "specificity",
        value=found["rate"],
        auc=found["auc"],
    )


def reference(run: CrossValidation, squares: Gray, calibration: Calibration) -> tuple[Histogram, ...]:
    """Histograms of inputs and scores, of all images and of each label."""
    values: dict[Quantity, Floats] = {
        **describe(squares),
        LOGIT: run.logits.astype(np.float64),
        PROBABILITY: calibration.probability(run.logits),
    }
    chosen = {"all": run.labels >= 0, **{name: run.labels == label for label, name in enumerate(LABELS)}}
    return tuple(
        quantity.histogram(of[inside], group) for quantity, of in values.items() for group, inside in chosen.items()
    )
