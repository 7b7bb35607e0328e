"""What the queue's contract suite shares: a queue on either engine, and workers in threads and in processes."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

from db.database import Database
from db.queue import Handler, Queue, open_queue
from db.queue.policy import Policy

QUICK = Policy(lease=timedelta(seconds=0.6), backoff=(timedelta(0), timedelta(0)), deaths=3)
"""As patient as a test can be."""


PATIENT = Policy(lease=timedelta(seconds=2), backoff=QUICK.backoff)
"""With a lease that a worker on a busy machine renews in time."""


class Enqueue(Protocol):
    def __call__(self, key: str, kind: str = "a", *, due: float = 0, run: float = 0) -> None: ...


@pytest.fixture(autouse=True)
def _no_looking_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing but news and planned times wake an idle worker, so that a lost announcement fails a test."""
    monkeypatch.setattr("db.queue.runner._LONGEST_PAUSE", 3600)


@pytest.fixture
def now() -> datetime:
    """Return one moment for the whole test, a little in the past so that jobs due now are due on any clock."""
    return datetime.now(UTC) - timedelta(seconds=1)


@pytest.fixture
def queue(database: Database) -> Queue:
    """Give a queue that forgives little."""
    return open_queue(database, QUICK)


@pytest.fixture
def patient_queue(database: Database) -> Queue:
    """Give the same queue with a longer lease."""
    return open_queue(database, PATIENT)


@pytest.fixture
def enqueue(database: Database, queue: Queue, now: datetime) -> Enqueue:
    """Return `enqueue(key, kind="a", due=0, run=0)`, times in seconds from now, in a transaction of its own."""

    def put(key: str, kind: str = "a", *, due: float = 0, run: float = 0) -> None:
        with database.begin() as connection:
            due_at, run_at = now + timedelta(seconds=due), now + timedelta(seconds=run)
            queue.enqueue(connection, kind, key, due_at=due_at, run_at=run_at)

    return put


@pytest.fixture
def working() -> Callable[..., contextlib.AbstractContextManager[threading.Event]]:
    """Return `working(queue, handlers, concurrency=1)`: a worker in a thread; it drains as the block ends."""

    @contextlib.contextmanager
    def work(queue: Queue, handlers: Mapping[str, Handler], concurrency: int = 1) -> Iterator[threading.Event]:
        stop = threading.Event()
        failures: list[BaseException] = []

        def run() -> None:
            try:
                queue.run(handlers, stop=stop, concurrency=concurrency)
            except BaseException as error:  # noqa: BLE001 - handed to the test
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield stop
        finally:
            stop.set()
            thread.join(timeout=60)
            assert not thread.is_alive(), "the worker did not drain"
            assert failures == []

    return work


@pytest.fixture
def worker_process(database: Database, quick_commands: Any) -> Iterator[Callable[[str], Any]]:
    """Return `worker_process(behaviour)`: `worker_program.py` as a real process; killed at the end if need be."""
    program = Path(__file__).with_name("worker_program.py")
    with contextlib.ExitStack() as started:

        def start(behaviour: str) -> Any:
            url = database.url.render_as_string(hide_password=False)
            child = started.enter_context(quick_commands.program(program, url, behaviour))
            started.callback(child.kill)
            return child

        yield start
