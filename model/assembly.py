"""From a cross-validation to what ships: one weights file, its card, and the out-of-fold scores.

Everything chosen here (calibration, threshold) is chosen on out-of-fold logits only. What the card reports as
`out_of_fold` goes one step further: each fold is judged with the calibration and threshold chosen on the other folds.
"""

import csv
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model import card_texts, ensemble_check, expense, explanation, findings, heat_map_check, weights, zoo
from model.calibration import Calibration, choose_threshold, fit_calibration
from model.card import PNEUMONIA, ModelCard, OperatingPoint, write_card
from model.card_facts import EnsembleCheck, MapGeometry, TrainingRun
from model.crossvalidation import CrossValidation, Settings
from model.dataset import LABELS, load_gray
from model.evaluation import measure
from model.preprocess import DESCRIPTION, INPUT_SHAPE, to_gray_square
from model.stress import STRESSES

Floats = npt.NDArray[np.float64]
Gray = npt.NDArray[np.uint8]

HEAT_MAPS_CHECKED = 90


def assemble(
    run: CrossValidation,
    out: Path,
    settings: Settings,
    *,
    version: str,
    data: str,
    prediction: str = card_texts.PREDICTION,
    other_run: Path | None = None,
) -> ModelCard:
    """Write `<name>.npz`, `<name>.json` and `out_of_fold.csv` to `out`; the first two are what the zoo folder takes.

    Args:
        run: the cross-validation.
        out: an existing folder.
        settings: those of the run.
        version: of the model, for the card.
        data: what the run was trained on, in words, for the card.
        prediction: what is expected of data that nobody has scored yet, in words, for the card.
        other_run: the folder of a finished run over the same images and folds, to see what averaging does to scores.

    Raises:
        DatasetError: the other run had other images or other folds.

    """
    squares = load_gray(run.samples, lambda frame, _: to_gray_square(frame))
    calibration = fit_calibration(run.logits, run.labels)
    point = findings.operating_point(run, calibration, settings.sensitivity)
    ensemble = _ensemble(run, squares, calibration, point, other_run)
    probabilities, thresholds = _cross_fitted(run, settings.sensitivity)
    card = ModelCard(
        name=settings.name,
        version=version,
        sha256=weights.save(out / f"{settings.name}.npz", run.members),
        architecture=zoo.architecture(settings.name).summary,
        members=len(run.members),
        label="pneumonia",
        finding=PNEUMONIA,
        input_shape=INPUT_SHAPE,
        preprocessing=DESCRIPTION,
        map_geometry=MapGeometry(first=explanation.FIRST, step=explanation.STEP),
        intended_use=card_texts.INTENDED_USE,
        not_intended=card_texts.NOT_INTENDED,
        operating_point=point,
        calibration=calibration,
        age_range_years=card_texts.AGE_RANGE_YEARS,
        prevalence=float(run.labels.mean()),
        training=_training(run, settings, data),
        out_of_fold=measure(run.labels, probabilities, run.patients, thresholds),
        operating_points=tuple(findings.operating_point(run, calibration, s) for s in findings.SENSITIVITIES),
        reliability=findings.reliability(run, probabilities),
        subgroups=findings.subgroups(run, probabilities, thresholds),
        conditions=(
            findings.unchanged(run, point),
            *(findings.condition(run, stress, calibration, point) for stress in STRESSES),
        ),
        confounds=card_texts.CONFOUNDS,
        flips=findings.flips(run, squares),
        ensemble=ensemble,
        heat_maps=heat_map_check.check(run, squares, _logit_of(point.threshold, calibration), HEAT_MAPS_CHECKED),
        reference=findings.reference(run, squares, calibration),
        prediction=prediction,
        caveats=card_texts.CAVEATS,
    )
    write_card(card, out / f"{settings.name}.json")
    _write_scores(run, calibration, out / ensemble_check.OUT_OF_FOLD)
    return card


def _logit_of(threshold: float, calibration: Calibration) -> float:
    """Find the logit whose calibrated probability is the threshold."""
    return float((np.log(threshold / (1.0 - threshold)) - calibration.intercept) / calibration.slope)


def _ensemble(
    run: CrossValidation, squares: Gray, calibration: Calibration, point: OperatingPoint, other: Path | None
) -> tuple[EnsembleCheck, ...]:
    estimated = ensemble_check.estimate(run, squares, calibration, point.threshold)
    if other is None:
        return (estimated,)
    return estimated, ensemble_check.pair(run, other, calibration, point.threshold)


def _cross_fitted(run: CrossValidation, sensitivity: float) -> tuple[Floats, Floats]:
    """Probability and threshold of each image by the calibration and the threshold chosen on the other folds."""
    probabilities, thresholds = np.zeros(len(run.labels)), np.zeros(len(run.labels))
    for fold in range(run.fold_count):
        inside = run.folds == fold
        calibration = fit_calibration(run.logits[~inside], run.labels[~inside])
        others = calibration.probability(run.logits[~inside])
        probabilities[inside] = calibration.probability(run.logits[inside])
        thresholds[inside] = choose_threshold(others, run.labels[~inside], sensitivity)
    return probabilities, thresholds


def _training(run: CrossValidation, settings: Settings, data: str) -> TrainingRun:
    machines = [fitted.machine for fitted in run.fitted]
    return TrainingRun(
        data=data,
        images=len(run.labels),
        patients=len(set(run.patients)),
        folds=run.fold_count,
        seed=settings.recipe.seed,
        epochs=settings.recipe.epochs,
        minutes=round(sum(fitted.seconds for fitted in run.fitted) / 60, 1),
        processor="; ".join(dict.fromkeys(machine.processor for machine in machines)),
        cores=max(machine.cores for machine in machines),
        kilowatt_hours=round(sum(map(expense.kilowatt_hours, run.fitted)), 4),
        energy_assumption=expense.ASSUMPTION,
        software=dict(pair for machine in machines for pair in machine.software.items()),
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
