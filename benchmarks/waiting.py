"""How long studies wait to be read, sick and well, with triage and without, at 80 %, 95 % and 105 % load.

A discrete-event simulation (agent/simulation/reading.py) of weeks whose days have the arrival profile of a real one,
with lognormal reading times, the shipped model's sensitivity and specificity, and the worklist's own order
(db/priority.py). Every week is read twice, the same studies and reading times: in the order of arrival, and in the
order of due times. No clock is involved: the same seeds give the same table on any machine.
"""

import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import click

from agent.simulation.arrival import PROFILES, Profile
from agent.simulation.reading import DAY, Department, Reader, Study, arriving, waits
from db.priority import Allowances
from model.classifier import verify

MINUTE = 60.0
DAYS_BEFORE, DAYS_COUNTED, DAYS_AFTER = 1, 7, 2
"""A week is counted; before it the queue fills, and what arrives after it may still overtake."""
NORMAL_95 = 1.96
GROUPS: dict[str, Callable[[Study], bool]] = {
    "sick": lambda study: study.sick,
    "well": lambda study: not study.sick,
    "sick, missed": lambda study: study.sick and not study.flagged,
    "well, flagged": lambda study: not study.sick and study.flagged,
    "all": lambda _: True,
}
WAITS: dict[str, Callable[[Sequence[float]], float]] = {
    "mean": statistics.fmean,
    "95th percentile": lambda found: sorted(found)[int(0.95 * (len(found) - 1))],
    "maximum": max,
}


@dataclass(frozen=True)
class Setting:
    """What all weeks of a row have in common."""

    department: Department
    model: Reader
    profile: str
    prevalence: float
    allowances: Allowances


@dataclass(frozen=True)
class Week:
    """Waits of one week in minutes, by group, without and with triage; and how many of its studies are in the group."""

    without: dict[str, list[float]]
    triaged: dict[str, list[float]]


@click.command()
@click.option("--weeks", type=click.IntRange(2), default=100, show_default=True, help="Each from a seed of its own.")
@click.option("--readers", type=click.IntRange(1), default=1, show_default=True)
@click.option("--hours", default="0-24", show_default=True, help="When they read.")
@click.option("--profile", type=click.Choice(list(PROFILES)), default="unplanned", show_default=True)
@click.option("--prevalence", type=click.FloatRange(0, 1), default=0.16, show_default=True, help="Of the sick.")
@click.option("--sensitivity", type=click.FloatRange(0, 1), help="[default: the shipped model's]")
@click.option("--specificity", type=click.FloatRange(0, 1), help="[default: the shipped model's]")
@click.option("--minutes", default=3.0, show_default=True, help="Of a reading, on average.")
@click.option("--variation", default=1.0, show_default=True, help="Coefficient of variation of a reading time.")
@click.option("--routine-minutes", default=480, show_default=True, help="The setting priority.routine_minutes.")
@click.option("--loads", default="0.8,0.95,1.05", show_default=True)
def main(weeks: int, readers: int, hours: str, loads: str, **given: Any) -> None:  # noqa: ANN401 - click passes them so
    """Print waits in minutes: mean over weeks of each week's mean, 95th percentile and maximum, with 95 % intervals."""
    point = verify().operating_point
    rates = {name: given[name] or getattr(point, name) for name in ("sensitivity", "specificity")}
    model = Reader(**rates)
    opens, closes = map(int, hours.split("-"))
    click.echo("| load | who | wait | without triage | with triage | difference |\n" + "|---" * 6 + "|")
    with ProcessPoolExecutor(2) as pool:
        for load in map(float, loads.split(",")):
            department = Department(
                load=load,
                readers=readers,
                opens=opens,
                closes=closes,
                mean_seconds=given["minutes"] * MINUTE,
                variation=given["variation"],
            )
            allowances = Allowances(routine=timedelta(minutes=given["routine_minutes"]))
            setting = Setting(department, model, given["profile"], given["prevalence"], allowances)
            for row in _rows(list(pool.map(partial(_week, setting), range(weeks)))):
                click.echo(f"| {load:.0%} | {row} |")


def _week(setting: Setting, seed: int) -> Week:
    """Read one week twice."""
    chance = random.Random(f"waiting/{seed}")  # noqa: S311 - a repeatable week, not a secret
    days = DAYS_BEFORE + DAYS_COUNTED + DAYS_AFTER
    profile = Profile(PROFILES[setting.profile])
    studies = arriving(
        setting.department, setting.model, profile, prevalence=setting.prevalence, days=days, chance=chance
    )
    without = waits(studies, setting.department, flags_after=None, allowances=setting.allowances)
    triaged = waits(studies, setting.department, flags_after=setting.model.seconds, allowances=setting.allowances)
    return Week(_grouped(studies, without), _grouped(studies, triaged))


def _grouped(studies: Sequence[Study], seconds: Sequence[float]) -> dict[str, list[float]]:
    first, last = DAYS_BEFORE * DAY, (DAYS_BEFORE + DAYS_COUNTED) * DAY
    counted = [(study, wait) for study, wait in zip(studies, seconds, strict=True) if first <= study.arrives < last]
    return {name: [wait / MINUTE for study, wait in counted if belongs(study)] for name, belongs in GROUPS.items()}


def _rows(weeks: Sequence[Week]) -> Iterator[str]:
    for group in GROUPS:
        some = [week for week in weeks if week.without[group]]
        for name, measure in WAITS.items():
            without = [measure(week.without[group]) for week in some]
            triaged = [measure(week.triaged[group]) for week in some]
            saved = [after - before for before, after in zip(without, triaged, strict=True)]
            cells = [_interval(without), _interval(triaged), _interval(saved, signed=True)]
            yield " | ".join([group, name, *cells])


def _interval(values: Sequence[float], *, signed: bool = False) -> str:
    mean = statistics.fmean(values)
    half = NORMAL_95 * statistics.stdev(values) / len(values) ** 0.5
    return f"{mean:{'+' if signed else ''}.1f} ± {half:.1f}"


if __name__ == "__main__":
    main()
