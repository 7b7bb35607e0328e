"""Charts as the server draws them in SVG: numbers in, places on a small canvas out. Pure.

What was seen is filled, what was expected is a dashed outline: they differ without colour. Each chart says in words
what it shows, and its numbers stand beside it as a table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 320
HEIGHT: Final = 120
BASE: Final = 100
"""Where the columns stand; below them is room for the axis."""
_TOP: Final = 4


@dataclass(frozen=True, slots=True)
class Column:
    """A column of what was seen."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Label:
    """A number at the axis."""

    x: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Columns of what was seen, and the path of what was expected."""

    columns: tuple[Column, ...]
    outline: str
    labels: tuple[Label, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Whisker:
    """One share with its interval: where it stands, None in the middle where too few images say nothing."""

    x: float
    y: float | None
    top: float
    bottom: float
    label: str


def histogram(
    counts: Sequence[int], expected: Sequence[float], low: float, high: float, *, name: str
) -> Histogram | None:
    """Return the chart of counts in equal bins against the share expected of each; None of no image."""
    images, bins = sum(counts), len(expected)
    if not images or bins != len(counts):
        return None
    shares = [count / images for count in counts]
    first, last = _span(shares, expected)
    highest = max((*shares[first:last], *expected[first:last]))
    step = WIDTH / (last - first)
    columns = tuple(
        Column(
            round(index * step + 0.5, 1), _y(share, highest), round(step - 1, 1), round(BASE - _y(share, highest), 1)
        )
        for index, share in enumerate(shares[first:last])
        if share
    )
    points = [f"M0 {BASE}"]
    for index, share in enumerate(expected[first:last]):
        points.append(f"V{_y(share, highest)} H{round((index + 1) * step, 1)}")
    width = (high - low) / bins
    return Histogram(
        columns=columns,
        outline=" ".join([*points, f"V{BASE}"]),
        labels=tuple(
            Label(x, f"{low + (first + share * (last - first)) * width:.3g}")
            for share, x in ((0, 0.0), (0.5, WIDTH / 2), (1, float(WIDTH)))
        ),
        words=f"{name}: half of {images} images lie below {_middle(shares, low, width):.3g}, "
        f"where {_middle(expected, low, width):.3g} was expected.",
    )


def _span(shares: Sequence[float], expected: Sequence[float]) -> tuple[int, int]:
    """Return from where to where there is something to draw, with an empty bin on either side."""
    there = [index for index, pair in enumerate(zip(shares, expected, strict=True)) if any(pair)]
    return max(there[0] - 1, 0), min(there[-1] + 2, len(shares))


def _y(share: float, highest: float) -> float:
    return round(BASE - (BASE - _TOP) * share / highest, 1)


def _middle(shares: Sequence[float], low: float, width: float) -> float:
    """Return the value below which half lies, as if it were spread evenly within a bin."""
    half, held = sum(shares) / 2, 0.0
    for index, share in enumerate(shares):
        if share and held + share >= half:
            return low + (index + (half - held) / share) * width
        held += share
    return low


def whiskers(shares: Sequence[tuple[str, float | None, float, float]]) -> tuple[Whisker, ...]:
    """Return shares (label, share or None, low, high) of 0 to 1 side by side, 0 at the bottom of the canvas."""
    step = WIDTH / max(len(shares), 1)
    return tuple(
        Whisker(
            x=round((index + 0.5) * step, 1),
            y=None if share is None else _y(share, 1.0),
            top=_y(high, 1.0),
            bottom=_y(low, 1.0),
            label=label,
        )
        for index, (label, share, low, high) in enumerate(shares)
    )


def level(share: float) -> float:
    """Return how high on the canvas a share of 0 to 1 lies."""
    return _y(share, 1.0)
