"""When a job whose run went wrong is tried again and when it is parked: values and decisions, apart from running."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How patient the queue is with its workers and handlers."""

    lease: timedelta = timedelta(seconds=15)
    """A worker that has not been heard of for so long is dead. It renews its claims every third of it."""
    deaths: int = 3
    """A job is parked when its worker died this many times in a row, the last time with nothing else in the process."""
    backoff: tuple[timedelta, ...] = field(default=tuple(timedelta(seconds=5**power) for power in range(4)))
    """The pause after the first, second, ... unexpected exception in a row; the job is parked after one more."""

    longest: timedelta = timedelta(minutes=10)
    """How long a job may run, unless its worker says otherwise: one that takes longer hangs, and its process is ended.
    That counts as its worker's death, of this job alone."""
    grace: timedelta = timedelta(seconds=10)
    """How long the others in a process that is to be ended may take to end before they are given back."""

    def is_last_chance(self, deaths: int) -> bool:
        """Tell whether a job is parked if its worker dies once more.

        It runs alone then: of several that were in a process as it died, nobody knows whose fault it was. So no job is
        parked for what another one did: each is blamed for company at most `deaths - 1` times, and its next run, alone,
        ends as any other.
        """
        return deaths >= self.deaths - 1
