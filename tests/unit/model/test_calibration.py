"""Calibration recovers what made the labels; the threshold reaches the sensitivity that was asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.calibration import Calibration, choose_threshold, fit_calibration
from model.errors import CardError, DatasetError


def test_platt_scaling_recovers_slope_and_intercept() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, 40_000)
    labels = (rng.random(40_000) < 1 / (1 + np.exp(-(0.5 * logits + 0.8)))).astype(np.int64)
    found = fit_calibration(logits, labels)
    assert found.slope == pytest.approx(0.5, abs=0.02)
    assert found.intercept == pytest.approx(0.8, abs=0.05)


def test_calibrated_probabilities_have_the_prevalence_as_mean() -> None:
    rng = np.random.default_rng(1)
    labels = (rng.random(500) < 0.7).astype(np.int64)
    logits = rng.normal(0, 1, 500) + 2 * labels
    assert fit_calibration(logits, labels).probability(logits).mean() == pytest.approx(labels.mean(), abs=1e-4)


def test_perfectly_separated_scores_still_give_a_finite_calibration() -> None:
    found = fit_calibration([-2.0, -1.0, 1.0, 2.0], np.array([0, 0, 1, 1]))
    assert np.isfinite([found.slope, found.intercept]).all()


def test_probabilities_stay_in_order_and_in_0_to_1_at_any_logit() -> None:
    p = Calibration(1.3, -0.2).probability([-1e9, -3.0, 0.0, 3.0, 1e9])
    assert (np.diff(p) > 0).all()
    assert p.min() >= 0.0
    assert p.max() <= 1.0
    assert Calibration(1.0, 0.0).probability(0.0) == 0.5


def test_scores_that_do_not_rise_with_the_label_are_refused_with_what_to_do() -> None:
    with pytest.raises(DatasetError, match="train for more epochs or on more images"):
        fit_calibration(np.array((2.0, 1.0, -1.0, -2.0)), np.array((0, 0, 1, 1)))


@pytest.mark.parametrize("slope", [0.0, -1.0, float("nan"), float("inf")])
def test_a_calibration_that_turns_the_order_around_is_refused(slope: float) -> None:
    with pytest.raises(CardError, match="expected a positive slope"):
        Calibration(slope, 0.0)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=3, max_size=60).filter(lambda s: any(y for _, y in s)),
    st.floats(0.01, 1.0),
)
def test_the_threshold_is_the_highest_that_reaches_the_sensitivity(
    scored: list[tuple[float, bool]], sensitivity: float
) -> None:
    p, y = np.array([s for s, _ in scored]), np.array([int(label) for _, label in scored])
    threshold = choose_threshold(p, y, sensitivity)
    assert (p[y == 1] >= threshold).mean() >= sensitivity - 1e-9
    above = np.nextafter(threshold, 2)
    assert (p[y == 1] >= above).mean() < sensitivity


def test_a_threshold_by_hand() -> None:
    p, y = np.array([0.1, 0.2, 0.3, 0.4, 0.99]), np.array([1, 1, 1, 1, 0])
    assert choose_threshold(p, y, 0.75) == 0.2
    assert choose_threshold(p, y, 1.0) == 0.1
