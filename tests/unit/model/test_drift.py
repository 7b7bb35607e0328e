"""The watch on drift: its distances against SciPy, what must hold of any counts, and small numbers that say nothing."""

import importlib
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.card import read_card
from model.drift import (
    FEWEST,
    Reference,
    counted,
    distance,
    expected_flag_rate,
    ks_p_value,
    psi,
    psi_by_chance,
    reference_of,
    wilson,
)
from model.zoo import architecture, loadable


@pytest.fixture(scope="module")
def stats() -> Any:
    """Return scipy.stats: importing it takes longer than any test here."""
    return importlib.import_module("scipy.stats")


@pytest.fixture(scope="module")
def special() -> Any:
    return importlib.import_module("scipy.special")


COUNTS = st.lists(st.integers(0, 400), min_size=4, max_size=32)


def reference(counts: list[int]) -> Reference:
    total = sum(counts)
    shares = tuple(count / total for count in counts)
    return Reference(quantity="x", low=0.0, high=float(len(counts)), shares=shares, images=float(total))


def values(counts: list[int]) -> np.ndarray:
    return np.repeat(np.arange(len(counts)), counts)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_distance_and_p_value_are_those_of_scipy(stats: Any, special: Any, data: st.DataObject) -> None:
    before = data.draw(COUNTS.filter(lambda counts: sum(counts) >= FEWEST))
    now = data.draw(
        st.lists(st.integers(0, 400), min_size=len(before), max_size=len(before)).filter(
            lambda counts: sum(counts) >= FEWEST
        )
    )
    found = distance(reference(before), now)
    assert found is not None
    theirs = stats.ks_2samp(values(before), values(now), method="asymp")
    assert found.ks == pytest.approx(theirs.statistic, abs=1e-9)
    size = sum(before) * sum(now) / (sum(before) + sum(now))
    assert found.p == pytest.approx(special.kolmogorov(math.sqrt(size) * found.ks), abs=1e-9)


@pytest.mark.parametrize("scaled", [0.0, 0.1, 0.21, 0.5, 1.0, 1.36, 2.0, 4.0])
def test_the_p_value_is_the_kolmogorov_distribution(special: Any, scaled: float) -> None:
    size = 1000.0
    assert ks_p_value(scaled / math.sqrt(size / 2), size, size) == pytest.approx(special.kolmogorov(scaled), abs=1e-9)


@given(COUNTS, st.data())
def test_psi_is_never_negative_symmetric_and_nothing_for_the_same_counts(
    before: list[int], data: st.DataObject
) -> None:
    now = data.draw(st.lists(st.integers(0, 400), min_size=len(before), max_size=len(before)))
    assert psi(before, now) >= 0
    assert psi(before, now) == pytest.approx(psi(now, before))
    assert psi(before, before) == 0


def test_psi_is_the_sum_of_both_relative_entropies(stats: Any) -> None:
    before, now = np.array([400, 300, 200, 100]), np.array([100, 200, 300, 400])
    p, q = (counts + 0.5 for counts in (before, now))
    assert psi(before, now) == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p))


@pytest.mark.parametrize("groups", [2, 5, 10])
def test_what_psi_is_by_chance_is_the_99th_percentile_of_chi_squared(stats: Any, groups: int) -> None:
    exact = stats.chi2.ppf(0.99, groups - 1) * (1 / 500 + 1 / 5000)
    assert psi_by_chance(5000, 500, groups) == pytest.approx(exact, rel=0.01 if groups > 2 else 0.05)


def test_of_the_same_distribution_psi_passes_what_chance_gives_about_once_in_a_hundred_times() -> None:
    random = np.random.default_rng(1)
    shares = np.full(32, 1 / 32)
    card = reference(list(random.multinomial(5000, shares)))
    found = [distance(card, random.multinomial(400, shares)) for _ in range(1000)]
    beyond = sum(one is not None and one.psi > one.psi_by_chance for one in found)
    assert 1 <= beyond <= 30


@given(st.integers(0, 500), st.integers(1, 500))
def test_the_interval_of_a_share_is_wilson_s(stats: Any, count: int, more: int) -> None:
    theirs = stats.binomtest(count, count + more).proportion_ci(method="wilson")
    assert wilson(count, count + more) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_of_no_image_a_share_may_be_anything() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(0, FEWEST - 1))
def test_fewer_than_thirty_images_are_not_judged(images: int) -> None:
    assert distance(reference([50, 50]), [images, 0]) is None


@given(st.lists(st.floats(-1e6, 1e6), max_size=50))
def test_every_value_is_counted_once_also_beyond_the_ends(numbers: list[float]) -> None:
    assert sum(counted(reference([1, 2, 3, 4]), numbers)) == len(numbers)


@pytest.mark.parametrize("name", loadable())
@pytest.mark.parametrize("quantity", ["logit", "mean gray", "contrast", "sharpness"])
def test_every_card_has_a_reference_that_follows_the_prevalence(name: str, quantity: str) -> None:
    card = read_card(architecture(name).card_path)
    own = reference_of(card, quantity)
    rare = reference_of(card, quantity, 0.05)
    assert own is not None
    assert rare is not None
    everything = next(one for one in card.reference if (one.quantity, one.group) == (quantity, "all"))
    assert own.shares == pytest.approx(np.array(everything.counts) / sum(everything.counts), abs=1e-3)
    assert sum(rare.shares) == pytest.approx(1)
    normal = next(one for one in card.reference if (one.quantity, one.group) == (quantity, "NORMAL"))
    assert rare.shares == pytest.approx(np.array(normal.counts) / sum(normal.counts), abs=0.05)
    assert rare.images < own.images


def test_a_card_without_a_reference_gives_none() -> None:
    card = read_card(architecture(loadable()[0]).card_path)
    assert reference_of(card, "no such quantity") is None


def test_the_expected_flag_rate_is_that_of_the_operating_point() -> None:
    point = read_card(architecture(loadable()[0]).card_path).operating_point
    assert expected_flag_rate(point, 1.0) == point.sensitivity
    assert expected_flag_rate(point, 0.0) == 1 - point.specificity
