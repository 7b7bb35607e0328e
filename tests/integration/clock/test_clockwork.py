"""The ticks of one process: what their rows say when they run, fail, hang, and when its clock jumps."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from agent.process import schedule
from agent.process.clockwork import Clockwork, Tick
from db.database import Database
from db.ticks import DIED, Health, TickRow, record, take_over, ticks

DAY = timedelta(days=1)


def utc_now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def run(sqlite_database: Database) -> Iterator[Callable[..., threading.Event]]:
    """Return `run(clock=utc_now, **ticks)`: a clock that runs them; the event that a tick hangs."""
    stop, threads = threading.Event(), []

    def begin(clock: Callable[[], datetime] = utc_now, **given: Tick) -> threading.Event:
        hung = threading.Event()
        work = Clockwork(sqlite_database, given, clock, hangs=hung.set)
        threads.append(threading.Thread(target=work.run, args=(stop,)))
        threads[-1].start()
        return hung

    yield begin
    stop.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


@pytest.fixture
def row(sqlite_database: Database) -> Callable[[str], TickRow]:
    """Return `row(name)`: how a tick stands; one that is not on record yet has not begun."""

    def find(name: str) -> TickRow:
        now = utc_now()
        nothing = TickRow(name=name, period_seconds=1, longest_seconds=1, process="", next_at=now, ended_at=now)
        return next((row for row in ticks(sqlite_database) if row.name == name), nothing)

    return find


def test_a_failure_is_on_record_without_its_message_until_the_tick_does_well_again(
    run: Callable[..., Any], row: Callable[[str], TickRow], eventually: Callable[..., None]
) -> None:
    well = threading.Event()

    def tick() -> None:
        if not well.is_set():
            message = "Doe^Jane"
            raise LookupError(message)

    with capture_logs():
        run(scrub=Tick(tick, 0.05))
        eventually(lambda: row("scrub").failures_in_a_row)
        failing = row("scrub")
        well.set()
        eventually(lambda: not row("scrub").failures_in_a_row)
    assert failing.health(utc_now()) is Health.FAILING
    assert failing.error.startswith("LookupError at ")
    assert "Doe" not in failing.error
    assert row("scrub").failures >= failing.failures
    assert (row("scrub").error, row("scrub").failing_since) == (failing.error, None)
    assert row("scrub").health(utc_now()) is Health.OK


def test_a_tick_that_hangs_stops_no_other_is_seen_running_and_has_its_process_replaced(
    run: Callable[..., threading.Event], row: Callable[[str], TickRow], eventually: Callable[..., None]
) -> None:
    let_go, others = threading.Event(), []

    def hang() -> None:
        let_go.wait(60)

    with capture_logs() as events:
        hung = run(
            hangs=Tick(hang, 60, longest_seconds=1.5),
            close=Tick(lambda: others.append(1), 0.05),
        )
        eventually(lambda: row("hangs").running_since)
        seen = len(others)
        assert row("hangs").health(utc_now()) is Health.RUNNING
        assert hung.wait(60)
        assert row("hangs").health(utc_now() + timedelta(seconds=2)) is Health.OVERDUE
        eventually(lambda: len(others) > seen)
        let_go.set()
    assert {event["tick"] for event in events if event["event"] == "tick_hangs"} == {"hangs"}


def test_a_tick_is_called_sooner_when_it_says_so(run: Callable[..., Any], eventually: Callable[..., None]) -> None:
    calls: list[int] = []

    def tick() -> datetime:
        calls.append(1)
        return utc_now()

    run(close=Tick(tick, 3600))
    eventually(lambda: len(calls) > 5)


def test_a_tick_is_called_sooner_also_if_its_end_was_told_too_early(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., None]
) -> None:
    """APScheduler tells of it before it has planned the next run, where the run is quicker than that."""
    calls: list[int] = []
    start = schedule.start
    monkeypatch.setattr(schedule, "start", lambda fired, first, _: start(fired, first))

    def tick() -> datetime:
        calls.append(1)
        return utc_now()

    run(close=Tick(tick, 3600))
    eventually(lambda: len(calls) > 1)


def test_a_clock_that_was_set_back_by_a_day_keeps_nothing_waiting(
    run: Callable[..., Any], row: Callable[[str], TickRow], eventually: Callable[..., None]
) -> None:
    calls: list[int] = []
    ahead = threading.Event()
    ahead.set()
    run(clock=lambda: utc_now() + DAY if ahead.is_set() else utc_now(), close=Tick(lambda: calls.append(1), 0.5))
    eventually(lambda: row("close").next_at > utc_now() + DAY / 2)
    ahead.clear()
    eventually(lambda: calls)


def test_who_takes_over_goes_on_where_the_rows_stand(database: Database) -> None:
    now = utc_now()
    wanted = {"backup": (86400.0, 600.0), "new": (60.0, 600.0), "scrub": (86400.0, 600.0)}
    taken = {found.name: found for found in take_over(database, wanted, process="a:1", now=now)}
    assert {found.next_at for found in taken.values()} == {now}
    begun = taken["backup"].begun(now)
    record(database, [begun.done(now, 3.0), taken["scrub"].begun(now)])

    later = now + timedelta(hours=1)
    wanted = {"backup": (86400.0, 600.0), "scrub": (86400.0, 600.0)}
    backup, scrub = take_over(database, wanted, process="b:2", now=later)
    assert (backup.next_at, backup.runs, backup.seconds) == (now + DAY, 1, 3.0)
    # What the other had begun has failed, and is not put off for a day.
    assert (scrub.error, scrub.failures, scrub.next_at) == (DIED, 1, later + timedelta(minutes=1))

    record(database, [begun.failed(later, 1.0, "OSError")])  # by the first process, which was suspended meanwhile
    assert {found.name: found.error for found in ticks(database)} == {"backup": "", "scrub": DIED}
