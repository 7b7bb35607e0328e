"""APScheduler as the clock of everything periodic. It only fires ticks; what is queued lives in the queue."""

from collections.abc import Callable

import structlog
from apscheduler.schedulers.background import BackgroundScheduler

log = structlog.get_logger(__name__)

Tick = Callable[[], None]


def start(ticks: dict[str, tuple[Tick, float]]) -> BackgroundScheduler:
    """Fire each named tick periodically, one run at a time, missed runs folded into one; return the scheduler.

    `ticks` maps a name to what is called and the seconds between two calls. A tick that fails is logged and fires
    again.
    """
    scheduler = BackgroundScheduler(timezone="UTC")
    for name, (tick, seconds) in ticks.items():
        scheduler.add_job(
            _guarded(name, tick),
            "interval",
            seconds=seconds,
            id=name,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
    scheduler.start()
    return scheduler


def _guarded(name: str, tick: Tick) -> Tick:
    def fire() -> None:
        try:
            tick()
        except Exception:
            log.exception("tick_failed", tick=name)

    return fire
