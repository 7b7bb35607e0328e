"""Metrics against values worked out by hand."""

import math

import numpy as np
import pytest

from model.evaluation import Confusion, auc, bootstrap, brier, confusion, ece, measure, rates

LABELS = np.array([0, 0, 1, 1, 1])
PROBABILITIES = np.array([0.1, 0.6, 0.4, 0.7, 0.9])
ONES = np.ones(5)


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    # pairs (normal, pneumonia): 0.1 below all three; 0.6 below two of three -> 5 of 6
    assert auc(LABELS, PROBABILITIES) == pytest.approx(5 / 6)


def test_ties_count_half() -> None:
    assert auc(np.array([0, 1]), np.array([0.3, 0.3])) == 0.5
    assert auc(np.array([0, 0, 1]), np.array([0.3, 0.1, 0.3])) == 0.75


def test_a_weight_of_two_counts_an_image_twice() -> None:
    weights = np.array([1.0, 2.0, 1.0, 0.0, 3.0])
    repeated = np.repeat(np.arange(5), weights.astype(int))
    assert auc(LABELS, PROBABILITIES, weights) == pytest.approx(auc(LABELS[repeated], PROBABILITIES[repeated]))
    flagged = PROBABILITIES >= 0.5
    weighted = rates(LABELS, PROBABILITIES, flagged, weights)
    plain = rates(LABELS[repeated], PROBABILITIES[repeated], flagged[repeated], np.ones(len(repeated)))
    assert weighted == pytest.approx(plain)


def test_one_class_alone_has_no_auc() -> None:
    assert math.isnan(auc(np.array([1, 1]), np.array([0.2, 0.3])))
    assert math.isnan(auc(np.array([], dtype=np.int64), np.array([])))


def test_rates_at_a_threshold() -> None:
    found = rates(LABELS, PROBABILITIES, PROBABILITIES >= 0.5, ONES)  # tp 2 (0.7, 0.9), fn 1 (0.4), fp 1 (0.6), tn 1
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["specificity"] == pytest.approx(1 / 2)
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["f1"] == pytest.approx(2 / 3)


def test_brier_is_the_mean_squared_error() -> None:
    assert brier(LABELS, PROBABILITIES, ONES) == pytest.approx((0.01 + 0.36 + 0.36 + 0.09 + 0.01) / 5)


def test_ece_is_the_weighted_gap_over_15_bins() -> None:
    labels, probabilities = np.array([0, 1, 1, 1]), np.array([0.50, 0.52, 0.99, 1.0])
    # bin 7 (0.4667..0.5333): mean p 0.51, share 0.5; bin 14 (0.9333..1): mean p 0.995, share 1
    assert ece(labels, probabilities, np.ones(4)) == pytest.approx(0.5 * 0.01 + 0.5 * 0.005)


def test_ece_bins_are_a_fifteenth_wide() -> None:
    # 0.45 and 0.48 lie on two sides of 7/15: each misses by itself, neither makes up for the other
    assert ece(np.array([0, 1]), np.array([0.45, 0.48]), np.ones(2)) == pytest.approx(0.5 * 0.45 + 0.5 * 0.52)


def test_confusion_counts_by_label_and_flag() -> None:
    assert confusion(LABELS, PROBABILITIES >= 0.5) == Confusion(1, 1, 1, 2)


def test_measure_flags_at_the_threshold_itself_and_takes_one_an_image() -> None:
    patients = ["a", "b", "c", "d", "e"]
    assert measure(LABELS, PROBABILITIES, patients, 0.7, replicates=10).confusion == Confusion(2, 0, 1, 2)
    each = np.array([0.0, 1.0, 0.4, 0.4, 1.0])
    assert measure(LABELS, PROBABILITIES, patients, each, replicates=10).confusion == Confusion(1, 1, 1, 2)


def test_the_bootstrap_draws_patients_not_images() -> None:
    """Two patients, one always right, one always wrong: a draw is 0, 1/2 or 1, whatever the number of images."""
    patients = ["a"] * 50 + ["b"] * 50
    right = np.array([1.0] * 50 + [0.0] * 50)
    seen = set()

    def share(weights: np.ndarray) -> dict[str, float]:
        assert len(set(weights[:50])) == len(set(weights[50:])) == 1
        value = float(weights @ right / weights.sum())
        seen.add(value)
        return {"share": value}

    found = bootstrap(patients, share, replicates=50, seed=0)["share"]
    assert seen == {0.0, 0.5, 1.0}
    assert (found.value, found.low, found.high) == (0.5, 0.0, 1.0)


def test_intervals_hold_the_value_and_follow_the_seed() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    p = np.clip(0.5 + 0.3 * (labels - 0.5) + rng.normal(0, 0.2, 300), 0, 1)
    patients = [f"p{i // 2}" for i in range(300)]
    first, second = (measure(labels, p, patients, 0.5, replicates=100, seed=3) for _ in range(2))
    assert first == second
    assert first.auc.low < first.auc.value < first.auc.high
    assert first.patients == 150


def test_json_has_the_documented_keys_and_null_for_what_is_undefined() -> None:
    metrics = measure(np.array([1, 1]), np.array([0.8, 0.9]), ["a", "b"], 0.5, replicates=10).as_json()
    assert {"n", "auc", "precision", "recall", "specificity", "accuracy", "ece", "brier", "ci"} <= set(metrics)
    assert metrics["auc"] is None
    assert metrics["ci"]["specificity"] == [None, None]
    assert metrics["recall"] == 1.0
