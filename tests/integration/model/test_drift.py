"""The watch on drift: its distances, and its intervals, are those of SciPy."""

import importlib
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.drift import FEWEST, Reference, distance, ks_p_value, psi, psi_by_chance, wilson


@pytest.fixture(scope="module")
def stats() -> Any:
    """Return scipy.stats, which not every process that collects tests need load."""
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


def test_psi_is_the_sum_of_both_relative_entropies(stats: Any) -> None:
    before, now = np.array([400, 300, 200, 100]), np.array([100, 200, 300, 400])
    p, q = (counts + 0.5 for counts in (before, now))
    assert psi(before, now) == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p))


@pytest.mark.parametrize("groups", [2, 5, 10])
def test_what_psi_is_by_chance_is_the_99th_percentile_of_chi_squared(stats: Any, groups: int) -> None:
    exact = stats.chi2.ppf(0.99, groups - 1) * (1 / 500 + 1 / 5000)
    assert psi_by_chance(5000, 500, groups) == pytest.approx(exact, rel=0.01 if groups > 2 else 0.05)


@settings(deadline=None)
@given(st.integers(0, 500), st.integers(1, 500))
def test_the_interval_of_a_share_is_wilson_s(stats: Any, count: int, more: int) -> None:
    theirs = stats.binomtest(count, count + more).proportion_ci(method="wilson")
    assert wilson(count, count + more) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
