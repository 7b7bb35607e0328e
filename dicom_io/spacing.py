"""How large a pixel of a projection radiograph is, and what that is worth (PS3.3 section 10.7).

Imager Pixel Spacing is that of the detector, where everything is shown larger than it is. Only Pixel Spacing that
differs from it, or says how it was calibrated, is one of the patient.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dicom_io.attributes import Attributes

_PIXEL_SPACING, _IMAGER_PIXEL_SPACING, _NOMINAL_SCANNED = 0x00280030, 0x00181164, 0x00182010
_CALIBRATION_TYPE, _PIXEL_ASPECT_RATIO = 0x00280A02, 0x00280034
WANTED: Final = frozenset(
    {_PIXEL_SPACING, _IMAGER_PIXEL_SPACING, _NOMINAL_SCANNED, _CALIBRATION_TYPE, _PIXEL_ASPECT_RATIO}
)
"""The attributes that say how large a pixel is, by tag number."""

_MOST: Final = 100.0  # millimetres, and how much longer than wide: more is nonsense
_SAME: Final = 1e-6


class Measure(StrEnum):
    """What a length between two pixels is."""

    CALIBRATED = "calibrated"  # in the patient, as far as the calibration goes
    DETECTOR = "detector"  # at the detector: larger than in the patient
    FILM = "film"  # on the film that was scanned
    UNSTATED = "unstated"  # in millimetres of which nobody says where
    NONE = "none"  # in pixels


@dataclass(frozen=True, slots=True)
class Spacing:
    """Millimetres from row to row and from column to column; without any (`NONE`), only how they compare."""

    row: float
    column: float
    measure: Measure


def read_spacing(attributes: Attributes) -> Spacing:
    """Return the best that is said of a pixel's size."""
    own, imager = _pair(attributes, _PIXEL_SPACING), _pair(attributes, _IMAGER_PIXEL_SPACING)
    if own is not None and (attributes.text(_CALIBRATION_TYPE) or (imager is not None and not _alike(own, imager))):
        return Spacing(*own, Measure.CALIBRATED)
    if imager is not None:
        return Spacing(*imager, Measure.DETECTOR)
    if own is not None:
        return Spacing(*own, Measure.UNSTATED)
    if (film := _pair(attributes, _NOMINAL_SCANNED)) is not None:
        return Spacing(*film, Measure.FILM)
    return Spacing(*(_pair(attributes, _PIXEL_ASPECT_RATIO, most=math.inf) or (1.0, 1.0)), Measure.NONE)


def _pair(attributes: Attributes, tag: int, most: float = _MOST) -> tuple[float, float] | None:
    values = attributes.decimals(tag)
    if len(values) != 2 or not all(0 < value <= most for value in values):  # noqa: PLR2004 - rows and columns
        return None
    return (values[0], values[1]) if 1 / _MOST <= values[0] / values[1] <= _MOST else None


def _alike(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(math.isclose(a, b, rel_tol=_SAME) for a, b in zip(one, other, strict=True))
