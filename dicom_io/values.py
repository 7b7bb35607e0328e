"""One frame for a viewer: its stored values, and what makes gray of them, so that a reader can window it anew.

Pixel truth stays here: what a viewer shows until somebody windows is `levels`, which the transformations of
`dicom_io.grayscale` made. Grayscale values of up to 16 bits are handed out as they are stored; what else there is
(deeper or floating ones, colours) as it is displayed.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dicom_io import colour, grayscale, spacing
from dicom_io.attributes import Attributes
from dicom_io.charset import codec_names, decode_text
from dicom_io.codecs import Pixels
from dicom_io.grayscale import Grayscale
from dicom_io.image import PixelDescription
from dicom_io.viewing import VIEW_LIMITS, one_frame
from dicom_io.voi import Lut, Window, read_windows

_CHARACTER_SET: Final = 0x00080005
_EXPLANATIONS: Final = 0x00281055
_MOST_WINDOWS: Final = 8
_LONGEST_EXPLANATION: Final = 64
_WIDEST: Final = 2  # bytes of a value that is handed out as it is stored
_SHOWN: Final = Window(127.5, 255.0, "LINEAR_EXACT")  # of values that are shown as they are
_TENTH: Final = 0.1


@dataclass(frozen=True, slots=True)
class FrameValues:
    """A frame, `pixels` as uint8, uint16 or int16 [rows, columns] or uint8 [rows, columns, 3].

    `levels`, uint8, are what the display shows of each value from the least to the greatest. `says` is the rest, plain
    values as JSON can carry them.
    """

    pixels: NDArray[Any]
    levels: NDArray[np.uint8]
    says: dict[str, Any]


def read_values(path: Path, index: int) -> FrameValues:
    """Return frame `index`, the first is 0, for a viewer. PixelError, with the reason, where there is none."""
    wanted = spacing.WANTED | {_CHARACTER_SET, _EXPLANATIONS}
    frame, attributes, description, gray = one_frame(path, index, limits=VIEW_LIMITS, wanted=wanted)
    pixels = frame.pixels
    if gray is None:
        found = _as_shown(colour.to_rgb(frame, attributes, description))
    elif pixels.dtype.kind in "iu" and pixels.dtype.itemsize <= _WIDEST:
        found = _as_stored(pixels, gray, attributes)
    else:
        found = _as_shown(grayscale.to_display(pixels, gray))
    found.says.update(_description(description, attributes))
    return found


def _description(description: PixelDescription, attributes: Attributes) -> dict[str, Any]:
    size = spacing.read_spacing(attributes)
    return {
        "rows": description.rows,
        "columns": description.columns,
        "frames": description.number_of_frames,
        "bits": description.bits_stored,
        "photometric": description.photometric_interpretation,
        "spacing": [size.row, size.column],
        "measure": size.measure,
    }


def _as_shown(shown: NDArray[np.uint8]) -> FrameValues:
    says: dict[str, Any] = {
        "type": "rgb" if shown.ndim == 3 else "uint8",  # noqa: PLR2004 - rows, columns, colours
        "least": 0,
        "slope": 1.0,
        "intercept": 0.0,
        "modality": None,
        "inverse": False,
        "padding": None,
        "stored": False,
        "window": dataclasses.asdict(_SHOWN),
        "windows": [],
    }
    return FrameValues(shown, np.arange(256, dtype=np.uint8), says)


def _as_stored(pixels: Pixels, gray: Grayscale, attributes: Attributes) -> FrameValues:
    least, greatest = int(pixels.min()), int(pixels.max())
    values = np.arange(least, greatest + 1, dtype=np.int32).reshape(1, -1)
    gray = dataclasses.replace(gray, voi=gray.voi or grayscale.window_of(pixels, gray))
    # Values of padding alone cannot all be padding: the rule is about the whole frame, whose padding is its own.
    padding = gray.padding if grayscale.has_padding(pixels, gray) else None
    levels = grayscale.to_display(values, dataclasses.replace(gray, padding=None)).reshape(-1)
    if padding is not None:
        levels[(values[0] >= padding[0]) & (values[0] <= padding[1])] = 0
    table = gray.modality if isinstance(gray.modality, Lut) else None
    slope, intercept = (1.0, 0.0) if isinstance(gray.modality, Lut) else gray.modality
    modality = values[0] * slope + intercept if table is None else table.apply(values[0].astype(np.float64))
    own = gray.voi if isinstance(gray.voi, Window) else _alike(modality, levels)
    says = {
        "type": _type(pixels, least),
        "least": least,
        "slope": slope,
        "intercept": intercept,
        "modality": None if table is None else modality.tolist(),
        "inverse": gray.inverse if isinstance(gray.voi, Window) else _falls(modality, levels),
        "padding": padding,
        "stored": True,
        "window": dataclasses.asdict(own),
        "windows": _windows(attributes),
    }
    return FrameValues(_little_endian(pixels, least), levels, says)


def _type(pixels: Pixels, least: int) -> str:
    if pixels.dtype.itemsize == 1 and least >= 0:
        return "uint8"
    return "int16" if least < 0 else "uint16"


def _little_endian(pixels: Pixels, least: int) -> NDArray[Any]:
    kind = {"uint8": "|u1", "int16": "<i2", "uint16": "<u2"}[_type(pixels, least)]
    return np.ascontiguousarray(pixels, dtype=kind)


def _alike(modality: NDArray[np.float64], levels: NDArray[np.uint8]) -> Window:
    """Return the straight window that comes nearest to a table: through its tenth and its ninth tenth."""
    ordered = np.argsort(modality, kind="stable")
    values, shares = modality[ordered], levels[ordered] / 255.0
    if _falls(modality, levels):
        shares = 1.0 - shares
    rising = np.maximum.accumulate(shares)
    span = float(rising[-1] - rising[0])
    low, high = (float(values[np.searchsorted(rising, rising[0] + span * part)]) for part in (_TENTH, 1 - _TENTH))
    return Window((low + high) / 2, max((high - low) / (1 - 2 * _TENTH), 1.0), "LINEAR_EXACT")


def _falls(modality: NDArray[np.float64], levels: NDArray[np.uint8]) -> bool:
    """Tell whether greater values are shown darker."""
    first, last = int(modality.argmin()), int(modality.argmax())
    return bool(levels[last] < levels[first])


def _windows(attributes: Attributes) -> list[dict[str, Any]]:
    """Return the windows that the file offers, with their explanations (C.11.2.1.2): a reader chooses."""
    codecs = codec_names(attributes.texts(_CHARACTER_SET))
    texts = decode_text(attributes.raw(_EXPLANATIONS), codecs).split("\\")
    found = []
    for number, window in enumerate(list(read_windows(attributes))[:_MOST_WINDOWS]):
        text = texts[number].strip()[:_LONGEST_EXPLANATION] if number < len(texts) else ""
        found.append({**dataclasses.asdict(window), "explanation": text or f"Window {number + 1}"})
    return found
