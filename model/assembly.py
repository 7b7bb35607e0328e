"""From a cross-validation to what ships: one weights file, its card, and the out-of-fold scores.

Everything chosen here (calibration, threshold) is chosen on out-of-fold logits only. What the card reports as
`out_of_fold` goes one step further: each fold is judged with the calibration and threshold chosen on the other folds.
"""

import csv
from dataclasses import asdict
from importlib.metadata import version as installed_version
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model import weights, zoo
from model.calibration import Calibration, choose_threshold, fit_calibration
from model.card import PNEUMONIA, Condition, ModelCard, OperatingPoint, TrainingRun, write_card
from model.crossvalidation import CrossValidation, Settings
from model.dataset import LABELS, load_gray
from model.evaluation import Interval, Metrics, auc, measure
from model.preprocess import DESCRIPTION, INPUT_SHAPE
from model.stress import STRESSES, Stress

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

AGE_RANGE_YEARS = (1.0, 6.0)
CAVEATS = tuple(
    """\
A triage aid, not a diagnosis: it orders the worklist, a radiologist reads every image.
Only pneumonia is looked for. An image that is not flagged is not thereby normal.
Only frontal chest radiographs of children aged 1 to 5 years; a network trained alike was at chance on adults.
All training images come from one hospital; elsewhere the figures will differ. Validate on site data first.
Probabilities are calibrated at the training data's prevalence; where pneumonia is rarer, the same score means less.
The training originals differ between the classes in shape, size and exposure; the conditions show what is left of it.
Figures are out of fold, of single members; their mean, which ships, was not measured on images new to all of them.
""".splitlines()
)


def assemble(run: CrossValidation, out: Path, settings: Settings, *, version: str, data: str) -> ModelCard:
    """Write `<name>.npz`, `<name>.json` and `out_of_fold.csv` to `out`; the first two are what the zoo folder takes.

    Args:
        run: the cross-validation.
        out: an existing folder.
        settings: those of the run.
        version: of the model, for the card.
        data: what the run was trained on, in words, for the card.

    """
    calibration = fit_calibration(run.logits, run.labels)
    point = _operating_point(run, calibration, settings.sensitivity)
    digest = weights.save(out / f"{settings.name}.npz", run.members)
    card = ModelCard(
        name=settings.name,
        version=version,
        sha256=digest,
        architecture=zoo.architecture(settings.name).summary,
        members=len(run.members),
        label="pneumonia",
        finding=PNEUMONIA,
        input_shape=INPUT_SHAPE,
        preprocessing=DESCRIPTION,
        operating_point=point,
        calibration=calibration,
        age_range_years=AGE_RANGE_YEARS,
        prevalence=float(run.labels.mean()),
        training=_training(run, settings, data),
        out_of_fold=_cross_fitted(run, settings.sensitivity),
        conditions=(_unchanged(run, point), *(_condition(run, stress, calibration, point) for stress in STRESSES)),
        caveats=CAVEATS,
    )
    write_card(card, out / f"{settings.name}.json")
    _write_scores(run, calibration, out / "out_of_fold.csv")
    return card


def _operating_point(run: CrossValidation, calibration: Calibration, sensitivity: float) -> OperatingPoint:
    probabilities = calibration.probability(run.logits)
    threshold = choose_threshold(probabilities, run.labels, sensitivity)
    found = measure(run.labels, probabilities, run.patients, threshold)
    return OperatingPoint(
        name=f"sensitivity {sensitivity:.1%}",
        threshold=threshold,
        sensitivity=found.recall.value,
        sensitivity_interval=_bounds(found.recall),
        specificity=found.specificity.value,
        specificity_interval=_bounds(found.specificity),
        chosen_on=f"out-of-fold probabilities of {found.n} images of {found.patients} patients, {run.fold_count} folds",
    )


def _bounds(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


def _cross_fitted(run: CrossValidation, sensitivity: float) -> Metrics:
    """Judge each fold by the calibration and the threshold chosen on the others."""
    probabilities, thresholds = np.zeros(len(run.labels)), np.zeros(len(run.labels))
    for fold in range(run.fold_count):
        inside = run.folds == fold
        calibration = fit_calibration(run.logits[~inside], run.labels[~inside])
        others = calibration.probability(run.logits[~inside])
        probabilities[inside] = calibration.probability(run.logits[inside])
        thresholds[inside] = choose_threshold(others, run.labels[~inside], sensitivity)
    return measure(run.labels, probabilities, run.patients, thresholds)


def _unchanged(run: CrossValidation, point: OperatingPoint) -> Condition:
    """State what the other conditions are compared with."""
    return Condition(
        name="none",
        description="the images as they are",
        auc=auc(run.labels, run.logits),
        auc_drop=0.0,
        sensitivity=point.sensitivity,
        specificity=point.specificity,
    )


def _condition(run: CrossValidation, stress: Stress, calibration: Calibration, point: OperatingPoint) -> Condition:
    """Score every image, changed, by the member that never saw its patient."""
    logits = run.score(load_gray(run.samples, stress.convert))
    found = measure(run.labels, calibration.probability(logits), run.patients, point.threshold, replicates=0)
    return Condition(
        name=stress.name,
        description=stress.description,
        auc=found.auc.value,
        auc_drop=auc(run.labels, run.logits) - found.auc.value,
        sensitivity=found.recall.value,
        specificity=found.specificity.value,
    )


def _training(run: CrossValidation, settings: Settings, data: str) -> TrainingRun:
    return TrainingRun(
        data=data,
        images=len(run.labels),
        patients=len(set(run.patients)),
        folds=run.fold_count,
        seed=settings.recipe.seed,
        epochs=settings.recipe.epochs,
        minutes=round(run.seconds / 60, 1),
        tensorflow=installed_version("tensorflow"),
        settings=asdict(settings.recipe),
    )


def _write_scores(run: CrossValidation, calibration: Calibration, path: Path) -> None:
    probabilities = calibration.probability(run.logits)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("file", "label", "patient", "fold", "logit", "probability"))
        for index, sample in enumerate(run.samples):
            name = f"{LABELS[sample.label]}/{sample.path.name}"
            scores = f"{run.logits[index]:.5f}", f"{probabilities[index]:.6f}"
            writer.writerow((name, LABELS[sample.label], sample.patient, run.folds[index], *scores))
