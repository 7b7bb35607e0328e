"""What the watch on drift found, in words and charts. Pure. Small numbers are said to be small."""

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from agent.watch.drift import DriftReport, Group, Quantity, Share
from agent.web import charts, times
from agent.web.people import readable
from db.drift import DriftAlarm
from model.drift import FEWEST

_NAMES: Final = {
    "logit": "Score (logit) of the network",
    "mean gray": "Mean gray level",
    "contrast": "Contrast (standard deviation of gray levels)",
    "sharpness": "Sharpness (mean step between neighbours)",
}
TOO_FEW: Final = f"fewer than {FEWEST} images: not judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownQuantity:
    """One quantity with its chart, and how far it lies from the card."""

    name: str
    chart: charts.Histogram | None
    verdict: str
    rows: tuple[tuple[str, int, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownGroup:
    """The images of one group."""

    name: str
    images: int
    share: str
    flagged: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAlarm:
    """An alarm that stands."""

    since: times.Moment
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownReport:
    """One span of time."""

    title: str
    made: times.Moment
    images: int
    other_models: int
    model: str
    prevalence: str
    flagged: str
    expected: str
    declined: str
    failed: str
    reasons: tuple[tuple[str, int], ...]
    quantities: tuple[ShownQuantity, ...]
    groups: tuple[tuple[str, tuple[ShownGroup, ...]], ...]
    days: tuple[charts.Whisker, ...]
    day_rows: tuple[tuple[str, str], ...]
    expected_level: float


def shown_alarm(alarm: DriftAlarm, zone: tzinfo | None = None) -> ShownAlarm:
    """Return an alarm in words."""
    return ShownAlarm(since=times.exact(alarm.since, zone), reason=readable(alarm.reason))


def share(found: Share) -> str:
    """Return a share with its interval; of few images only the counts."""
    if not found.of:
        return "none yet"
    if found.of < FEWEST:
        return f"{found.count} of {found.of}: {TOO_FEW}"
    return (
        f"{found.count / found.of:.1%} ({found.count} of {found.of}; 95 % interval {found.low:.1%} to {found.high:.1%})"
    )


def shown(span: str, made_at: datetime, report: DriftReport, zone: tzinfo | None = None) -> ShownReport:
    """Return one span of time in words and charts."""
    return ShownReport(
        title=f"The last {span}",
        made=times.exact(made_at, zone),
        images=report.images,
        other_models=report.other_models,
        model=f"{report.model} {report.model_version}",
        prevalence=f"{report.prevalence:.1%}",
        flagged=share(report.flagged),
        expected=f"{report.expected_flag_rate:.1%}",
        declined=share(report.declined),
        failed=share(report.failed),
        reasons=tuple((readable(reason), count) for reason, count in report.reasons),
        quantities=tuple(_quantity(one) for one in report.quantities),
        groups=tuple(
            (name, tuple(_group(one, report.images) for one in those)) for name, those in report.groups.items()
        ),
        days=charts.whiskers([_day(at, one, zone) for at, one in report.days]) if len(report.days) > 1 else (),
        day_rows=tuple((_weekday(at, zone), share(one)) for at, one in report.days),
        expected_level=charts.level(report.expected_flag_rate),
    )


def _day(at: datetime, found: Share, zone: tzinfo | None) -> tuple[str, float | None, float, float]:
    known = found.count / found.of if found.of >= FEWEST else None
    return _weekday(at, zone), known, found.low, found.high


def _weekday(at: datetime, zone: tzinfo | None) -> str:
    return f"{at.astimezone(zone):%a %H:%M}"


def _quantity(one: Quantity) -> ShownQuantity:
    name, width = _NAMES.get(one.name, one.name), (one.high - one.low) / len(one.expected)
    return ShownQuantity(
        name=name,
        chart=charts.histogram(one.counts, one.expected, one.low, one.high, name=name),
        verdict=_verdict(one),
        rows=tuple(
            (f"{one.low + index * width:.3g} to {one.low + (index + 1) * width:.3g}", count, f"{expected:.1%}")
            for index, (count, expected) in enumerate(zip(one.counts, one.expected, strict=True))
            if count or expected >= 0.001  # noqa: PLR2004 - what rounds to nothing
        ),
    )


def _verdict(one: Quantity) -> str:
    seen = one.distance
    if seen is None:
        return TOO_FEW.capitalize()
    chance = "no more than chance gives" if seen.psi <= seen.psi_by_chance else "more than chance gives"
    p = "p < 0.001" if seen.p < 0.001 else f"p = {seen.p:.3f}"  # noqa: PLR2004 - below what anybody reads
    return (
        f"PSI {seen.psi:.3f}, {chance} ({seen.psi_by_chance:.3f} once in a hundred times); "
        f"Kolmogorov-Smirnov distance {seen.ks:.3f}, {p}; {seen.images} images"
    )


def _group(one: Group, images: int) -> ShownGroup:
    return ShownGroup(
        name=readable(one.name),
        images=one.images,
        share=f"{one.images / images:.1%}" if images >= FEWEST else "-",
        flagged=share(one.flagged),
    )
