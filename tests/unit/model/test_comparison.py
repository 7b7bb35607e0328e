"""Comparing two models: against textbook values, the definitions written out, and other ways to the same number."""

import math
from typing import Any

import numpy as np
import pytest

from model.comparison import Pairs, agreement, compare, kolmogorov_smirnov, mcnemar_exact, shift
from model.errors import DatasetError
from model.evaluation import auc, bootstrap
from model.paired_auc import auc_difference


def pairs(a: Any, b: Any, threshold: float = 0.5, patients: Any = None) -> Pairs:
    a, b = np.asarray(a, float), np.asarray(b, float)
    whose = [str(number) for number in range(len(a))] if patients is None else patients
    return Pairs(a=a, b=b, flagged_a=a >= threshold, flagged_b=b >= threshold, patients=whose)


class TestMcNemar:
    """The exact test of discordant pairs."""

    @pytest.mark.parametrize(
        ("only_a", "only_b", "p_value"),
        [
            (5, 15, 0.04138947),  # R: binom.test(5, 20)
            (2, 12, 0.01293945),  # R: binom.test(2, 14)
            (0, 5, 0.0625),
            (121, 59, 4.434445e-06),  # R: binom.test(59, 180); the approval ratings' of McNemar's test in textbooks
            (7, 7, 1.0),
            (0, 0, 1.0),
        ],
    )
    def test_it_gives_the_binomial_test_s_p_value(self, only_a: int, only_b: int, p_value: float) -> None:
        assert mcnemar_exact(only_a, only_b) == pytest.approx(p_value, rel=1e-6)
        assert mcnemar_exact(only_b, only_a) == mcnemar_exact(only_a, only_b)

    def test_thousands_of_pairs_are_no_trouble(self) -> None:
        z = (3200 - 3000 - 1) / math.sqrt(6200)
        assert mcnemar_exact(3000, 3200) == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-3)
        assert mcnemar_exact(0, 5000) == 0.0

    def test_each_test_looks_at_its_own_images(self) -> None:
        labels = np.array([1, 1, 1, 1, 0, 0, 0])
        found = compare(
            pairs([0.9, 0.9, 0.1, 0.1, 0.9, 0.1, 0.1], [0.9, 0.1, 0.9, 0.9, 0.1, 0.1, 0.9]), labels
        ).labelled
        assert found is not None
        counted = [
            (test.only_a_right, test.only_b_right) for test in (found.sensitivity, found.specificity, found.accuracy)
        ]
        assert counted == [(1, 2), (1, 1), (2, 3)]
        assert found.sensitivity.difference.value == pytest.approx(1 / 4)
        assert found.specificity.difference.value == pytest.approx(0.0)
        assert found.accuracy.difference.value == pytest.approx(1 / 7)
        assert found.positives == 4


class TestAgreement:
    """Cohen's kappa and its table."""

    def test_a_textbook_table_has_its_kappa(self) -> None:
        """Both yes 20, only one 5 and 10, both no 15: kappa 0.4 (Cohen's own kind of example)."""
        counts = [((0.9, 0.9), 20), ((0.9, 0.1), 5), ((0.1, 0.9), 10), ((0.1, 0.1), 15)]
        rows = [pair for pair, count in counts for _ in range(count)]
        found = agreement(pairs([a for a, _ in rows], [b for _, b in rows]))
        assert (found.both, found.only_a, found.only_b, found.neither) == (20, 5, 10, 15)
        assert found.share.value == pytest.approx(0.7)
        assert found.kappa.value == pytest.approx(0.4)
        # Fleiss, Cohen and Everitt 1969: a standard error of 0.127 for this table
        assert found.kappa.high - found.kappa.low == pytest.approx(2 * 1.96 * 0.127, rel=0.12)

    def test_models_that_flag_everything_agree_without_a_kappa(self) -> None:
        found = agreement(pairs([0.9, 0.8], [0.7, 0.9]))
        assert found.share.value == 1.0
        assert math.isnan(found.kappa.value)

    def test_many_images_of_few_patients_say_less(self) -> None:
        rng = np.random.default_rng(1)
        a, b = (np.repeat(rng.random(30), 10) for _ in range(2))
        alone, together = (
            agreement(pairs(a, b, patients=whose)).kappa for whose in (None, [str(k // 10) for k in range(300)])
        )
        assert together.high - together.low > 2 * (alone.high - alone.low)


class TestShift:
    """How the probabilities moved."""

    def test_a_constant_shift_is_found_as_what_it_is(self) -> None:
        a = np.linspace(0.0, 0.5, 11)
        found = shift(pairs(a, a + 0.25))
        assert [value for _, value in found.quantiles] == pytest.approx([0.25] * 7)
        assert found.mean.value == pytest.approx(0.25)
        assert found.mean_absolute == pytest.approx(0.25)
        assert found.correlation == pytest.approx(1.0)

    def test_the_median_and_the_tails_are_those_of_b_less_a(self) -> None:
        found = dict(shift(pairs([0.5] * 5, [0.1, 0.4, 0.5, 0.7, 1.0])).quantiles)
        assert (found[0.0], found[0.5], found[1.0]) == pytest.approx((-0.4, 0.0, 0.5))

    def test_the_distance_of_the_distributions_is_the_definitions(self) -> None:
        rng = np.random.default_rng(2)
        a, b = rng.random(40).round(1), (rng.random(30) ** 2).round(1)
        brute = max(abs(float((a <= x).mean() - (b <= x).mean())) for x in np.linspace(-0.5, 1.5, 2001))
        assert kolmogorov_smirnov(a, b) == pytest.approx(brute)
        assert kolmogorov_smirnov(a, a) == 0.0

    def test_a_model_that_always_says_the_same_has_no_correlation(self) -> None:
        assert math.isnan(shift(pairs([0.5, 0.5], [0.1, 0.9])).correlation)


def scored(seed: int, patients: int, images: int) -> tuple[Any, Any, Any, list[str]]:
    """Make labels and two models' scores, correlated within patients and between models; scores have ties."""
    rng = np.random.default_rng(seed)
    whose = np.repeat(np.arange(patients), images)
    labels = (rng.random(patients) < 0.6).astype(np.int64)[whose]
    labels = np.where(rng.random(len(labels)) < 0.2, 1 - labels, labels)
    common = rng.normal(size=patients)[whose] + rng.normal(size=len(whose))
    a = labels * 1.5 + common + rng.normal(size=len(whose))
    b = labels * 1.1 + common + rng.normal(size=patients)[whose]
    return labels, a.round(1), b.round(1), [str(one) for one in whose]


class TestAucDifference:
    """The paired difference of AUCs."""

    def test_with_one_image_a_patient_it_is_delongs_by_the_definitions(self) -> None:
        labels, a, b, patients = scored(3, 80, 1)
        kernels = []
        for scores in (a, b):
            gap = scores[labels == 1][:, None] - scores[labels == 0][None, :]
            kernels.append((gap > 0) + 0.5 * (gap == 0))
        ten = np.stack([kernel.mean(axis=1) for kernel in kernels])
        one = np.stack([kernel.mean(axis=0) for kernel in kernels])
        covariance = np.cov(ten) / ten.shape[1] + np.cov(one) / one.shape[1]
        variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
        found = auc_difference(labels, a, b, patients)
        value = kernels[1].mean() - kernels[0].mean()
        assert (found.a, found.b) == pytest.approx((kernels[0].mean(), kernels[1].mean()))
        assert found.difference.value == pytest.approx(value)
        assert found.difference.high - value == pytest.approx(1.959964 * math.sqrt(variance))
        assert found.p_value == pytest.approx(math.erfc(abs(value) / math.sqrt(2 * variance)))

    def test_with_several_images_a_patient_it_is_what_a_bootstrap_over_patients_finds(self) -> None:
        labels, a, b, patients = scored(4, 90, 5)
        found = auc_difference(labels, a, b, patients).difference
        resampled = bootstrap(
            patients, lambda w: {"gap": auc(labels, b, w) - auc(labels, a, w)}, replicates=1500, seed=0
        )["gap"]
        assert found.value == pytest.approx(resampled.value)
        assert found.high - found.low == pytest.approx(resampled.high - resampled.low, rel=0.12)
        alone = auc_difference(labels, a, b, [str(number) for number in range(len(labels))]).difference
        assert found.high - found.low > 1.2 * (alone.high - alone.low), "images of one patient are not independent"

    def test_a_model_does_not_differ_from_itself(self) -> None:
        labels, a, _, patients = scored(5, 30, 2)
        found = auc_difference(labels, a, a, patients)
        assert (found.difference.value, found.difference.low, found.difference.high, found.p_value) == (0, 0, 0, 1)

    def test_the_order_of_the_models_turns_the_sign_and_nothing_else(self) -> None:
        labels, a, b, patients = scored(6, 40, 2)
        there, back = auc_difference(labels, a, b, patients), auc_difference(labels, b, a, patients)
        assert there.difference.value == pytest.approx(-back.difference.value)
        assert there.difference.low == pytest.approx(-back.difference.high)
        assert there.p_value == pytest.approx(back.p_value)

    @pytest.mark.parametrize("labels", [[1, 1, 1], [0, 0, 0], [1, 0, 0]])
    def test_what_is_not_defined_is_no_number(self, labels: list[int]) -> None:
        found = auc_difference(np.array(labels), np.array([0.1, 0.2, 0.3]), np.array([0.3, 0.1, 0.2]), ["1", "2", "3"])
        assert math.isnan(found.difference.low)
        assert math.isnan(found.p_value)


def test_without_labels_nothing_says_which_model_is_right() -> None:
    assert compare(pairs([0.1, 0.9], [0.2, 0.3])).labelled is None


def test_of_no_or_unpaired_images_nothing_is_said() -> None:
    with pytest.raises(DatasetError, match="at least one image"):
        pairs([], [])
    with pytest.raises(DatasetError, match="all of its values"):
        pairs([0.1], [0.1, 0.2])
    with pytest.raises(DatasetError, match="a label for each"):
        compare(pairs([0.1], [0.1]), np.array([1, 0]))
