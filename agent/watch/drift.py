"""The watch on drift: what came in the last day and week, against the model's card, and what lies beyond its limits."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from pydantic import TypeAdapter

from agent.config.drift import DriftSection
from agent.watch.traits import AGE_BANDS
from db.audit import THE_AGENT
from db.database import Database
from db.drift import record_drift
from db.drift_sample import DriftSample, forget_samples, samples
from db.errors import RefusedError
from db.outcome import Outcome
from db.triage import switch_off, triage_off
from model.card import ModelCard
from model.drift import Distance, counted, distance, expected_flag_rate, reference_of, wilson

log = structlog.get_logger(__name__)

SPANS: Final = {"day": timedelta(days=1), "week": timedelta(days=7)}
_ANALYSED: Final = frozenset({Outcome.FLAGGED, Outcome.NOT_FLAGGED})
_MOST_GROUPS: Final = 12
_SURE: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """So many of so many, with the 95 % interval of the share."""

    count: int
    of: int
    low: float
    high: float

    @classmethod
    def of_counts(cls, count: int, of: int) -> "Share":
        """Return it with its interval."""
        low, high = wilson(count, of)
        return cls(count=count, of=of, low=low, high=high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One number of the images: how many lie in each bin, what the card says of that, and how far apart they are."""

    name: str
    low: float
    high: float
    counts: tuple[int, ...]
    expected: tuple[float, ...]
    distance: Distance | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The images of one group, and the share of the analysed ones among them that is flagged."""

    name: str
    images: int
    flagged: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """What one span of time looks like. `images` came to the gate; those of `other_models` are not among them."""

    since: datetime
    until: datetime
    model: str
    model_version: str
    prevalence: float
    images: int
    other_models: int
    flagged: Share
    expected_flag_rate: float
    declined: Share
    failed: Share
    reasons: tuple[tuple[str, int], ...]
    quantities: tuple[Quantity, ...]
    groups: dict[str, tuple[Group, ...]]
    days: tuple[tuple[datetime, Share], ...]


REPORT: Final = TypeAdapter(DriftReport)
"""Writes a report as JSON, and reads it back."""


def report_of(found: Sequence[DriftSample], card: ModelCard, *, since: datetime, until: datetime) -> DriftReport:
    """Return what a span of time looks like, seen by the model of this card."""
    ours = [one for one in found if one.model_sha256 == card.sha256]
    analysed = [one for one in ours if one.outcome in _ANALYSED]
    declined = [one for one in ours if one.outcome is Outcome.NOT_ANALYSED]
    frontal = [one for one in ours if not _is_lateral(one)]
    reasons = Counter(one.decline_group for one in declined)
    return DriftReport(
        since=since,
        until=until,
        model=card.name,
        model_version=card.version,
        prevalence=card.prevalence,
        images=len(ours),
        other_models=len(found) - len(ours),
        flagged=_flagged(analysed),
        expected_flag_rate=expected_flag_rate(card.operating_point, card.prevalence),
        declined=Share.of_counts(sum(one.outcome is Outcome.NOT_ANALYSED for one in frontal), len(frontal)),
        failed=Share.of_counts(sum(one.outcome is Outcome.FAILED for one in ours), len(ours)),
        reasons=tuple(reasons.most_common(_MOST_GROUPS)),
        quantities=tuple(_quantities(analysed, card)),
        groups={
            "Manufacturer": _grouped(ours, lambda one: one.traits.manufacturer),
            "View": _grouped(ours, lambda one: one.traits.view),
            "Age": tuple(sorted(_grouped(ours, lambda one: one.traits.age_band), key=_by_age)),
            "Sex": _grouped(ours, lambda one: one.traits.sex),
        },
        days=tuple(_days(analysed, since, until)),
    )


def _is_lateral(one: DriftSample) -> bool:
    return one.outcome is Outcome.NOT_ANALYSED and one.decline_group.startswith("not a frontal view")


def _flagged(analysed: Iterable[DriftSample]) -> Share:
    outcomes = [one.outcome for one in analysed if one.outcome in _ANALYSED]
    return Share.of_counts(outcomes.count(Outcome.FLAGGED), len(outcomes))


def _quantities(analysed: Sequence[DriftSample], card: ModelCard) -> Iterable[Quantity]:
    values: Mapping[str, Callable[[DriftSample], float | None]] = {
        "logit": lambda one: one.score,
        "mean gray": lambda one: one.traits.mean_gray,
        "contrast": lambda one: one.traits.contrast,
        "sharpness": lambda one: one.traits.sharpness,
    }
    for name, value in values.items():
        reference = reference_of(card, name)
        if reference is not None:
            counts = counted(reference, [number for one in analysed if (number := value(one)) is not None])
            yield Quantity(
                name=name,
                low=reference.low,
                high=reference.high,
                counts=counts,
                expected=reference.shares,
                distance=distance(reference, counts),
            )


def _grouped(found: Iterable[DriftSample], group_of: Callable[[DriftSample], str]) -> tuple[Group, ...]:
    members: dict[str, list[DriftSample]] = {}
    for one in found:
        members.setdefault(group_of(one), []).append(one)
    by_size = sorted(members.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return tuple(Group(name=name, images=len(those), flagged=_flagged(those)) for name, those in by_size[:_MOST_GROUPS])


def _by_age(group: Group) -> int:
    return AGE_BANDS.index(group.name) if group.name in AGE_BANDS else len(AGE_BANDS)


def _days(analysed: Sequence[DriftSample], since: datetime, until: datetime) -> Iterable[tuple[datetime, Share]]:
    day = timedelta(days=1)
    for number in range((until - since) // day):
        begin = since + number * day
        yield begin, _flagged(one for one in analysed if begin <= one.at < begin + day)


def alarms_of(span: str, report: DriftReport, limits: DriftSection) -> dict[str, str]:
    """Return what lies beyond its limit, by name, in words; nothing of fewer images than `minimum_images`."""
    found: dict[str, str] = {}
    for one in report.quantities:
        if (seen := one.distance) is None or seen.images < limits.minimum_images:
            continue
        if limits.psi and seen.psi > max(limits.psi, seen.psi_by_chance):
            found[f"{span} psi {one.name}"] = f"PSI of {one.name} {seen.psi:.2f} of {seen.images} images in a {span}"
        is_score = one.name == "logit"
        if is_score and limits.kolmogorov_smirnov and seen.ks > limits.kolmogorov_smirnov and seen.p < _SURE:
            found[f"{span} ks {one.name}"] = f"KS of {one.name} {seen.ks:.2f} of {seen.images} images in a {span}"
    rates = (
        ("flag rate low", report.flagged, limits.flag_rate_below, False),
        ("flag rate high", report.flagged, limits.flag_rate_above, True),
        ("declined", report.declined, limits.declined_above, True),
    )
    for name, share, limit, above in rates:
        if limit is None or share.of < limits.minimum_images:
            continue
        if share.low > limit if above else share.high < limit:
            words = f"{share.count} of {share.of} images in a {span}, limit {limit:.0%}"
            found[f"{span} {name}"] = f"{name}: {words}"
    return found


@dataclass(frozen=True, slots=True)
class DriftWatch:
    """The tick: looks at each span, records what it finds, and switches triage off if that is wanted of an alarm."""

    database: Database
    card: Callable[[], ModelCard]
    limits: DriftSection
    clock: Callable[[], datetime]

    def look(self) -> None:
        """Look once."""
        now, card = self.clock(), self.card()
        longest = max(SPANS.values())
        found = list(samples(self.database, since=now - longest, until=now))
        reports: dict[str, str] = {}
        alarms: dict[str, str] = {}
        for span, length in SPANS.items():
            within = [one for one in found if one.at >= now - length]
            report = report_of(within, card, since=now - length, until=now)
            reports[span] = REPORT.dump_json(report).decode()
            alarms |= alarms_of(span, report, self.limits)
        new = record_drift(self.database, reports, alarms, at=now)
        for name in new:
            log.warning("drift_alarm", alarm=name, says=alarms[name])
        if new and self.limits.switch_off:
            self._switch_off("; ".join(alarms[name] for name in new), now)
        forget_samples(self.database, before=now - timedelta(days=self.limits.keep_days))

    def _switch_off(self, why: str, now: datetime) -> None:
        if triage_off(self.database) is not None:
            return
        try:
            switch_off(self.database, reason=f"drift: {why}", who=THE_AGENT, now=now)
        except RefusedError:  # somebody was quicker
            return
        log.error("triage_switched_off", reason=why)
