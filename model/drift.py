"""How far what is seen lies from what a card was made on: PSI, Kolmogorov-Smirnov distance, shares with intervals.

The card's reference (`ModelCard.reference`) holds the counts of images of either label in equal bins, out of fold. A
site has another share of pneumonia than the training data: the reference is mixed at the site's prevalence, so that
this alone is no drift. NumPy only.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from model import input_statistics
from model.card import ModelCard, OperatingPoint
from model.card_facts import Histogram

Floats = npt.NDArray[np.float64]

FEWEST: Final = 30
"""Images below which no share and no distance is judged."""

GROUPS: Final = 10
"""Into at most so many groups of bins the reference is divided for the PSI, each with about as much of it."""

_LABELS: Final = ("NORMAL", "PNEUMONIA")
_Z95: Final = 1.959963984540054
_Z99_ONE_SIDED: Final = 2.3263478740408408
_TERMS: Final = 101


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What a quantity should look like: the share of each bin, of so many images as its precision is worth."""

    quantity: str
    low: float
    high: float
    shares: tuple[float, ...]
    images: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """How far `images` values lie from a reference.

    `psi` is the population stability index over groups of bins, `psi_by_chance` what it exceeds once in a hundred times
    where nothing has changed. `ks` is the largest distance of the cumulative shares, at the edges of the bins, and `p`
    its asymptotic two-sample p-value: as values within a bin count as equal, it is rather too large than too small.
    """

    images: int
    psi: float
    psi_by_chance: float
    ks: float
    p: float


def reference_of(card: ModelCard, quantity: str, prevalence: float | None = None) -> Reference | None:
    """Return the card's reference of a quantity at a prevalence (None: the card's own); None if the card has none."""
    found = {one.group: one for one in card.reference if one.quantity == quantity}
    if not set(_LABELS) <= found.keys():
        return None
    share = card.prevalence if prevalence is None else prevalence
    normal, pneumonia = (found[label] for label in _LABELS)
    parts = ((normal, 1.0 - share), (pneumonia, share))
    mixed = sum(weight * _shares(part) for part, weight in parts)
    variance = sum(weight**2 / max(sum(part.counts), 1) for part, weight in parts)
    return Reference(
        quantity=quantity,
        low=normal.low,
        high=normal.high,
        shares=tuple(float(one) for one in np.asarray(mixed)),
        images=1.0 / variance,
    )


def _shares(histogram: Histogram) -> Floats:
    counts = np.asarray(histogram.counts, np.float64)
    return counts / max(float(counts.sum()), 1.0)


def counted(reference: Reference, values: npt.ArrayLike) -> tuple[int, ...]:
    """Count values in the reference's bins; what lies beyond an end counts in the bin at that end."""
    return input_statistics.counted(values, reference.low, reference.high, len(reference.shares))


def distance(reference: Reference, counts: npt.ArrayLike) -> Distance | None:
    """Return how far counts in the reference's bins lie from it; None of fewer than `FEWEST`."""
    seen = np.asarray(counts, np.float64)
    images = int(seen.sum())
    if images < FEWEST:
        return None
    expected = np.asarray(reference.shares, np.float64)
    groups = _groups(expected)
    ks = float(np.abs(np.cumsum(seen) / images - np.cumsum(expected)).max())
    return Distance(
        images=images,
        psi=psi(np.add.reduceat(expected, groups) * reference.images, np.add.reduceat(seen, groups)),
        psi_by_chance=psi_by_chance(reference.images, images, len(groups)),
        ks=ks,
        p=ks_p_value(ks, reference.images, images),
    )


def _groups(shares: Floats) -> npt.NDArray[np.int64]:
    """Return where groups of bins begin, so that each holds at least a tenth of the reference."""
    starts, held = [0], 0.0
    for index, share in enumerate(shares[:-1], 1):
        held += float(share)
        if held >= 1.0 / GROUPS and float(shares[index:].sum()) >= 1.0 / GROUPS:
            starts.append(index)
            held = 0.0
    return np.asarray(starts, np.int64)


def psi(reference: npt.ArrayLike, seen: npt.ArrayLike) -> float:
    """Return the population stability index of two lists of counts: sum of (q - p) ln(q / p) over their shares.

    Half an image is added to each group on both sides, so that an empty one does not make it infinite.
    """
    p, q = (np.asarray(one, np.float64) + 0.5 for one in (reference, seen))
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def psi_by_chance(reference_images: float, images: float, groups: int) -> float:
    """Return what the PSI exceeds once in a hundred times where both are of one distribution.

    It is then about (1/n + 1/m) times a chi-squared value with one degree of freedom less than groups (Yurdakul 2018).
    """
    freedom = groups - 1
    if freedom < 1:
        return 0.0
    spread = 2.0 / (9.0 * freedom)
    chi_squared = freedom * (1.0 - spread + _Z99_ONE_SIDED * math.sqrt(spread)) ** 3  # Wilson and Hilferty 1931
    return chi_squared * (1.0 / images + 1.0 / reference_images)


def ks_p_value(ks: float, reference_images: float, images: float) -> float:
    """Return the two-sided asymptotic p-value of the two-sample Kolmogorov-Smirnov distance (Smirnov 1939)."""
    size = reference_images * images / (reference_images + images)
    scaled = math.sqrt(size) * ks
    if scaled < 0.2:  # noqa: PLR2004 - the series alternates for long, and the value is 1 to twelve digits
        return 1.0
    total: float = sum((-1.0) ** (k - 1) * math.exp(-2.0 * (k * scaled) ** 2) for k in range(1, _TERMS))
    return min(1.0, max(0.0, 2.0 * total))


def wilson(count: int, images: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927); (0, 1) of no images."""
    if images == 0:
        return 0.0, 1.0
    share = count / images
    middle = (share + _Z95**2 / (2 * images)) / (1 + _Z95**2 / images)
    half = _Z95 / (1 + _Z95**2 / images) * math.sqrt(share * (1 - share) / images + _Z95**2 / (4 * images**2))
    return max(min(middle - half, share), 0.0), min(max(middle + half, share), 1.0)  # whatever rounding does


def expected_flag_rate(point: OperatingPoint, prevalence: float) -> float:
    """Return the share of images that the operating point flags at a prevalence, by its measured rates."""
    return point.sensitivity * prevalence + (1.0 - point.specificity) * (1.0 - prevalence)
