"""The ticks of the cluster: any number of processes stand by, and the one that holds the lock runs them.

A process that dies, or is not heard of, loses the lock; another then runs every tick from where its row says that it
stands. So a tick may be run twice (a host was suspended in the middle of it) and may be late: each has to bear that.
"""

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

from agent.logs import raised_at
from agent.process import schedule
from db.clock_lock import ClockLock, clock_lock
from db.database import Database
from db.errors import DatabaseError
from db.ticks import TickRow, record, take_over

log = structlog.get_logger(__name__)

_LOOK: Final = 1.0
"""Seconds between two looks at the lock, by who holds it and by who would like to."""

_WRITE: Final = 5.0
"""Seconds until the rows say how frequent ticks stand; that one fails or mends is written at the next look."""

_RARE: Final = 30.0
"""Seconds: each run of a tick of this period or a longer one is on record before it begins, and when it has ended."""

_SILENT: Final = 120.0
"""Seconds after which a look at the lock hangs: somebody between here and the database swallows what is said."""

_DRAIN: Final = 2.0
"""Seconds for the runs that are under way to end before another process takes over."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What is done every so many `seconds`. It is safe to run twice, anywhere, and to miss.

    It may return when it wants to be called next, if that is sooner than its period. A run that takes longer than
    `longest_seconds` hangs: its process is replaced. A run that ends early because its process stops raises.
    """

    run: Callable[[], datetime | None]
    seconds: float
    longest_seconds: float = 600


class Clockwork:
    """Takes part in running the ticks."""

    def __init__(
        self,
        database: Database,
        ticks: Mapping[str, Tick],
        clock: Callable[[], datetime],
        hangs: Callable[[], None],
    ) -> None:
        """`hangs` is called when a tick does: it is to end this process."""
        self._database = database
        self._ticks = ticks
        self._clock = clock
        self._hangs = hangs
        # Two containers on the host's network share its name, and may well be the same number in either.
        self._process = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"
        self._rows: dict[str, TickRow] = {}
        self._untold: set[str] = set()
        self._urgent = False
        self._begun: dict[
            str, float
        ] = {}  # the runs under way, also of an earlier term, since when on the steady clock
        self._sooner: dict[str, datetime] = {}
        self._guard = threading.Lock()
        self._writer = threading.Lock()
        self._written = 0.0
        self._looked = 0.0

    def run(self, stop: threading.Event) -> None:
        """Stand by, and run the ticks while this process holds the lock, until `stop` is set."""
        lock = clock_lock(self._database)
        self._looked = time.monotonic()
        threading.Thread(target=self._watch, args=(stop,), name="clock-watch", daemon=True).start()
        try:
            while not stop.is_set():
                self._looked = time.monotonic()
                try:
                    if not self._begun and lock.take():
                        self._lead(lock, stop)
                except DatabaseError as error:
                    log.warning("clock_unavailable", error=type(error).__name__)
                stop.wait(_LOOK)
        finally:
            lock.release()

    def _watch(self, stop: threading.Event) -> None:
        """End this process where a tick, or looking at the lock, hangs."""
        while not stop.wait(_LOOK):
            with self._guard:
                begun = {name: (since, self._ticks[name].longest_seconds) for name, since in self._begun.items()}
            for name, (since, longest) in begun.items() | {("lock", (self._looked, _SILENT))}:
                if (seconds := time.monotonic() - since) > longest:
                    log.error("tick_hangs", tick=name, seconds=round(seconds))
                    self._hangs()

    def _lead(self, lock: ClockLock, stop: threading.Event) -> None:
        wanted = {name: (tick.seconds, tick.longest_seconds) for name, tick in self._ticks.items()}
        rows = take_over(self._database, wanted, process=self._process, now=self._clock())
        self._rows = {row.name: row for row in rows}
        self._sooner.clear()
        fired = {name: (partial(self._fire, name), tick.seconds) for name, tick in self._ticks.items()}
        scheduler = schedule.start(fired, {row.name: row.next_at for row in rows}, self._bring_forward)
        log.info("clock_leads", process=self._process)
        try:
            while lock.is_held() and not stop.wait(_LOOK):
                self._tend(scheduler)
        finally:
            scheduler.shutdown(wait=False)
            self._drain()
            self._write()
            if not stop.is_set():
                log.warning("clock_lost", process=self._process)

    def _tend(self, scheduler: BackgroundScheduler) -> None:
        """Look after the ticks: none waits longer than it said, nor than its period, though the clock was set back."""
        self._looked = time.monotonic()
        now = self._clock()
        for job in scheduler.get_jobs():
            if job.next_run_time - now > timedelta(seconds=self._ticks[job.id].seconds):
                scheduler.modify_job(job.id, next_run_time=now)
            self._bring_forward(scheduler, job.id)
        if self._urgent or time.monotonic() >= self._written + _WRITE:
            self._write()

    def _fire(self, name: str) -> None:
        """Run a tick, and note how it went. What it raises goes on to the schedule's edge."""
        began = time.monotonic()
        with self._guard:
            self._begun[name] = began
        self._sooner.pop(name, None)
        self._note(name, lambda row: row.begun(self._clock()))
        sooner, error = None, ""
        try:
            sooner = self._ticks[name].run()
        except Exception as raised:
            error = f"{type(raised).__name__} at {raised_at(raised)}"
            raise
        finally:
            seconds = time.monotonic() - began
            with self._guard:
                self._begun.pop(name, None)
            if error:
                sooner = self._note(name, lambda row: row.failed(self._clock(), seconds, error)).next_at
            else:
                self._note(name, lambda row: row.done(self._clock(), seconds))
            if sooner is not None:
                self._sooner[name] = sooner

    def _bring_forward(self, scheduler: BackgroundScheduler, name: str) -> None:
        """Plan the next run sooner, if the one that has ended says so.

        A run that ends before APScheduler has planned the next one is told of too early, and what is planned here is
        planned over: so this is looked at again (`_tend`) until the next run begins.
        """
        at, job = self._sooner.get(name), scheduler.get_job(name)
        if at is not None and job is not None and at < job.next_run_time:
            with suppress(JobLookupError):  # this process does not lead any more
                scheduler.modify_job(name, next_run_time=at)

    def _note(self, name: str, change: Callable[[TickRow], TickRow]) -> TickRow:
        with self._guard:
            before, after = self._rows[name], change(self._rows[name])
            self._rows[name] = after
            self._untold.add(name)
            self._urgent |= bool(before.failures_in_a_row) != bool(after.failures_in_a_row)
        if after.period_seconds >= _RARE:
            self._write()
        return after

    def _write(self) -> None:
        with self._writer:
            self._write_untold()

    def _write_untold(self) -> None:
        with self._guard:
            rows = [self._rows[name] for name in sorted(self._untold)]
            urgent, self._urgent = self._urgent, False
            self._untold.clear()
        self._written = time.monotonic()
        try:
            record(self._database, rows)
        except DatabaseError as error:
            log.warning("ticks_not_recorded", error=type(error).__name__)
            with self._guard:
                self._untold.update(row.name for row in rows)
                self._urgent |= urgent

    def _drain(self) -> None:
        deadline = time.monotonic() + _DRAIN
        pause = threading.Event()
        while self._begun and time.monotonic() < deadline:
            pause.wait(0.02)
