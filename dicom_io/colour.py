"""From stored values to RGB: palettes (PS3.3 C.7.9) and the YBR encodings (PS3.3 C.7.6.3.1.2)."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, convert_color_space

from dicom_io import reasons
from dicom_io.attributes import Attributes
from dicom_io.codecs import Pixels, StoredFrame, swap_words
from dicom_io.errors import PixelError
from dicom_io.image import PixelDescription
from dicom_io.silence import quiet_pydicom

_CHANNELS: Final = ("Red", "Green", "Blue")
_DESCRIPTORS: Final = (0x00281101, 0x00281102, 0x00281103)
_TABLES: Final = (0x00281201, 0x00281202, 0x00281203)
_SEGMENTED: Final = (0x00281221, 0x00281222, 0x00281223)
WANTED: Final = frozenset({*_DESCRIPTORS, *_TABLES, *_SEGMENTED})
"""The attributes of palettes, by tag number."""

_PALETTE_ERRORS: Final = (AttributeError, LookupError, TypeError, ValueError)
_SHOWN_BITS: Final = 8
_FLAT_AXES, _COLOUR_AXES = 2, 3


def to_rgb(frame: StoredFrame, attributes: Attributes, description: PixelDescription) -> NDArray[np.uint8]:
    """Return a frame of colours as RGB, uint8 [rows, columns, 3]. PixelError for an encoding that is not supported."""
    flat = frame.photometric_interpretation == "PALETTE COLOR"
    if frame.pixels.ndim != (_FLAT_AXES if flat else _COLOUR_AXES):
        raise PixelError(reasons.BAD_DESCRIPTION)
    match frame.photometric_interpretation:
        case "RGB":
            return _eight_bits(frame.pixels, description.bits_stored)
        case "YBR_FULL" | "YBR_FULL_422":
            pixels = _eight_bits(frame.pixels, description.bits_stored)
            return np.asarray(convert_color_space(pixels, "YBR_FULL", "RGB"), dtype=np.uint8)
        case "PALETTE COLOR":
            return _look_up(frame.pixels, attributes, description)
        case _:
            raise PixelError(reasons.COLOUR_UNKNOWN)


def _eight_bits(pixels: Pixels, bits: int) -> NDArray[np.uint8]:
    if bits == _SHOWN_BITS:
        return np.ascontiguousarray(pixels, dtype=np.uint8)
    scaled = pixels.astype(np.float64) * (255.0 / ((1 << bits) - 1))
    return np.floor(scaled + 0.5).clip(0, 255).astype(np.uint8)


def _look_up(pixels: Pixels, attributes: Attributes, description: PixelDescription) -> NDArray[np.uint8]:
    try:
        with quiet_pydicom():
            coloured: NDArray[Any] = apply_color_lut(pixels, _palette(attributes, description))
    except _PALETTE_ERRORS as error:
        raise PixelError(reasons.BAD_LUT) from error
    return _eight_bits(coloured, coloured.dtype.itemsize * 8)


def _palette(attributes: Attributes, description: PixelDescription) -> Dataset:
    dataset = Dataset()
    dataset.PixelRepresentation = int(description.signed)
    for channel, descriptor, table, segmented in zip(_CHANNELS, _DESCRIPTORS, _TABLES, _SEGMENTED, strict=True):
        setattr(dataset, f"{channel}PaletteColorLookupTableDescriptor", list(attributes.shorts(descriptor)))
        if data := _little_endian(table, attributes):
            setattr(dataset, f"{channel}PaletteColorLookupTableData", data)
        elif data := _little_endian(segmented, attributes):
            setattr(dataset, f"Segmented{channel}PaletteColorLookupTableData", data)
    return dataset


def _little_endian(tag: int, attributes: Attributes) -> bytes:
    """Return a palette's OW value with its words in the byte order that pydicom expects without a file."""
    value = attributes.raw(tag)
    return value if attributes.syntax.little_endian else swap_words(value)
