"""APScheduler as the clock of everything periodic. It only fires ticks; what is queued lives in the queue."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog
from apscheduler.events import EVENT_JOB_EXECUTED
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from agent.unforeseen import unforeseen

log = structlog.get_logger(__name__)


class _Every(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Fires every so many seconds; what was missed is one run, though the clock was set forward by years.

    APScheduler's own interval counts every run that was missed.
    """

    def __init__(self, seconds: float) -> None:
        self._interval = timedelta(seconds=seconds)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        planned = (previous_fire_time or now) + self._interval
        return planned if planned > now else now + self._interval


def start(
    ticks: Mapping[str, tuple[Callable[[], object], float]],
    first: Mapping[str, datetime] | None = None,
    ended: Callable[[BackgroundScheduler, str], None] = lambda _, __: None,
) -> BackgroundScheduler:
    """Fire each named tick periodically, one run at a time, missed runs folded into one; return the scheduler.

    `ticks` maps a name to what is called and the seconds between two calls, `first` to when it is first called, one
    period from now unless it says so; `ended` is told of each run's end, with the tick's name. Each has a thread for
    itself, so that one that hangs holds back no other. A tick that fails is logged and fires again.
    """
    scheduler = BackgroundScheduler(timezone="UTC", executors={"default": ThreadPoolExecutor(max(1, len(ticks)))})
    for name, (tick, seconds) in ticks.items():
        when = {"next_run_time": first[name]} if first and name in first else {}
        scheduler.add_job(
            _guarded(name, tick),
            _Every(seconds),
            id=name,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
            **when,
        )
    # Before the start: a first tick that is due now may have ended by the time that anybody could ask to be told of it.
    scheduler.add_listener(lambda event: ended(scheduler, event.job_id), EVENT_JOB_EXECUTED)
    scheduler.start()
    return scheduler


def _guarded(name: str, tick: Callable[[], object]) -> Callable[[], None]:
    def fire() -> None:
        with unforeseen(log, "tick_failed", tick=name):
            tick()

    return fire
