"""Plots as SVG text that stands in a page by itself: no script, no font, no file from elsewhere.

A plot has axes from 0 to 1, a grid, and shapes drawn over it in those coordinates. Colours are told apart in grey too:
line styles and hatching differ.
"""

from collections.abc import Sequence
from html import escape
from typing import Any, Final

Points = Sequence[Sequence[float]]

_SIZE: Final = 300
_LEFT, _TOP, _RIGHT, _BOTTOM = 48, 12, 12, 44
_WIDTH, _HEIGHT = _SIZE + _LEFT + _RIGHT, _SIZE + _TOP + _BOTTOM
_TICKS: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
INK, ILL, WELL, QUIET = "#1a2129", "#9a3412", "#1d4ed8", "#8a94a0"


def _x(value: float) -> str:
    return f"{_LEFT + value * _SIZE:.1f}"


def _y(value: float) -> str:
    return f"{_TOP + (1 - value) * _SIZE:.1f}"


def _path(points: Points) -> str:
    return "M" + " L".join(f"{_x(x)},{_y(y)}" for x, y in points)


def _frame(title: str, x_label: str, y_label: str, shapes: str, y_ticks: Sequence[tuple[float, str]] = ()) -> str:
    """Put shapes over a grid with labelled axes; `y_ticks` are (position, text) where the axis is not 0 to 1."""
    parts = []
    for tick in _TICKS:
        parts.append(f'<path d="M{_x(tick)},{_y(0)} V{_y(1)}" class="grid"/>')
        parts.append(f'<text x="{_x(tick)}" y="{_TOP + _SIZE + 16}" class="tick middle">{tick:g}</text>')
    for at, text in y_ticks or [(tick, f"{tick:g}") for tick in _TICKS]:
        parts.append(f'<path d="M{_x(0)},{_y(at)} H{_x(1)}" class="grid"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{float(_y(at)) + 4:.1f}" class="tick end">{escape(text)}</text>')
    middle = _TOP + _SIZE / 2
    parts.append(f'<text x="{_x(0.5)}" y="{_HEIGHT - 8}" class="axis middle">{escape(x_label)}</text>')
    parts.append(
        f'<text x="12" y="{middle}" class="axis middle" transform="rotate(-90 12 {middle})">{escape(y_label)}</text>'
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}" class="plot">'
        f"<title>{escape(title)}</title>{''.join(parts)}{shapes}</svg>"
    )


def _marker(x: float, y: float, text: str) -> str:
    """Draw a cross where the operating point is, with words beside it on the side that has room."""
    right = x < 0.5  # noqa: PLR2004 (the middle)
    place = f'x="{float(_x(x)) + (10 if right else -10):.1f}" y="{float(_y(y)) + 18:.1f}"'
    cross = f"M{_x(x)},{_y(y)} m-6,-6 l12,12 m0,-12 l-12,12"
    return f'<path d="{cross}" class="cross"/><text {place} class="note{"" if right else " end"}">{escape(text)}</text>'


def roc_plot(curve: Points, specificity: float, sensitivity: float) -> str:
    """Draw the ROC curve with the operating point on it."""
    shapes = f'<path d="{_path([(0, 0), (1, 1)])}" class="reference"/><path d="{_path(curve)}" class="line"/>'
    shapes += _marker(1 - specificity, sensitivity, "operating point")
    return _frame("ROC curve", "1 - specificity", "sensitivity (recall)", shapes)


def precision_recall_plot(curve: Points, prevalence: float, precision: float | None, sensitivity: float) -> str:
    """Draw precision against recall, with the line of a guess, and the operating point where something is flagged."""
    shapes = f'<path d="{_path([(0, prevalence), (1, prevalence)])}" class="reference"/>'
    shapes += f'<path d="{_path(curve)}" class="line"/>'
    if precision is not None:
        shapes += _marker(sensitivity, precision, "operating point")
    return _frame("Precision and recall", "recall (sensitivity)", "precision", shapes)


def reliability_plot(bins: Sequence[dict[str, Any]]) -> str:
    """Draw the observed share against the mean probability of each bin; the area of a dot grows with its images."""
    shapes = f'<path d="{_path([(0, 0), (1, 1)])}" class="reference"/>'
    most = max((one["n"] for one in bins), default=1)
    for one in bins:
        x, (low, high) = one["predicted"], one["ci"]
        radius = 2.5 + 5.5 * (one["n"] / most) ** 0.5
        shapes += f'<path d="{_path([(x, low), (x, high)])}" class="whisker"/>'
        shapes += f'<circle cx="{_x(x)}" cy="{_y(one["observed"])}" r="{radius:.1f}" class="dot"/>'
    return _frame("Reliability", "mean probability in the bin", "share with pneumonia", shapes)


def histogram_plot(counts: Sequence[int], label: str, colour: str, threshold: float) -> str:
    """Draw how many images of one class got which probability, with the threshold."""
    most = max(counts, default=0) or 1
    width = 1 / max(len(counts), 1)
    shapes = ""
    for index, n in enumerate(counts):
        left, right = index * width, (index + 1) * width
        corners = [(left, 0), (left, n / most), (right, n / most), (right, 0)]
        shapes += f'<path d="{_path(corners)}Z" fill="{colour}" class="bar"/>' if n else ""
    shapes += f'<path d="{_path([(threshold, 0), (threshold, 1)])}" class="threshold"/>'
    ticks = [(part, f"{most * part:.0f}") for part in ((0.0, 0.25, 0.5, 0.75, 1.0) if most >= 8 else (0.0, 1.0))]  # noqa: PLR2004
    return _frame(f"Probabilities of {label}", "probability", "images", shapes, ticks)
