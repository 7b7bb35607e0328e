"""What the card says of subgroups, reliability, histograms and averaging follows from the out-of-fold scores alone."""

import csv
from pathlib import Path

import numpy as np
import pytest

from model import ensemble_check, findings
from model.calibration import Calibration, fit_calibration
from model.crossvalidation import CrossValidation
from model.dataset import LABELS, Sample
from model.errors import DatasetError
from model.evaluation import auc, ece
from model.input_statistics import BINS, CONTRAST, LOGIT, MEAN_GRAY, SHARPNESS, describe

PLAIN = Calibration(1.0, 0.0)


@pytest.fixture
def run() -> CrossValidation:
    """Sixty images, 30 of them of ten ill patients; a logit that is right most of the time."""
    rng = np.random.default_rng(0)
    ill = [
        Sample(Path(f"person{n // 3}_{cause}_{n}.jpeg"), 1, f"person{n // 3}")
        for n, cause in enumerate(["bacteria", "virus", "virus"] * 10)
    ]
    well = [Sample(Path(f"{'NORMAL2-' if n % 2 else ''}IM-{n:04d}-0001.jpeg"), 0, f"IM-{n:04d}") for n in range(30)]
    samples = (*well, *ill)
    labels = np.array([sample.label for sample in samples])
    logits = (4.0 * labels - 2.0 + rng.normal(0, 2.5, 60)).astype(np.float32)
    folds = np.arange(60) % 3
    return CrossValidation(None, samples, folds, ({}, {}, {}), logits, ())  # type: ignore[arg-type] # nothing is scored


def test_an_operating_point_keeps_the_sensitivity_it_was_chosen_for(run: CrossValidation) -> None:
    for wanted in (0.5, 0.9, 0.97):
        point = findings.operating_point(run, PLAIN, wanted)
        flagged = PLAIN.probability(run.logits) >= point.threshold
        assert point.sensitivity == flagged[run.labels == 1].mean() >= wanted
        assert point.specificity == (~flagged[run.labels == 0]).mean()
        assert point.sensitivity_interval[0] <= point.sensitivity <= point.sensitivity_interval[1]


def test_subgroups_are_what_file_names_and_patients_tell(run: CrossValidation) -> None:
    probabilities = PLAIN.probability(run.logits)
    found = {group.name: group for group in findings.subgroups(run, probabilities, 0.5)}
    assert {name: (g.images, g.patients) for name, g in found.items()} == {
        "NORMAL, named IM-": (15, 15),
        "NORMAL, named NORMAL2-IM-": (15, 15),
        "NORMAL, the patient's only image": (30, 30),
        "PNEUMONIA, bacteria": (10, 10),
        "PNEUMONIA, virus": (20, 10),
        "PNEUMONIA, one of several of the patient": (30, 10),
    }
    virus = np.array(["virus" in sample.path.name for sample in run.samples])
    group = found["PNEUMONIA, virus"]
    assert group.rate == "sensitivity"
    assert group.value.value == (probabilities[virus] >= 0.5).mean()
    against = virus | (run.labels == 0)
    assert group.auc.value == auc(run.labels[against], run.logits[against])
    assert found["NORMAL, named IM-"].rate == "specificity"


def test_reliability_bins_sum_to_the_calibration_error(run: CrossValidation) -> None:
    probabilities = PLAIN.probability(run.logits)
    bins = findings.reliability(run, probabilities)
    assert sum(b.images for b in bins) == 60
    gap = sum(b.images * abs(b.mean_probability - b.share_positive) for b in bins) / 60
    assert gap == pytest.approx(ece(run.labels, probabilities, np.ones(60)))
    assert all(b.low <= b.mean_probability <= b.high for b in bins)


def test_every_image_is_in_the_histograms_of_all_and_of_its_label(run: CrossValidation) -> None:
    squares = np.random.default_rng(0).integers(0, 256, (60, 156, 156)).astype(np.uint8)
    found = findings.reference(run, squares, PLAIN)
    assert {h.quantity for h in found} == {"mean gray", "contrast", "sharpness", "logit", "probability"}
    for quantity in {h.quantity for h in found}:
        counts = {h.group: np.array(h.counts) for h in found if h.quantity == quantity}
        assert counts["all"].sum() == 60
        assert (counts["NORMAL"] + counts["PNEUMONIA"] == counts["all"]).all()


def test_values_beyond_the_ends_count_at_the_ends() -> None:
    found = LOGIT.histogram([-99.0, LOGIT.low, 99.0, LOGIT.high], "all").counts
    assert (found[0], found[-1], sum(found), len(found)) == (2, 2, 4, BINS)


def test_input_statistics_by_hand() -> None:
    stripes = np.zeros((1, 156, 156), np.uint8)
    stripes[:, :, ::2] = 8
    found = describe(stripes)
    assert (found[MEAN_GRAY][0], found[CONTRAST][0], found[SHARPNESS][0]) == pytest.approx((4.0, 4.0, 4.0))


def _write(run: CrossValidation, folder: Path, logits: np.ndarray) -> Path:
    with (folder / ensemble_check.OUT_OF_FOLD).open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("file", "label", "patient", "fold", "logit", "probability"))
        for sample, fold, logit in zip(run.samples, run.folds, logits, strict=True):
            writer.writerow((f"{LABELS[sample.label]}/{sample.path.name}", "", "", fold, logit, ""))
    return folder


def test_averaging_with_a_twin_changes_nothing(run: CrossValidation, tmp_path: Path) -> None:
    calibration = fit_calibration(run.logits, run.labels)
    found = ensemble_check.pair(run, _write(run, tmp_path, run.logits), calibration, 0.5)
    assert found.deviation == pytest.approx(0.0, abs=1e-4)
    assert found.slope == pytest.approx(1.0, abs=1e-4)
    assert (found.auc_single, found.sensitivity_single) == (found.auc_averaged, found.sensitivity_averaged)


def test_averaging_networks_that_err_apart_makes_scores_better_and_too_cautious(
    run: CrossValidation, tmp_path: Path
) -> None:
    logits = 4.0 * run.labels - 2.0 + np.random.default_rng(7).normal(0, 2.5, 60)
    calibration = fit_calibration(run.logits, run.labels)
    found = ensemble_check.pair(run, _write(run, tmp_path, logits), calibration, 0.5)
    assert found.auc_averaged > found.auc_single
    assert found.slope > 1.2
    assert found.averaged == 2


def test_a_run_over_other_folds_is_refused(run: CrossValidation, tmp_path: Path) -> None:
    other = CrossValidation(run.predictor, run.samples, (run.folds + 1) % 3, run.members, run.logits, ())
    with pytest.raises(DatasetError, match="same images and folds"):
        ensemble_check.pair(run, _write(other, tmp_path, run.logits), PLAIN, 0.5)
