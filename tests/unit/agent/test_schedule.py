"""The clock of what is periodic."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from apscheduler.events import EVENT_JOB_MAX_INSTANCES
from apscheduler.schedulers.background import BackgroundScheduler
from structlog.testing import capture_logs

from agent.process import schedule

FAST = 0.01


@pytest.fixture
def started() -> Iterator[Callable[..., BackgroundScheduler]]:
    """Return `started(**ticks)`: the running clock of ticks that are all fast."""
    running: list[BackgroundScheduler] = []

    def start(**ticks: Callable[[], object]) -> BackgroundScheduler:
        running.append(schedule.start({name: (tick, FAST) for name, tick in ticks.items()}))
        return running[-1]

    yield start
    for clock in running:
        clock.shutdown()


def test_a_tick_that_fails_is_logged_and_fires_again(started: Callable[..., BackgroundScheduler]) -> None:
    calls: list[int] = []
    recovered = threading.Event()

    def tick() -> None:
        calls.append(len(calls))
        if len(calls) == 1:
            message = "Doe^Jane"
            raise LookupError(message)
        recovered.set()

    with capture_logs() as events:
        started(close=tick)
        assert recovered.wait(60)
    (event,) = events
    assert (event["event"], event["tick"], event["log_level"]) == ("tick_failed", "close", "error")


def test_a_tick_that_fails_stops_no_other(started: Callable[..., BackgroundScheduler]) -> None:
    failed, fired = threading.Event(), threading.Event()

    def fail() -> None:
        failed.set()
        raise LookupError

    with capture_logs():
        started(reap=fail, close=lambda: fired.set() if failed.is_set() else None)
        assert fired.wait(60)


def test_no_tick_runs_twice_at_once_and_missed_ones_become_one(
    started: Callable[..., BackgroundScheduler],
) -> None:
    calls: list[int] = []
    skipped, again = threading.Event(), threading.Event()

    def slow() -> None:
        calls.append(1)
        if len(calls) == 1:
            assert skipped.wait(60)  # the clock wanted to fire while this run was under way
            assert len(calls) == 1
        else:
            again.set()

    clock = started(close=slow)
    clock.add_listener(lambda _: skipped.set(), EVENT_JOB_MAX_INSTANCES)
    assert again.wait(60)
    (job,) = clock.get_jobs()
    assert (job.max_instances, job.coalesce, job.misfire_grace_time) == (1, True, None)


def test_the_end_of_a_tick_that_is_due_at_once_is_told_however_soon_it_comes() -> None:
    for _ in range(30):
        told = threading.Event()
        first = {"close": datetime.now(UTC)}
        clock = schedule.start({"close": (lambda: None, 3600)}, first, lambda _, __, told=told: told.set())
        try:
            assert told.wait(60)
        finally:
            clock.shutdown()
