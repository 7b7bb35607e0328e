"""How readers and the AI agree, as tables and charts. Pure; the charts are points in a box of 0 to 100."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from agent.watch.feedback import Figures, Rate

WIDTH: Final = 600.0
HEIGHT: Final = 160.0


@dataclass(frozen=True, slots=True)
class ShownRate:
    """A share in words."""

    text: str
    interval: str


@dataclass(frozen=True, slots=True)
class ShownFigures:
    """The figures of a week or a model in words."""

    name: str
    agreement: ShownRate
    predictive_value: ShownRate
    missed: ShownRate
    unsure: int


@dataclass(frozen=True, slots=True)
class Dot:
    """One share of a chart: where it stands and from where to where it may lie, in the chart's own units."""

    x: str
    y: str
    low: str
    high: str
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A share over time."""

    title: str
    dots: tuple[Dot, ...]
    line: str  # of a polyline
    first: str
    last: str


def shown_figures(one: Figures) -> ShownFigures:
    """Return figures in words."""
    return ShownFigures(
        name=one.name,
        agreement=shown_rate(one.agreement),
        predictive_value=shown_rate(one.predictive_value),
        missed=shown_rate(one.missed_rate),
        unsure=one.unsure,
    )


def shown_rate(rate: Rate) -> ShownRate:
    """Return a share in words."""
    if rate.value is None:
        return ShownRate("none yet", "")
    low, high = rate.interval
    return ShownRate(f"{rate.count} of {rate.of} ({rate.value:.0%})", f"{low:.0%} to {high:.0%}")


def charts(weeks: Sequence[Figures]) -> tuple[Chart, ...]:
    """Return the three shares over the weeks; a week without any has no dot."""
    return (
        _chart("Agreement", weeks, lambda one: one.agreement),
        _chart("Positive predictive value: of the flagged, pneumonia to the reader", weeks, _predictive_value),
        _chart("Missed: of those not flagged, pneumonia to the reader", weeks, lambda one: one.missed_rate),
    )


def _predictive_value(one: Figures) -> Rate:
    return one.predictive_value


def _chart(title: str, weeks: Sequence[Figures], rate_of: Callable[[Figures], Rate]) -> Chart:
    step = WIDTH / max(len(weeks), 1)
    dots = []
    for place, week in enumerate(weeks):
        rate = rate_of(week)
        if rate.value is not None:
            low, high = rate.interval
            shown = shown_rate(rate)
            title_of = f"Week of {week.name}: {shown.text}, {shown.interval}"
            dots.append(Dot(f"{(place + 0.5) * step:.1f}", _y(rate.value), _y(low), _y(high), title_of))
    line = " ".join(f"{dot.x},{dot.y}" for dot in dots)
    first, last = (weeks[0].name, weeks[-1].name) if weeks else ("", "")
    return Chart(title, tuple(dots), line, first, last)


def _y(share: float) -> str:
    return f"{(1 - share) * HEIGHT:.1f}"
