"""Radiologists who read a worklist in the order of due times: how long studies wait, with triage and without.

A discrete-event simulation without a clock: the same weeks are read twice, in the order in which the studies came and
in the order of `db.priority`, by the very functions that order the worklist. Waiting ends when reading begins.
"""

import heapq
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from agent.simulation.arrival import HOUR, Profile
from db.priority import FLAGGED_PRIORITY, Allowances, Priority, due_at, effective

DAY: Final = 24 * HOUR
_MIDNIGHT: Final = datetime(2026, 1, 5, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Department:
    """Who reads, and how.

    `readers` read from `opens` to `closes` o'clock; each reading takes a lognormal time of this mean and coefficient of
    variation. `load`: reading time that arrives in a day over reading time that there is.
    """

    load: float
    readers: int = 1
    opens: int = 0
    closes: int = 24
    mean_seconds: float = 180.0
    variation: float = 1.0

    @property
    def studies_a_day(self) -> float:
        """How many arrive."""
        return self.load * self.readers * (self.closes - self.opens) * HOUR / self.mean_seconds

    def seconds(self, chance: random.Random) -> float:
        """Draw how long one reading takes."""
        variance = math.log1p(self.variation**2)
        return chance.lognormvariate(math.log(self.mean_seconds) - variance / 2, math.sqrt(variance))

    def next_opening(self, at: float) -> float:
        """Return `at`, or when reading begins again if nobody reads then."""
        day, within = divmod(at, DAY)
        if within < self.opens * HOUR:
            return day * DAY + self.opens * HOUR
        return at if within < self.closes * HOUR else (day + 1) * DAY + self.opens * HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What the model does: the share of sick studies that it flags, of well ones that it does not, and how soon."""

    sensitivity: float
    specificity: float
    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Study:
    """A study: when it arrives, in seconds, whether it is sick and flagged, and how long its reading takes."""

    arrives: float
    sick: bool
    flagged: bool
    reading: float


def arriving(
    department: Department, model: Reader, profile: Profile, *, prevalence: float, days: int, chance: random.Random
) -> list[Study]:
    """Draw the studies of some days; each day follows the profile."""
    studies = []
    for number in range(days):
        for at in profile.arrivals(department.studies_a_day, chance):
            sick = chance.random() < prevalence
            flagged = chance.random() < (model.sensitivity if sick else 1 - model.specificity)
            studies.append(Study(number * DAY + at, sick, flagged, department.seconds(chance)))
    return studies


def waits(
    studies: Sequence[Study], department: Department, *, flags_after: float | None, allowances: Allowances
) -> list[float]:
    """Return for each study how long it waits until its reading begins, in seconds.

    A flagged study is raised `flags_after` seconds after it arrived, if nobody has begun to read it; None: no triage.
    """
    postings = sorted(_postings(studies, flags_after, allowances))
    free = [0.0] * department.readers
    queue: list[tuple[datetime, int]] = []
    begun: dict[int, float] = {}
    posted = 0
    while len(begun) < len(studies):
        now = department.next_opening(heapq.heappop(free))
        while posted < len(postings) and postings[posted][0] <= now:
            heapq.heappush(queue, postings[posted][1:])
            posted += 1
        while queue and queue[0][1] in begun:  # raised in the meantime, and read
            heapq.heappop(queue)
        if not queue:
            heapq.heappush(free, postings[posted][0])
            continue
        _, number = heapq.heappop(queue)
        begun[number] = now
        heapq.heappush(free, now + studies[number].reading)
    return [begun[number] - study.arrives for number, study in enumerate(studies)]


def _postings(
    studies: Sequence[Study], flags_after: float | None, allowances: Allowances
) -> list[tuple[float, datetime, int]]:
    """Return when each study takes which place on the worklist: its due time, and its number among equals."""
    found = []
    for number, study in enumerate(studies):
        received_at = _MIDNIGHT + timedelta(seconds=study.arrives)
        unread = effective(Priority.ROUTINE, None, None)
        found.append((study.arrives, due_at(received_at, unread, allowances), number))
        if flags_after is not None and study.flagged:
            raised = effective(Priority.ROUTINE, FLAGGED_PRIORITY, None)
            found.append((study.arrives + flags_after, due_at(received_at, raised, allowances), number))
    return found
