"""Windows and look-up tables against the formulas of PS3.3 C.11.2.1.2 and C.11.2.1.3, written down once more."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_io.voi import Lut, Window

INPUTS = st.floats(-70_000, 70_000)
CENTERS = st.floats(-40_000, 40_000)


def standard_linear(x: float, c: float, w: float) -> float:
    """Return C.11.2.1.2.1, for an output range of 0 to 1."""
    if x <= c - 0.5 - (w - 1) / 2:
        return 0.0
    if x > c - 0.5 + (w - 1) / 2:
        return 1.0
    return (x - (c - 0.5)) / (w - 1) + 0.5


def standard_linear_exact(x: float, c: float, w: float) -> float:
    """Return C.11.2.1.3.2, for an output range of 0 to 1."""
    if x <= c - w / 2:
        return 0.0
    if x > c + w / 2:
        return 1.0
    return (x - c) / w + 0.5


def standard_sigmoid(x: float, c: float, w: float) -> float:
    """Return C.11.2.1.3.1, for an output range of 0 to 1."""
    exponent = -4 * (x - c) / w
    return 1 / (1 + math.exp(exponent)) if exponent < 700 else 0.0


def shown(window: Window, x: float) -> float:
    """Return what a window makes of one value."""
    return float(window.apply(np.array([x]))[0])


@given(INPUTS, CENTERS, st.floats(1, 70_000))
def test_linear_is_the_formula(x: float, c: float, w: float) -> None:
    assert shown(Window(c, w), x) == pytest.approx(standard_linear(x, c, w), abs=1e-9)


@given(INPUTS, CENTERS, st.floats(0.001, 70_000))
def test_linear_exact_is_the_formula(x: float, c: float, w: float) -> None:
    assert shown(Window(c, w, "LINEAR_EXACT"), x) == pytest.approx(standard_linear_exact(x, c, w), abs=1e-9)


@given(INPUTS, CENTERS, st.floats(0.001, 70_000))
def test_sigmoid_is_the_formula(x: float, c: float, w: float) -> None:
    assert shown(Window(c, w, "SIGMOID"), x) == pytest.approx(standard_sigmoid(x, c, w), abs=1e-9)


def test_the_standards_own_examples_of_linear_hold() -> None:
    """PS3.3 C.11.2.1.2.1 notes: c=2048, w=4096 maps 0..4095 to the whole range; c=0, w=1 is a threshold."""
    whole = Window(2048, 4096)
    assert [shown(whole, x) for x in (0, 4095)] == [0.0, 1.0]
    threshold = Window(0, 1)
    assert [shown(threshold, x) for x in (-1, -0.5, 0, 1)] == [0.0, 0.0, 1.0, 1.0]


def test_a_table_gives_its_first_and_last_entry_outside_its_inputs() -> None:
    table = Lut(-2, np.array([10, 20, 30, 255], dtype=np.uint16), 8)
    assert table.apply(np.array([-99.0, -2, -1, 0, 1, 99])).tolist() == [10, 10, 20, 30, 255, 255]
    assert table.display(np.array([1.0])).tolist() == [1.0]
