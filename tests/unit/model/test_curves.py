"""The points of the plots and the table of thresholds, against values worked out by hand or counted one by one."""

import numpy as np
import pytest

from model.curves import average_precision, histogram, precision_recall, reliability, roc
from model.evaluation import Interval, auc, share, widened
from model.thresholds import SENSITIVITIES, for_specificity, points_on_curve

LABELS = np.array([0, 0, 1, 1, 1])
P = np.array([0.1, 0.6, 0.4, 0.7, 0.9])


@pytest.fixture
def many() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    return labels, np.round(np.clip(0.5 + 0.3 * (labels - 0.5) + rng.normal(0, 0.2, 400), 0, 1), 2)  # with ties


def test_the_roc_curve_runs_from_corner_to_corner() -> None:
    curve = roc(LABELS, P)
    assert curve.x.tolist() == [0, 0, 0, 0.5, 0.5, 1]
    assert curve.y == pytest.approx([0, 1 / 3, 2 / 3, 2 / 3, 1, 1])


def test_the_area_under_the_drawn_curve_is_the_auc(many: tuple[np.ndarray, np.ndarray]) -> None:
    curve = roc(*many)
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(auc(*many))


def test_precision_and_recall_at_every_threshold(many: tuple[np.ndarray, np.ndarray]) -> None:
    labels, p = many
    curve = precision_recall(labels, p)
    thresholds = np.unique(p)[::-1]
    assert curve.x == pytest.approx([np.mean(p[labels == 1] >= t) for t in thresholds])
    assert curve.y == pytest.approx([np.mean(labels[p >= t]) for t in thresholds])


def test_average_precision_by_hand() -> None:
    assert average_precision(LABELS, P) == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert np.isnan(average_precision(np.array([0]), np.array([0.2])))


def test_reliability_bins_hold_every_image_once(many: tuple[np.ndarray, np.ndarray]) -> None:
    labels, p = many
    bins = reliability(labels, p)
    assert sum(one.n for one in bins) == 400
    assert all(one.low <= one.observed <= one.high for one in bins)
    assert sum(one.n * one.observed for one in bins) == pytest.approx(labels.sum())
    (only,) = reliability(np.array([1]), np.array([1.0]))
    assert (only.n, only.predicted, only.observed, only.high) == (1, 1.0, 1.0, 1.0)
    assert only.low == pytest.approx(0.2065, abs=1e-4)  # Wilson's interval of 1 of 1


def test_histograms_count_every_image_of_its_class() -> None:
    normal, ill = histogram(LABELS, np.array([0.0, 0.04, 0.5, 0.99, 1.0]))
    assert (normal[0], ill[10], ill[19]) == (2, 1, 2)
    assert (sum(normal), sum(ill)) == (2, 3)


def test_a_share_of_0_or_1_gets_its_exact_interval() -> None:
    """The rule of Clopper and Pearson for no event among n: 1 - 0.025 ** (1 / n)."""
    assert widened(Interval(1.0, 1.0, 1.0), 30).low == pytest.approx(0.8843, abs=1e-4)
    assert widened(Interval(0.0, 0.0, 0.0), 30).high == pytest.approx(0.1157, abs=1e-4)
    assert widened(Interval(0.5, 0.4, 0.6), 30) == Interval(0.5, 0.4, 0.6)


def test_a_share_counts_patients_not_images() -> None:
    hits, among = np.zeros(40, bool), np.ones(40, bool)
    by_image = share(hits, among, [str(i) for i in range(40)], replicates=20)
    by_patient = share(hits, among, [str(i // 10) for i in range(40)], replicates=20)
    assert by_image.value == by_patient.value == 0.0
    assert by_image.high < by_patient.high == pytest.approx(1 - 0.025 ** (1 / 4))
    assert np.isnan(share(hits, ~among, ["x"] * 40).value)


def test_each_threshold_gives_what_it_was_chosen_for(many: tuple[np.ndarray, np.ndarray]) -> None:
    labels, p = many
    points = points_on_curve(labels, p, [str(i) for i in range(400)], 0.5, replicates=50)
    assert (points[0].chosen_for, points[0].threshold) == ("", 0.5)
    for point in points:
        flagged = p >= point.threshold
        assert point.sensitivity.value == pytest.approx(np.mean(flagged[labels == 1]))
        assert point.specificity.value == pytest.approx(np.mean(~flagged[labels == 0]))
        assert point.precision.value == pytest.approx(np.mean(labels[flagged]))
        assert point.flagged.value == pytest.approx(np.mean(flagged))
        assert point.sensitivity.low <= point.sensitivity.value <= point.sensitivity.high
    for point, wanted in zip(points[1:], SENSITIVITIES, strict=False):
        assert point.sensitivity.value >= wanted


def test_a_threshold_for_specificity_lets_just_so_many_pass() -> None:
    p, labels = np.array([0.1, 0.2, 0.3, 0.4, 0.9]), np.array([0, 0, 0, 0, 1])
    threshold = for_specificity(p, labels, 0.75)
    assert 0.3 < threshold < 0.3001


def test_one_class_alone_has_no_table() -> None:
    assert points_on_curve(np.array([1, 1]), np.array([0.2, 0.3]), ["a", "b"], 0.5) == ()
