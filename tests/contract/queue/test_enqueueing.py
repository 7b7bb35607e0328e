"""A job exists if and when the caller's transaction commits; one of a key waits."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from db.database import Database
from db.queue import LONGEST_KIND, Done, Job, KindDepth, Queue, RetryAt, Settlement

Enqueue = Callable[..., None]


class Abandoned(Exception):  # noqa: N818 - an event of the test, not an error
    pass


def depths(queue: Queue, now: datetime) -> dict[str, tuple[int, int, int, int]]:
    return {d.kind: (d.waiting, d.later, d.running, d.parked) for d in queue.depth(now + timedelta(seconds=1))}


def test_a_transaction_that_rolls_back_enqueues_nothing(database: Database, queue: Queue, now: datetime) -> None:
    def abandoned() -> None:
        with database.begin() as connection:
            queue.enqueue(connection, "a", "1", due_at=now, run_at=now)
            raise Abandoned

    with pytest.raises(Abandoned):
        abandoned()
    assert queue.depth(now) == ()


def test_a_job_is_not_run_before_its_transaction_commits(
    database: Database, queue: Queue, now: datetime, working: Callable[..., object]
) -> None:
    ran = threading.Event()

    def handle(_job: Job) -> Settlement:
        ran.set()
        return Done()

    with working(queue, {"a": handle}):
        with database.begin() as connection:
            queue.enqueue(connection, "a", "1", due_at=now, run_at=now)
            assert not ran.wait(0.3)
        assert ran.wait(60)


def test_an_idle_worker_hears_of_a_new_job(queue: Queue, enqueue: Enqueue, working: Callable[..., object]) -> None:
    ran = [threading.Event(), threading.Event()]

    def handle(job: Job) -> Settlement:
        ran[int(job.key)].set()
        return Done()

    with working(queue, {"a": handle}):
        enqueue("0")
        assert ran[0].wait(60)
        threading.Event().wait(0.3)  # idle by now
        enqueue("1")
        assert ran[1].wait(60)


def test_of_one_key_one_job_waits_with_the_earlier_of_both_times(queue: Queue, enqueue: Enqueue, now: datetime) -> None:
    enqueue("1", due=60, run=30)
    enqueue("1", due=30, run=60)
    enqueue("1", due=45, run=45)
    assert depths(queue, now) == {"a": (0, 1, 0, 0)}
    assert depths(queue, now + timedelta(seconds=29)) == {"a": (1, 0, 0, 0)}
    assert run_for_a_moment(queue) == []


def run_for_a_moment(queue: Queue) -> list[str]:
    """Return the keys that an eager worker finds."""
    stop = threading.Event()
    seen: list[str] = []

    def handle(job: Job) -> Settlement:
        seen.append(job.key)
        return Done()

    threading.Timer(0.3, stop.set).start()
    queue.run({"a": handle}, stop=stop, concurrency=1)
    return seen


def test_the_job_that_waits_carries_the_earliest_due_time(
    queue: Queue, enqueue: Enqueue, now: datetime, working: Callable[..., object]
) -> None:
    enqueue("1", due=60)
    enqueue("1", due=30)
    enqueue("1", due=45)
    seen: list[datetime] = []
    ended = threading.Event()

    def handle(job: Job) -> Settlement:
        seen.append(job.due_at)
        ended.set()
        return Done()

    with working(queue, {"a": handle}):
        assert ended.wait(60)
    assert seen == [now + timedelta(seconds=30)]


def test_the_same_key_of_another_kind_is_another_job(queue: Queue, enqueue: Enqueue, now: datetime) -> None:
    enqueue("1", "a")
    enqueue("1", "b")
    assert depths(queue, now) == {"a": (1, 0, 0, 0), "b": (1, 0, 0, 0)}


def test_a_naive_time_and_a_long_kind_are_refused(database: Database, queue: Queue, now: datetime) -> None:
    naive = now.replace(tzinfo=None)
    with database.begin() as connection:
        with pytest.raises(ValueError, match="aware"):
            queue.enqueue(connection, "a", "1", due_at=naive, run_at=now)
        with pytest.raises(ValueError, match="aware"):
            queue.enqueue(connection, "a", "1", due_at=now, run_at=naive)
        with pytest.raises(ValueError, match="kind"):
            queue.enqueue(connection, "k" * (LONGEST_KIND + 1), "1", due_at=now, run_at=now)
        queue.enqueue(connection, "k" * LONGEST_KIND, "1", due_at=now, run_at=now)


def test_any_text_is_a_key(queue: Queue, enqueue: Enqueue, working: Callable[..., object]) -> None:
    keys = ["1.2.840", "it's", '"q"', "a:b", "π", "%s", "{x}", ":k", "\\"]
    seen: list[str] = []
    ended = threading.Event()

    def handle(job: Job) -> Settlement:
        seen.append(job.key)
        if len(seen) == len(keys):
            ended.set()
        return Done()

    for key in keys:
        enqueue(key)
    with working(queue, {"a": handle}):
        assert ended.wait(60)
    assert seen == keys


def test_depth_tells_since_when_the_oldest_waits(queue: Queue, enqueue: Enqueue, now: datetime) -> None:
    enqueue("1", run=-60, due=30)
    enqueue("2", run=-90, due=70)
    enqueue("3", run=90, due=10)
    assert queue.depth(now) == (
        KindDepth(
            kind="a",
            waiting=2,
            later=1,
            running=0,
            parked=0,
            oldest_run_at=now - timedelta(seconds=90),
            first_due_at=now + timedelta(seconds=30),
        ),
    )


def test_a_retry_that_meets_a_waiting_job_of_its_key_is_absorbed_by_it(
    queue: Queue, enqueue: Enqueue, now: datetime, working: Callable[..., object]
) -> None:
    attempts: list[int] = []
    ended = threading.Event()

    def handle(job: Job) -> Settlement:
        attempts.append(job.attempt)
        if job.attempt == 1:
            enqueue("1")
            return RetryAt(now + timedelta(hours=1), "not yet")
        ended.set()
        return Done()

    enqueue("1")
    with working(queue, {"a": handle}):
        assert ended.wait(60)
    assert attempts == [1, 2]
    assert queue.depth(now) == ()


def test_it_says_in_a_transaction_whether_there_is_any_of_some_jobs(
    database: Database, queue: Queue, enqueue: Enqueue, working: Callable[..., object]
) -> None:
    """Whether it waits, runs or is parked; and not once it has ended."""
    running, done = threading.Event(), threading.Event()

    def has(*jobs: tuple[str, str]) -> bool:
        with database.begin() as connection:
            return queue.has_any(connection, jobs)

    def handle(_job: Job) -> Settlement:
        running.set()
        assert done.wait(60)
        return Done()

    enqueue("1")
    enqueue("3", kind="b", run=3600)
    assert has(("a", "0"), ("a", "1"))
    assert has(("b", "3"))
    assert not has(("a", "2"), ("b", "1"))
    assert not has()
    with working(queue, {"a": handle}):
        assert running.wait(60)
        assert has(("a", "1"))
        done.set()
    assert not has(("a", "1"))
