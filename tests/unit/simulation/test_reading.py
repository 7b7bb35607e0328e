"""The reading waits of the simulation: theory where there is one, and the worklist's promises."""

import itertools
import random
import statistics
from datetime import timedelta

import pytest

from agent.simulation.arrival import FLAT, HOUR, UNPLANNED, Profile
from agent.simulation.reading import DAY, Department, Reader, Study, arriving, waits
from db.priority import Allowances

ALLOWANCES = Allowances()
OVERTAKES_WITHIN = (ALLOWANCES.routine - ALLOWANCES.medium).total_seconds()
GOOD = Reader(sensitivity=0.97, specificity=0.94)


def week(
    load: float, *, days: int = 7, profile: tuple[float, ...] = UNPLANNED, **department: int
) -> tuple[Department, list[Study]]:
    place = Department(load=load, **department)
    chance = random.Random(11)  # noqa: S311 - repeatable
    return place, arriving(place, GOOD, Profile(profile), prevalence=0.16, days=days, chance=chance)


def in_order(studies: list[Study], place: Department) -> list[float]:
    return waits(studies, place, flags_after=None, allowances=ALLOWANCES)


def by_due_time(studies: list[Study], place: Department) -> list[float]:
    return waits(studies, place, flags_after=5.0, allowances=ALLOWANCES)


def test_one_reader_and_a_steady_stream_wait_as_pollaczek_and_khinchine_say() -> None:
    place, studies = week(0.8, days=100, profile=FLAT)
    expected = 0.8 / (1 - 0.8) * place.mean_seconds * (1 + place.variation**2) / 2
    assert statistics.fmean(in_order(studies, place)) == pytest.approx(expected, rel=0.1)


def test_without_triage_everybody_is_read_in_the_order_of_arrival() -> None:
    place, studies = week(0.95, readers=2)
    begun = [study.arrives + wait for study, wait in zip(studies, in_order(studies, place), strict=True)]
    assert begun == sorted(begun)
    assert min(in_order(studies, place)) >= 0


def test_triage_takes_from_some_what_it_gives_to_others_and_the_missed_pay_too() -> None:
    place, studies = week(0.95, days=14)
    before, after = in_order(studies, place), by_due_time(studies, place)
    assert statistics.fmean(after) == pytest.approx(statistics.fmean(before), rel=0.05)

    def change(flagged: bool, sick: bool) -> float:  # noqa: FBT001
        chosen = [number for number, one in enumerate(studies) if (one.flagged, one.sick) == (flagged, sick)]
        return statistics.fmean(after[number] - before[number] for number in chosen)

    assert change(flagged=True, sick=True) < 0
    assert change(flagged=True, sick=False) < 0
    assert change(flagged=False, sick=True) > 0
    assert change(flagged=False, sick=False) > 0


def test_nobody_is_overtaken_by_a_study_that_came_later_than_the_allowances_differ() -> None:
    place, studies = week(1.3, days=3)
    begun = [study.arrives + wait for study, wait in zip(studies, by_due_time(studies, place), strict=True)]
    overtaken = [
        studies[later].arrives - studies[earlier].arrives
        for earlier, later in itertools.combinations(range(len(studies)), 2)
        if begun[later] < begun[earlier]
    ]
    assert max(overtaken) <= OVERTAKES_WITHIN
    assert timedelta(hours=7.5).total_seconds() == OVERTAKES_WITHIN


def test_nobody_reads_before_the_department_opens_or_begins_after_it_closes() -> None:
    place, studies = week(0.9, opens=8, closes=20)
    for study, wait in zip(studies, by_due_time(studies, place), strict=True):
        assert 8 * HOUR <= (study.arrives + wait) % DAY < 20 * HOUR
