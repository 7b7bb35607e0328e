"""When studies arrive over a day: a non-homogeneous Poisson process whose rate follows the hour.

That arrivals at hospitals are well described so is the finding of Kim and Whitt, "Are Call Center and Hospital Arrivals
Well Modeled by Nonhomogeneous Poisson Processes?", Manufacturing & Service Operations Management 16(3), 2014, 464-480.
"""

import itertools
import random
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

HOUR: Final = 3600.0

FLAT: Final = (1.0,) * 24
"""The same rate all day: for load and chaos."""
UNPLANNED: Final = (7, 9, 11, 6, 4, 1, 1, 5, 5, 2, 11, 12, 20, 12, 15, 15, 18, 19, 15, 11, 18, 15, 12, 10)
"""254 arrivals at an intensive care unit by hour: D. R. Cox and P. A. W. Lewis, The Statistical Analysis of Series of
Events, Methuen, London 1966; N. I. Fisher, Statistical Analysis of Circular Data, Cambridge University Press 1993,
appendix B.1. Real, if few: what comes unplanned comes from noon to late in the evening."""
ATTENDANCES: Final = tuple(0.6 / 9 if 9 <= hour < 18 else 0.4 / 15 for hour in range(24))  # noqa: PLR2004
"""Close to 60 % of attendances at accident and emergency departments in England arrived from 9 to 18 between March 2012
and February 2013 (Health and Social Care Information Centre, as reported in "Most A&E attendances in work hours",
Healthcare Leader 2013). Many, if coarse: two rates."""
PROFILES: Final = {"unplanned": UNPLANNED, "attendances": ATTENDANCES, "flat": FLAT}


class Profile:
    """Shares of a day's arrivals by hour of the day; the rate within an hour is constant."""

    def __init__(self, shares: Sequence[float], *, first_hour: int = 0, hours: int = 24) -> None:
        """Take `hours` hours of the day from `first_hour` on, past midnight if need be.

        Raises ValueError unless there are 24 shares, none negative, and some in these hours.
        """
        if len(shares) != len(FLAT) or min(shares) < 0:
            message = f"expected 24 shares of 0 or more. Received: {len(shares)}"
            raise ValueError(message)
        taken = [shares[(first_hour + hour) % len(shares)] for hour in range(hours)]
        whole = sum(taken)
        if not whole > 0:
            message = f"expected arrivals between these hours. Received: first_hour={first_hour} hours={hours}"
            raise ValueError(message)
        self._masses = [share / whole for share in taken]
        self._below = [0.0, *itertools.accumulate(self._masses)]

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self._masses) * HOUR

    def rate(self, at: float) -> float:
        """Return the arrivals each second, as a share of all, at `at` seconds."""
        hour = int(at // HOUR)
        return self._masses[hour] / HOUR if 0 <= hour < len(self._masses) else 0.0

    def time_of(self, share: float) -> float:
        """Return by when `share` (0 to 1) of the arrivals have come, in seconds: the inverse of the cumulated rate."""
        hour = max(0, min(bisect_left(self._below, share, 1) - 1, len(self._masses) - 1))
        mass = self._masses[hour]
        within = (share - self._below[hour]) / mass if mass > 0 else 0.0
        return (hour + min(max(within, 0.0), 1.0)) * HOUR

    def arrivals(self, mean: float, chance: random.Random) -> Iterator[float]:
        """Yield the times of a day with `mean` arrivals on average, ascending, in seconds.

        Gaps in the cumulated rate are exponential: its inverse makes them a non-homogeneous Poisson process.
        """
        come = chance.expovariate(1.0)
        while come < mean:
            yield self.time_of(come / mean)
            come += chance.expovariate(1.0)

    def exactly(self, count: int, chance: random.Random) -> list[float]:
        """Return the times of a day with `count` arrivals: the same process, given their number."""
        return sorted(self.time_of(chance.random()) for _ in range(count))
