"""From stored values to what a display shows: modality LUT, VOI LUT, presentation LUT (PS3.3 C.11, PS3.4 N.2).

Where the dataset has neither window nor VOI LUT, this is the rule: values of up to 8 bits stored are shown over the
whole range that they can have, because such images (exports, most of all) are already scaled for the eye; deeper ones
from the least to the greatest value in the frame, pixel padding not counted, because they seldom use all their range.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dicom_io import reasons
from dicom_io.attributes import Attributes
from dicom_io.codecs import Pixels
from dicom_io.errors import PixelError
from dicom_io.image import PixelDescription
from dicom_io.voi import LUT_DATA, LUT_DESCRIPTOR, Lut, Window, read_lut, read_window

_WINDOW_TAGS: Final = frozenset({0x00281050, 0x00281051, 0x00281056})
_RESCALE_INTERCEPT, _RESCALE_SLOPE = 0x00281052, 0x00281053
_RESCALE_TAGS: Final = frozenset({_RESCALE_INTERCEPT, _RESCALE_SLOPE})
_MODALITY_LUT_SEQUENCE, _VOI_LUT_SEQUENCE = 0x00283000, 0x00283010
_PRESENTATION_LUT_SHAPE: Final = 0x20500020
_PIXEL_PADDING_VALUE, _PIXEL_PADDING_RANGE_LIMIT = 0x00280120, 0x00280121
_SHARED_GROUPS, _FRAME_GROUPS = 0x52009229, 0x52009230
_PIXEL_VALUE_TRANSFORMATION, _FRAME_VOI_LUT = 0x00289145, 0x00289132
_GROUPS: Final = frozenset({_PIXEL_VALUE_TRANSFORMATION, _FRAME_VOI_LUT})
_LUT_TAGS: Final = frozenset({LUT_DESCRIPTOR, LUT_DATA})
WANTED: Final = (
    _WINDOW_TAGS
    | _RESCALE_TAGS
    | {_MODALITY_LUT_SEQUENCE, _VOI_LUT_SEQUENCE, _PRESENTATION_LUT_SHAPE}
    | {_PIXEL_PADDING_VALUE, _PIXEL_PADDING_RANGE_LIMIT, _SHARED_GROUPS, _FRAME_GROUPS}
)
"""The attributes that the grayscale transformations need, by tag number."""

_EXPORT_BITS: Final = 8
_TABLE_BITS: Final = 16
_WHITE: Final = 255.0
_NEAR: Final = 1 << 15  # values looked up at once: what NumPy makes of them stays in the processor's cache
_STRIP: Final = 1 << 20  # values transformed at once where a table would be too long


@dataclass(frozen=True, slots=True)
class Grayscale:
    """The transformations of one frame."""

    modality: Lut | tuple[float, float]  # a table, or slope and intercept
    voi: Lut | Window | None
    inverse: bool
    padding: tuple[int, int] | None  # the stored values that are no image, both ends included
    export_range: tuple[int, int] | None  # the stored values possible, where they are shown whole without a window


def read_grayscale(attributes: Attributes, description: PixelDescription) -> Iterator[Grayscale]:
    """Yield the transformations for each frame, functional groups included. PixelError for a broken look-up table."""
    shared = attributes.item(_SHARED_GROUPS, _GROUPS)
    frames = attributes.items(_FRAME_GROUPS, _GROUPS)
    for _ in range(description.number_of_frames):
        groups = [source for source in (next(frames, None), shared) if source is not None]
        yield _grayscale(attributes, groups, description)


def to_display(pixels: Pixels, grayscale: Grayscale) -> NDArray[np.uint8]:
    """Return stored values [rows, columns] as they are displayed: uint8 of the same shape, 0 black, 255 white.

    Padding is black. Whole numbers of up to 16 bits go through a table of all values, so that the formulas are
    computed once per value.
    """
    padding = _padding(pixels, grayscale)
    window = grayscale.voi if grayscale.voi is not None else _full_range(pixels, grayscale, padding)
    if pixels.dtype.kind in "iu" and pixels.size and pixels.dtype.itemsize * 8 <= _TABLE_BITS:
        low, high = min(int(pixels.min()), 0), int(pixels.max())
        shown = _looked_up(pixels, _shade(np.arange(low, high + 1, dtype=np.float64), grayscale, window), low)
    else:
        flat = pixels.reshape(-1)
        strips = [flat[start : start + _STRIP] for start in range(0, flat.size, _STRIP)]
        shown = np.concatenate([_shade(strip.astype(np.float64), grayscale, window) for strip in strips])
        shown = shown.reshape(pixels.shape)
    if padding is not None:
        shown[padding] = 0
    return shown


def has_padding(pixels: Pixels, grayscale: Grayscale) -> bool:
    """Tell whether some of the frame, but not all of it, is padding."""
    return _padding(pixels, grayscale) is not None


def window_of(pixels: Pixels, grayscale: Grayscale) -> Window:
    """Return the window of a frame that brings none: see above."""
    return _full_range(pixels, grayscale, _padding(pixels, grayscale))


def _shade(stored: NDArray[np.float64], grayscale: Grayscale, voi: Lut | Window) -> NDArray[np.uint8]:
    values = _modality_values(stored, grayscale.modality)
    share = voi.display(values) if isinstance(voi, Lut) else voi.apply(values)
    if grayscale.inverse:
        share = 1.0 - share
    return np.floor(np.nan_to_num(share) * _WHITE + 0.5).astype(np.uint8)


def _looked_up(pixels: Pixels, table: NDArray[np.uint8], low: int) -> NDArray[np.uint8]:
    """Return a table's entry for each value; its first one is that of `low`, its last one that of the greatest."""
    if pixels.dtype == np.uint8:  # two to three times as fast again
        found = bytearray(np.ascontiguousarray(pixels)).translate(table.tobytes().ljust(256, b"\0"))
        return np.frombuffer(found, np.uint8).reshape(pixels.shape)
    flat, shown = pixels.reshape(-1), np.empty(pixels.size, np.uint8)
    for start in range(0, flat.size, _NEAR):
        part = flat[start : start + _NEAR]
        index = part.astype(np.int32) - low if low else part
        table.take(index, out=shown[start : start + _NEAR], mode="clip")  # all are inside: it does not look twice
    return shown.reshape(pixels.shape)


def _modality_values(stored: NDArray[np.float64], modality: Lut | tuple[float, float]) -> NDArray[np.float64]:
    if isinstance(modality, Lut):
        return modality.apply(stored)
    slope, intercept = modality
    return stored * slope + intercept


def _padding(pixels: Pixels, grayscale: Grayscale) -> NDArray[np.bool_] | None:
    """Return where there is padding; None if nowhere, or everywhere (then the attribute must be wrong)."""
    if pixels.dtype.kind == "f":
        mask = ~np.isfinite(pixels)
    elif grayscale.padding is not None:
        low, high = grayscale.padding
        mask = (pixels >= low) & (pixels <= high)
    else:
        return None
    return mask if mask.any() and not mask.all() else None


def _full_range(pixels: Pixels, grayscale: Grayscale, padding: NDArray[np.bool_] | None) -> Window:
    """Return the window that shows every value that there is, or for exports every value possible."""
    if grayscale.export_range is not None:
        ends = np.array(grayscale.export_range, dtype=np.float64)
    else:
        seen = pixels if padding is None else pixels[~padding]
        ends = np.array([seen.min(), seen.max()], dtype=np.float64)
        if isinstance(grayscale.modality, Lut):
            return _table_range(seen, grayscale.modality)
    low, high = sorted(_modality_values(ends, grayscale.modality).tolist())
    return _span(low, high)


def _table_range(seen: Pixels, table: Lut) -> Window:
    values = table.apply(np.unique(seen).astype(np.float64))
    return _span(float(values.min()), float(values.max()))


def _span(low: float, high: float) -> Window:
    if not math.isfinite(low) or not math.isfinite(high):
        raise PixelError(reasons.DAMAGED)
    return Window((low + high) / 2, max(high - low, math.ulp(high)), "LINEAR_EXACT")


def _grayscale(attributes: Attributes, groups: list[Attributes], description: PixelDescription) -> Grayscale:
    modality = _read_modality(attributes, groups, description)
    possible = _possible(description.bits_stored, signed=description.signed)
    negative = _range(possible, modality)[0] < 0
    export = description.bits_stored <= _EXPORT_BITS and description.keyword == "PixelData"
    return Grayscale(
        modality=modality,
        voi=_read_voi(attributes, groups, signed=negative, possible=_window_range(description, modality)),
        inverse=_is_inverse(attributes, description),
        padding=_read_padding(attributes, description),
        export_range=possible if export and not isinstance(modality, Lut) else None,
    )


def _possible(bits: int, *, signed: bool) -> tuple[int, int]:
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


def _range(stored: tuple[int, int], modality: Lut | tuple[float, float]) -> tuple[float, float]:
    """Return the least and the greatest modality value of the stored values between two."""
    if isinstance(modality, Lut):
        return float(modality.entries.min()), float(modality.entries.max())
    slope, intercept = modality
    ends = [value * slope + intercept for value in stored]
    return min(ends), max(ends)


def _window_range(description: PixelDescription, modality: Lut | tuple[float, float]) -> tuple[float, float]:
    """Return between which values a window has its centre, by the bits allocated: bits stored are often misstated."""
    if description.keyword != "PixelData":
        return -math.inf, math.inf
    return _range(_possible(description.bits_allocated, signed=description.signed), modality)


def _read_modality(
    attributes: Attributes, groups: list[Attributes], description: PixelDescription
) -> Lut | tuple[float, float]:
    table = read_lut(attributes.item(_MODALITY_LUT_SEQUENCE, _LUT_TAGS), signed=description.signed)
    if table is not None:
        return table
    for source in (*(group.item(_PIXEL_VALUE_TRANSFORMATION, _RESCALE_TAGS) for group in groups), attributes):
        slope = next(iter(source.decimals(_RESCALE_SLOPE)), math.nan)
        intercept = next(iter(source.decimals(_RESCALE_INTERCEPT)), math.nan)
        if not math.isnan(slope) and slope != 0 and not math.isnan(intercept):
            return slope, intercept
    return 1.0, 0.0


def _read_voi(
    attributes: Attributes, groups: list[Attributes], *, signed: bool, possible: tuple[float, float]
) -> Lut | Window | None:
    """Read the first VOI LUT, else the first usable window."""
    table = read_lut(attributes.item(_VOI_LUT_SEQUENCE, _LUT_TAGS), signed=signed)
    if table is not None:
        return table
    for source in (*(group.item(_FRAME_VOI_LUT, _WINDOW_TAGS) for group in groups), attributes):
        window = read_window(source, possible)
        if window is not None:
            return window
    return None


def _is_inverse(attributes: Attributes, description: PixelDescription) -> bool:
    """Tell whether small values are white: by Presentation LUT Shape, if there is one, since it is about the display.

    DCMTK decides in the same way where the shape contradicts the photometric interpretation.
    """
    match attributes.text(_PRESENTATION_LUT_SHAPE):
        case "IDENTITY":
            return False
        case "INVERSE":
            return True
        case _:
            return description.photometric_interpretation == "MONOCHROME1"


def _read_padding(attributes: Attributes, description: PixelDescription) -> tuple[int, int] | None:
    value = attributes.shorts(_PIXEL_PADDING_VALUE, signed=description.signed)
    if not value:
        return None
    limit = attributes.shorts(_PIXEL_PADDING_RANGE_LIMIT, signed=description.signed) or value
    return min(value[0], limit[0]), max(value[0], limit[0])
