"""The pixel gate: what is no upright frontal chest radiograph by its pixels gets no score, whatever its header says.

Plain rules first (too small, too long, blank), then a small network fitted to frontal chests against what is sent by
mistake. It tells kinds of pictures apart, not sick from healthy, and knows nothing of age: adults pass it.
Measured in docs/gate.md.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from model.errors import WeightsError
from model.pixel_gate_network import Evidence, GateNetwork, gray_range, normalised, read_network
from model.preprocess import to_gray_square

Frame = npt.NDArray[np.uint8]

LEAST_SIDE: Final = 96
"""Pixels of the shorter side: less is a thumbnail, whose enlargement to 156 pixels no model was trained on."""
GREATEST_ASPECT: Final = 3.0
"""Longer side by shorter side: the training data reaches 2.4 at its widest 1 %, a chest does not reach this."""
LEAST_CONTRAST: Final = 16.0
"""Gray levels between the 2nd and the 98th percentile: below it nothing can be read from the image."""
_FOLDER: Final = Path(__file__).parent


class Category(StrEnum):
    """Why the pixels are refused."""

    TOO_SMALL = "too_small"
    ELONGATED = "elongated"
    BLANK = "blank"
    INVERTED = "inverted"
    ROTATED = "rotated"
    CROPPED = "cropped"
    LATERAL = "lateral"
    NOT_A_CHEST = "not_a_chest"


PREFIX: Final = "pixels: "
"""What every reason of this gate starts with, so that reports and tables can tell it from the header's."""
REASONS: Final = {
    Category.TOO_SMALL: "too small",
    Category.ELONGATED: "far longer than wide",
    Category.BLANK: "blank",
    Category.INVERTED: "looks inverted",
    Category.ROTATED: "looks rotated",
    Category.CROPPED: "looks cropped, not both lungs whole",
    Category.LATERAL: "looks like a lateral view",
    Category.NOT_A_CHEST: "does not look like a frontal chest radiograph",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an image must not be scored: a category for tables, a reason for people."""

    category: Category
    reason: str


def refuse(category: Category) -> Refusal:
    """Make the refusal of a category."""
    return Refusal(category, PREFIX + REASONS[category])


class PixelGate:
    """The gate with its fitted network. One may be shared by any number of threads."""

    def __init__(self, network: GateNetwork) -> None:
        """Keep the network."""
        self._network = network
        self.sha256 = network.sha256
        self.version = network.sha256[:12]

    def check(self, frame: Frame, *, square: Frame | None = None) -> Refusal | None:
        """Return why a frame must not be scored, or None: it may.

        Args:
            frame: uint8 [rows, columns] or [rows, columns, 3], white is 255, of any size.
            square: `to_gray_square(frame)` where the caller has it already: the frame is then not reduced again.

        Raises:
            InputError: not a non-empty uint8 array of such a shape.

        """
        return self._check(frame, square, readmitting=False)

    def may_readmit(self, frame: Frame, *, square: Frame | None = None) -> bool:
        """Tell whether a frame is so surely an upright frontal chest that a header's text may be wrong about it.

        Stricter than `check`: what this admits, `check` admits.
        """
        return self._check(frame, square, readmitting=True) is None

    def evidence(self, square: Frame) -> Evidence:
        """Return what the network makes of a gray square (`to_gray_square`), for figures and thresholds."""
        return self._network.evidence(normalised(square))

    def _check(self, frame: Frame, square: Frame | None, *, readmitting: bool) -> Refusal | None:
        square = to_gray_square(frame) if square is None else square
        if (by_shape := _check_shape(frame)) is not None:
            return refuse(by_shape)
        low, high = gray_range(square, 0.02)
        if high - low < LEAST_CONTRAST:
            return refuse(Category.BLANK)
        evidence, limits = self.evidence(square), self._network.thresholds
        least, greatest = limits.chest, limits.distance
        if readmitting:
            least, greatest = max(least, limits.readmit_chest), min(greatest, limits.readmit_distance)
        if evidence.chest < least:
            return refuse(Category(evidence.most_like))
        return refuse(Category.NOT_A_CHEST) if evidence.distance > greatest else None


def _check_shape(frame: Frame) -> Category | None:
    sides = frame.shape[:2]
    if min(sides) < LEAST_SIDE:
        return Category.TOO_SMALL
    return Category.ELONGATED if max(sides) > GREATEST_ASPECT * min(sides) else None


@cache
def load_pixel_gate(folder: Path = _FOLDER) -> PixelGate:
    """Load the gate that ships in this package. Takes milliseconds, and no TensorFlow.

    Raises:
        WeightsError: the weights are absent, damaged, or not those that `pixel_gate.json` names.

    """
    try:
        card = json.loads((folder / "pixel_gate.json").read_text(encoding="utf-8"))
        sha256 = str(card["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"expected pixel_gate.json with a sha256. Received: {type(error).__name__}"
        raise WeightsError(msg) from error
    return PixelGate(read_network(folder / "pixel_gate.npz", sha256=sha256))
