"""Jobs run in the order of their due times, each once at a time, and the worker drains."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from commands import QuickProgram

from db.database import Database
from db.queue import Done, Job, Queue, Settlement, utc_now

Enqueue = Callable[..., None]
Working = Callable[..., object]


class Recorder:
    """A handler that notes the keys it was called with, and says when there were enough."""

    def __init__(self, expected: int) -> None:
        self.keys: list[str] = []
        self.enough = threading.Event()
        self._expected = expected

    def __call__(self, job: Job) -> Settlement:
        self.keys.append(job.key)
        if len(self.keys) >= self._expected:
            self.enough.set()
        return Done()


def test_jobs_start_in_the_order_of_their_due_times(queue: Queue, enqueue: Enqueue, working: Working) -> None:
    for key, due in (("late", 7200), ("soon", 60), ("overdue", -60), ("later", 7260), ("long ago", -86400)):
        enqueue(key, due=due)
    handle = Recorder(5)
    with working(queue, {"a": handle}):
        assert handle.enough.wait(60)
    assert handle.keys == ["long ago", "overdue", "soon", "late", "later"]


def test_of_several_kinds_the_job_that_is_due_first_starts_first(
    queue: Queue, enqueue: Enqueue, working: Working
) -> None:
    enqueue("2", "a", due=200)
    enqueue("1", "b", due=100)
    enqueue("3", "a", due=300)
    handle = Recorder(3)
    with working(queue, {"a": handle, "b": handle}):
        assert handle.enough.wait(60)
    assert handle.keys == ["1", "2", "3"]


def test_a_job_is_run_when_its_time_has_come_and_not_before(
    queue: Queue, enqueue: Enqueue, working: Working, now: datetime
) -> None:
    ran_at = []
    ended = threading.Event()

    def handle(_job: Job) -> Settlement:
        ran_at.append(utc_now())
        ended.set()
        return Done()

    enqueue("1", due=-100, run=1.4)
    with working(queue, {"a": handle}):
        assert ended.wait(60)
    assert ran_at[0] >= now + timedelta(seconds=1.4)


def test_kinds_without_a_handler_are_left_alone(queue: Queue, enqueue: Enqueue, working: Working) -> None:
    enqueue("1", "b", due=-100)
    enqueue("2", "a")
    handle = Recorder(1)
    with working(queue, {"a": handle}):
        assert handle.enough.wait(60)
        assert not threading.Event().wait(0.2)
    assert handle.keys == ["2"]
    assert [(depth.kind, depth.waiting) for depth in queue.depth(utc_now())] == [("b", 1)]


def test_a_worker_without_handlers_is_a_mistake(queue: Queue) -> None:
    with pytest.raises(ValueError, match="handler"):
        queue.run({}, stop=threading.Event(), concurrency=1)


def test_a_key_never_runs_twice_at_once_and_its_next_job_follows(
    queue: Queue, enqueue: Enqueue, working: Working
) -> None:
    running = 0
    lock = threading.Lock()
    entered, second = threading.Event(), threading.Event()
    overlap = []

    def handle(job: Job) -> Settlement:
        nonlocal running
        with lock:
            running += 1
            overlap.append(running)
        if entered.is_set():
            second.set()
        else:
            enqueue(job.key)  # one more waits while this one runs
            entered.set()
            threading.Event().wait(0.3)
        with lock:
            running -= 1
        return Done()

    enqueue("1")
    with working(queue, {"a": handle}, 4), working(queue, {"a": handle}, 4):
        assert second.wait(60)
    assert overlap == [1, 1]
    assert queue.depth(utc_now()) == ()


def test_as_many_jobs_run_at_once_as_the_worker_has_hands(queue: Queue, enqueue: Enqueue, working: Working) -> None:
    together = threading.Barrier(3)  # lets nobody through before three jobs run at once
    ended = threading.Semaphore(0)

    def handle(_job: Job) -> Settlement:
        together.wait(timeout=60)
        ended.release()
        return Done()

    for key in "123":
        enqueue(key)
    with working(queue, {"a": handle}, 3):
        assert all(ended.acquire(timeout=60) for _ in range(3))


def test_a_stopped_worker_ends_what_runs_and_starts_nothing_more(
    patient_queue: Queue, enqueue: Enqueue, working: Working
) -> None:
    queue = patient_queue
    started, release = threading.Event(), threading.Event()
    ended: list[str] = []

    def handle(job: Job) -> Settlement:
        started.set()
        release.wait(60)
        ended.append(job.key)
        return Done()

    enqueue("1", due=1)
    enqueue("2", due=2)
    with working(queue, {"a": handle}) as stop:
        assert started.wait(60)
        stop.set()
        assert not threading.Event().wait(2.5)  # longer than the lease: the heart beats on while it drains
        assert queue.reap(utc_now()) == 0
        release.set()
    assert ended == ["1"]
    assert [(depth.waiting, depth.running) for depth in queue.depth(utc_now())] == [(1, 0)]


def test_two_worker_processes_share_the_work_and_double_none_of_it(
    database: Database,
    queue: Queue,
    worker_process: Callable[[str], QuickProgram],
    eventually: Callable[..., None],
) -> None:
    keys = [str(number) for number in range(200)]
    now = utc_now()
    workers = [worker_process("do"), worker_process("do")]
    assert [worker.stdout.readline() for worker in workers] == ["up\n", "up\n"]
    with database.begin() as connection:
        for key in keys:
            queue.enqueue(connection, "a", key, due_at=now, run_at=now)
    eventually(lambda: queue.depth(now) == ())
    for worker in workers:
        worker.terminate()
    done = [worker.communicate(timeout=60)[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert Counter(done[0] + done[1]) == Counter(keys)
    assert all(done)
