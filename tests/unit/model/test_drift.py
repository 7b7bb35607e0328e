"""The watch on drift: what must hold of any counts, and small numbers that say nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.card import read_card
from model.drift import (
    FEWEST,
    Reference,
    counted,
    distance,
    expected_flag_rate,
    psi,
    reference_of,
    wilson,
)
from model.zoo import architecture, loadable

COUNTS = st.lists(st.integers(0, 400), min_size=4, max_size=32)


def reference(counts: list[int]) -> Reference:
    total = sum(counts)
    shares = tuple(count / total for count in counts)
    return Reference(quantity="x", low=0.0, high=float(len(counts)), shares=shares, images=float(total))


@given(COUNTS, st.data())
def test_psi_is_never_negative_symmetric_and_nothing_for_the_same_counts(
    before: list[int], data: st.DataObject
) -> None:
    now = data.draw(st.lists(st.integers(0, 400), min_size=len(before), max_size=len(before)))
    assert psi(before, now) >= 0
    assert psi(before, now) == pytest.approx(psi(now, before))
    assert psi(before, before) == 0


def test_of_the_same_distribution_psi_passes_what_chance_gives_about_once_in_a_hundred_times() -> None:
    random = np.random.default_rng(1)
    shares = np.full(32, 1 / 32)
    card = reference(list(random.multinomial(5000, shares)))
    found = [distance(card, random.multinomial(400, shares)) for _ in range(1000)]
    beyond = sum(one is not None and one.psi > one.psi_by_chance for one in found)
    assert 1 <= beyond <= 30


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
