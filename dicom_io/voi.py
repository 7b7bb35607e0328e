"""Grayscale transformations of PS3.3: windows (C.11.2.1.2, C.11.2.1.3) and look-up tables (C.11.1.1, C.11.2.1.1)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dicom_io import reasons
from dicom_io.attributes import Attributes
from dicom_io.errors import PixelError

WindowFunction = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]

WINDOW_CENTER, WINDOW_WIDTH, VOI_LUT_FUNCTION = 0x00281050, 0x00281051, 0x00281056
LUT_DESCRIPTOR, LUT_DATA = 0x00283002, 0x00283006

_MIN_BITS, _MAX_BITS = 8, 16
_ALL_ENTRIES = 1 << 16  # what 0 entries stand for
_FAR = 700.0  # beyond it exp() leaves the range of a float64, and the sigmoid has reached its end


@dataclass(frozen=True, slots=True)
class Window:
    """A window; `width` is at least 1 for LINEAR, above 0 for the others."""

    center: float
    width: float
    function: WindowFunction = "LINEAR"

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what is displayed of modality `values`, 0 (the display's minimum) to 1, same shape."""
        if self.function == "SIGMOID":
            exponent = -4.0 * (values - self.center) / self.width
            exponential: NDArray[np.float64] = np.exp(np.clip(exponent, -_FAR, _FAR))
            return np.divide(1.0, 1.0 + exponential)
        if self.function == "LINEAR_EXACT":
            return np.clip((values - self.center) / self.width + 0.5, 0.0, 1.0)
        if self.width == 1:
            return (values > self.center - 0.5).astype(np.float64)
        return np.clip((values - (self.center - 0.5)) / (self.width - 1.0) + 0.5, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Lut:
    """A look-up table: the output for inputs from `first` on, each of `bits` bits."""

    first: int
    entries: NDArray[np.uint16]
    bits: int

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the entries for `values`; what lies outside gets the first or the last entry."""
        index = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1).astype(np.intp)
        entries: NDArray[np.uint16] = self.entries[index]
        return entries.astype(np.float64)

    def display(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the entries for `values` as shares of the table's full output range, 0 to 1."""
        return self.apply(values) / float((1 << self.bits) - 1)


def read_window(attributes: Attributes, possible: tuple[float, float]) -> Window | None:
    """Return the first window that can be used, or None.

    A width of 0, which some devices write for "none", cannot be used, nor a centre beyond all values that are possible:
    such a window was made for other pixels (some archives put a CT window into radiographs).
    """
    low, high = possible
    return next((window for window in read_windows(attributes) if low - 1 <= window.center <= high + 1), None)


def read_lut(item: Attributes, *, signed: bool) -> Lut | None:
    """Read an item of a Modality or VOI LUT Sequence; `signed` tells how to read the first input value mapped.

    None if the item is empty; PixelError if its table is shorter than its descriptor says.
    """
    descriptor = item.shorts(LUT_DESCRIPTOR)
    if not descriptor and not item.raw(LUT_DATA):
        return None
    if len(descriptor) != 3:  # noqa: PLR2004  # PS3.3 C.11.1.1: entries, first input, bits
        raise PixelError(reasons.BAD_LUT)
    count = descriptor[0] or _ALL_ENTRIES
    first = item.shorts(LUT_DESCRIPTOR, signed=signed)[1]
    data = item.raw(LUT_DATA)
    if len(data) >= 2 * count:
        entries = np.array(item.shorts(LUT_DATA)[:count], dtype=np.uint16)
    elif len(data) >= count:
        entries = np.frombuffer(data, dtype=np.uint8, count=count).astype(np.uint16)
    else:
        raise PixelError(reasons.BAD_LUT)
    return Lut(first, entries, _lut_bits(descriptor[2], int(entries.max())))


def read_windows(attributes: Attributes) -> Iterator[Window]:
    """Yield the windows that make sense, in their order."""
    function = _function(attributes.text(VOI_LUT_FUNCTION))
    narrowest = 1.0 if function == "LINEAR" else math.ulp(0.0)
    for center, width in zip(attributes.decimals(WINDOW_CENTER), attributes.decimals(WINDOW_WIDTH), strict=False):
        if not math.isnan(center) and width >= narrowest:
            yield Window(center, width, function)


def _function(term: str) -> WindowFunction:
    match term:
        case "SIGMOID" | "LINEAR_EXACT":
            return term
        case _:
            return "LINEAR"  # also where the term is absent (C.11.2.1.3)


def _lut_bits(stated: int, largest: int) -> int:
    """Return the bits of a table's output: as stated, unless an entry needs more."""
    return min(max(stated, largest.bit_length(), _MIN_BITS), _MAX_BITS)
