"""When a study closes: the one rule. Pure, so that it can be read, tested and printed.

What is known of a study that arrives, the first line that fits counts; `forced` after the revision began ends each.

| known | the first revision closes | a later one |
|---|---|---|
| a performed procedure step is IN PROGRESS | `in_progress` after the last Instance | the same, or quiet if longer |
| all have ended, and what they name is here | at once | at once |
| all have ended, and some of what they name is missing | when quiet | when quiet |
| no association brings it any more | `after_release` after its release; quiet if it broke off | when quiet |
| nothing | when quiet | when quiet |

Quiet is `quiet` after the last Instance, and twice as long for each revision before this one: a modality that sends an
image for each association, or one association held open all day, makes a revision of every pause only at first.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

_DOUBLINGS = 30  # beyond any number of revisions at which `forced` counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long each kind of waiting lasts: see config.toml [complete]."""

    after_release: timedelta = timedelta(seconds=2)
    quiet: timedelta = timedelta(seconds=30)
    in_progress: timedelta = timedelta(minutes=5)
    forced: timedelta = timedelta(minutes=15)

    def quiet_of(self, revision: int) -> timedelta:
        """Return how long a revision has to be quiet."""
        doubled: timedelta = self.quiet * 2 ** min(revision - 1, _DOUBLINGS)
        return min(doubled, self.forced)


class Steps(StrEnum):
    """What the performed procedure steps of a study say together (PS3.3 C.4.14)."""

    NONE = ""  # none is known
    IN_PROGRESS = "in progress"
    MISSING = "missing"  # all have ended; Instances that they name have not come
    HERE = "here"  # all have ended; what they name is here, and nothing else is
    SILENT = "silent"  # all have ended, and do not say of what is here or may come


def waits_for_quiet(revision: int, steps: Steps) -> bool:
    """Tell whether the end of the last association that brought the study says nothing of its end."""
    return revision > 1 or steps in {Steps.IN_PROGRESS, Steps.MISSING}


def close_time(
    timing: Timing,
    *,
    revision: int,
    started_at: datetime,
    last_at: datetime,
    steps: Steps = Steps.NONE,
    now: datetime | None = None,
    released_at: datetime | None = None,
) -> datetime:
    """Return when the study is complete unless something happens.

    `last_at`: when its last Instance, or the end of its last step, arrived. `now` is needed where steps are HERE.
    `released_at`: when the last association that brought it ended, None while one is open or where none is known.
    """
    quiet = last_at + timing.quiet_of(revision)
    if steps is Steps.HERE and now is not None:
        planned = now
    elif steps is Steps.IN_PROGRESS:
        planned = max(quiet, last_at + timing.in_progress)
    elif released_at is None or waits_for_quiet(revision, steps):
        planned = quiet
    else:
        planned = min(quiet, released_at + timing.after_release)
    return min(planned, started_at + timing.forced)
