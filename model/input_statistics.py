"""A few numbers that say what an input looks like, for reference histograms and a watch on drift. NumPy only."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.card_facts import Histogram

Gray = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

BINS = 32


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number of an image or a score, and the range that its reference histogram covers."""

    name: str
    low: float
    high: float

    def histogram(self, values: npt.ArrayLike, group: str) -> Histogram:
        """Count values [n] in equal bins; what lies beyond an end counts in the bin at that end."""
        counts = counted(values, self.low, self.high, BINS)
        return Histogram(quantity=self.name, group=group, low=self.low, high=self.high, counts=counts)


def counted(values: npt.ArrayLike, low: float, high: float, bins: int) -> tuple[int, ...]:
    """Count values in equal bins of [low, high); what lies beyond an end counts in the bin at that end."""
    share = (np.asarray(values, np.float64) - low) / (high - low)
    index = np.clip((share * bins).astype(np.int64), 0, bins - 1)
    return tuple(int(one) for one in np.bincount(index, minlength=bins))


MEAN_GRAY = Quantity("mean gray", 0.0, 256.0)
CONTRAST = Quantity("contrast", 0.0, 128.0)
SHARPNESS = Quantity("sharpness", 0.0, 16.0)
LOGIT = Quantity("logit", -12.0, 8.0)
PROBABILITY = Quantity("probability", 0.0, 1.0)


def describe(squares: Gray) -> dict[Quantity, Floats]:
    """Mean, standard deviation and mean step between neighbours, in gray levels, of uint8 [n, 156, 156]: each [n]."""
    gray = squares.astype(np.float32)
    across, down = np.abs(np.diff(gray, axis=2)).mean(axis=(1, 2)), np.abs(np.diff(gray, axis=1)).mean(axis=(1, 2))
    return {
        MEAN_GRAY: gray.mean(axis=(1, 2), dtype=np.float64),
        CONTRAST: gray.std(axis=(1, 2), dtype=np.float64),
        SHARPNESS: np.asarray((across + down) / 2, np.float64),
    }
