"""Hundreds of jobs, several worker processes, some of them killed: each job's effect once, in order, none lost."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from commands import QuickCommands, QuickProgram
from sqlalchemy import text

from db.database import Database
from db.queue import open_queue, utc_now
from db.queue.policy import Policy

JOBS = 500
WORKERS = 3
KILLED = 2
LEASE = 4.0
"""Seconds: longer than a worker that lives is ever held up."""


class Worker:
    """A worker process, and the jobs that it says it runs: (key, attempt)."""

    def __init__(self, process: QuickProgram) -> None:
        self.process = process
        self.runs: list[tuple[int, int]] = []
        self.news = threading.Condition()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def has_run(self, jobs: int) -> bool:
        """Tell whether it has run so many, waiting a moment for it."""
        with self.news:
            return self.news.wait_for(lambda: len(self.runs) >= jobs, 0.5)

    def end(self, *, kill: bool = False) -> None:
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        assert self.process.wait(60) == (-9 if kill else 0)
        self._thread.join(60)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith("\n"):  # one that was killed may leave half a line
                key, attempt = line.split()
                with self.news:
                    self.runs.append((int(key), int(attempt)))
                    self.news.notify_all()


@pytest.fixture
def worker(database: Database, quick_commands: QuickCommands) -> Iterator[Callable[[], Worker]]:
    """Return `worker()`: starts one."""
    program = Path(__file__).with_name("load_program.py")
    url = database.url.render_as_string(hide_password=False)
    with ExitStack() as started:

        def start() -> Worker:
            process = started.enter_context(quick_commands.program(program, url, str(LEASE)))
            started.callback(process.kill)
            return Worker(process)

        yield start


def test_under_load_with_workers_that_are_killed_each_effect_comes_once_and_in_order(
    database: Database, worker: Callable[[], Worker], now: datetime, eventually: Callable[..., None]
) -> None:
    queue = open_queue(database, Policy(lease=timedelta(seconds=LEASE)))
    with database.begin() as connection:
        connection.execute(text("CREATE TABLE effect (key varchar(8) PRIMARY KEY, runs integer NOT NULL)"))

    jobs = 0

    def enqueue(more: int) -> None:
        nonlocal jobs
        for start in range(jobs, jobs + more, 50):
            with database.begin() as connection:
                for number in reversed(range(start, start + 50)):  # due in another order than written
                    due_at = now - timedelta(days=1) + timedelta(seconds=number)
                    queue.enqueue(connection, "a", str(number), due_at=due_at, run_at=now)
        jobs += more

    enqueue(JOBS // 2)
    workers = [worker() for _ in range(WORKERS)]
    for victim in workers[:KILLED]:
        while not victim.has_run(20):
            assert victim.process.poll() is None, "expected a worker that goes on"
            enqueue(50)  # a worker that starts late finds some left, however quick the others are
        victim.end(kill=True)
        workers.append(worker())
    enqueue(JOBS // 2)  # while they work
    eventually(lambda: queue.reap(utc_now()) == 0 and queue.depth(utc_now()) == ())
    for survivor in workers[KILLED:]:
        survivor.end()

    with database.read() as connection:
        effects = {int(key): runs for key, runs in connection.execute(text("SELECT key, runs FROM effect"))}
    assert effects.keys() == set(range(jobs)), "no job is lost"
    assert sum(effects.values()) - jobs <= KILLED, "a job is run again only if its worker was killed"
    assert queue.parked() == ()
    late = [key for one in workers for key in behind([key for key, attempt in one.runs if attempt == 1])]
    assert len(late) <= KILLED, "each worker takes the first to be due, but for what a killed one had locked"
    assert sum(len(one.runs) for one in workers) >= jobs


def behind(keys: list[int]) -> list[int]:
    """Return those that come after one that is due later."""
    return [key for place, key in enumerate(keys) if key < max(keys[:place], default=0)]
