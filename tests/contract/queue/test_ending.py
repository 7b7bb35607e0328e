"""A handler's end is done, retry at, or parked; what it raises is one of these as well."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from db.database import Database
from db.errors import DatabaseBusyError, DatabaseError, DatabaseUnavailableError
from db.queue import Done, Job, Park, ParkedJob, Queue, RetryAt, RunningJob, Settlement, open_queue, utc_now
from db.queue.policy import Policy

Enqueue = Callable[..., None]
Working = Callable[..., object]


class Script:
    """A handler that ends its runs as told, one after the other."""

    def __init__(self, *ends: Settlement | BaseException | object) -> None:
        self.jobs: list[Job] = []
        self.at: list[datetime] = []
        self.ended = threading.Event()
        self._ends = list(ends)

    def __call__(self, job: Job) -> Settlement:
        self.jobs.append(job)
        self.at.append(utc_now())
        end = self._ends.pop(0)
        if not self._ends:
            self.ended.set()
        if isinstance(end, BaseException):
            raise end
        return end  # type: ignore[return-value]


def test_a_job_that_is_done_is_forgotten(queue: Queue, enqueue: Enqueue, working: Working) -> None:
    enqueue("1")
    handle = Script(Done())
    with working(queue, {"a": handle}):
        assert handle.ended.wait(60)
    assert queue.depth(utc_now()) == ()
    assert queue.parked() == ()


def test_a_job_to_be_tried_again_comes_at_the_time_it_said(queue: Queue, enqueue: Enqueue, working: Working) -> None:
    enqueue("1")
    again = utc_now() + timedelta(seconds=0.6)
    handle = Script(RetryAt(again, "busy"), Done())
    with working(queue, {"a": handle}):
        assert handle.ended.wait(60)
    assert [job.attempt for job in handle.jobs] == [1, 2]
    assert handle.jobs[0].due_at == handle.jobs[1].due_at
    assert handle.at[1] >= again


def test_a_parked_job_says_why_and_runs_no_more(
    queue: Queue, enqueue: Enqueue, working: Working, eventually: Callable[..., None]
) -> None:
    enqueue("1")
    enqueue("2", due=1)
    before = utc_now()
    handle = Script(RetryAt(before, "busy"), Park("the peer refuses it"), Park("no"), Done())
    with working(queue, {"a": handle}):
        eventually(lambda: len(queue.parked()) == 2)
        assert not threading.Event().wait(0.2)
    (second, first) = queue.parked()
    assert (first.kind, first.key, first.reason, first.attempts) == ("a", "1", "the peer refuses it", 2)
    assert (second.key, second.reason, second.attempts) == ("2", "no", 1)
    assert before - timedelta(seconds=1) < first.parked_at <= second.parked_at <= utc_now()
    assert [(depth.waiting, depth.running, depth.parked) for depth in queue.depth(utc_now())] == [(0, 0, 2)]


def test_a_job_that_runs_says_since_when_it_is_due_and_who_has_it(
    queue: Queue, enqueue: Enqueue, working: Working, now: datetime
) -> None:
    enqueue("later", due=90)
    enqueue("soon", due=-90)
    seen: list[tuple[RunningJob, ...]] = []
    both = threading.Barrier(2)

    def handle(_job: Job) -> Done:
        if both.wait(60) == 0:
            seen.append(queue.running())
        both.wait(60)
        return Done()

    with working(queue, {"a": handle}, concurrency=2):
        while not seen:
            assert not threading.Event().wait(0.02)
    (jobs,) = seen
    assert [(job.kind, job.key, job.attempt) for job in jobs] == [("a", "soon", 1), ("a", "later", 1)]
    assert [job.due_at for job in jobs] == [now - timedelta(seconds=90), now + timedelta(seconds=90)]
    assert all(job.claimed_until > now and job.worker for job in jobs)
    assert queue.running() == ()


def test_a_requeued_job_runs_as_if_it_were_new(queue: Queue, enqueue: Enqueue, working: Working) -> None:
    enqueue("1", due=30)
    first = Script(RetryAt(utc_now(), "busy"), Park("no"))
    with working(queue, {"a": first}):
        assert first.ended.wait(60)
    assert queue.requeue("a", "1", utc_now() - timedelta(seconds=1))
    assert queue.parked() == ()
    second = Script(Done())
    with working(queue, {"a": second}):
        assert second.ended.wait(60)
    assert [job.attempt for job in second.jobs] == [1]
    assert second.jobs[0].due_at == first.jobs[0].due_at


def test_only_a_parked_job_can_be_requeued(queue: Queue, enqueue: Enqueue) -> None:
    enqueue("1")
    assert not queue.requeue("a", "1", utc_now())
    assert not queue.requeue("a", "2", utc_now())


def test_enqueueing_a_parked_job_takes_it_out_of_parking(queue: Queue, enqueue: Enqueue, working: Working) -> None:
    enqueue("1")
    handle = Script(Park("no"))
    with working(queue, {"a": handle}):
        assert handle.ended.wait(60)
    enqueue("1")
    assert queue.parked() == ()
    handle = Script(Done())
    with working(queue, {"a": handle}):
        assert handle.ended.wait(60)
    assert handle.jobs[0].attempt == 1
    assert queue.depth(utc_now()) == ()


def test_a_job_that_keeps_raising_is_tried_again_and_then_parked_under_the_exception_s_name(
    queue: Queue, enqueue: Enqueue, working: Working, eventually: Callable[..., None]
) -> None:
    enqueue("1")
    handle = Script(ValueError(), OSError(), KeyError(), Done())  # the policy has two pauses: three runs
    with working(queue, {"a": handle}):
        eventually(queue.parked)
    (parked,) = queue.parked()
    assert (parked.key, parked.reason, parked.attempts) == ("1", "KeyError", 3)


@pytest.mark.parametrize("outage", [DatabaseUnavailableError, DatabaseBusyError])
def test_no_job_is_parked_for_outages_of_the_database_or_a_lock_that_somebody_keeps(
    queue: Queue, enqueue: Enqueue, working: Working, outage: type[DatabaseError]
) -> None:
    enqueue("1")
    handle = Script(*[outage() for _ in range(5)], Done())
    with working(queue, {"a": handle}):
        assert handle.ended.wait(60)
    assert (queue.parked(), queue.depth(utc_now())) == ((), ())


def test_the_pauses_after_exceptions_grow_as_the_policy_says(
    database: Database, enqueue: Enqueue, working: Working
) -> None:
    patient = open_queue(database, Policy(backoff=(timedelta(seconds=0.2), timedelta(seconds=0.8))))
    enqueue("1")
    handle = Script(ValueError(), ValueError(), Done())
    with working(patient, {"a": handle}):
        assert handle.ended.wait(60)
    pauses = [after - before for before, after in zip(handle.at, handle.at[1:], strict=False)]
    assert pauses[0] >= timedelta(seconds=0.2)
    assert pauses[1] >= timedelta(seconds=0.8)


def test_only_exceptions_in_a_row_count(queue: Queue, enqueue: Enqueue, working: Working) -> None:
    now = utc_now() - timedelta(seconds=1)
    enqueue("1")
    handle = Script(ValueError(), ValueError(), RetryAt(now, "busy"), ValueError(), ValueError(), Done())
    with working(queue, {"a": handle}):
        assert handle.ended.wait(60)
    assert [job.attempt for job in handle.jobs] == [1, 2, 3, 4, 5, 6]
    assert queue.depth(utc_now()) == ()


def test_an_answer_that_is_no_settlement_counts_as_an_exception(
    queue: Queue, enqueue: Enqueue, working: Working, eventually: Callable[..., None]
) -> None:
    enqueue("1")
    with working(queue, {"a": Script(None, 1, "done")}):
        eventually(queue.parked)
    assert queue.parked()[0].reason == "TypeError"


def test_a_handler_that_exits_its_thread_does_not_keep_its_job(
    queue: Queue, enqueue: Enqueue, working: Working
) -> None:
    enqueue("1")
    handle = Script(SystemExit(), Done())
    with working(queue, {"a": handle}):
        assert handle.ended.wait(60)
    assert queue.depth(utc_now()) == ()


def test_what_a_handler_raises_is_logged_without_its_message(
    queue: Queue, enqueue: Enqueue, working: Working, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    enqueue("1")
    cause = KeyError("Doe^Jane")
    error = ValueError("bad name Doe^Jane")
    error.__cause__ = cause
    handle = Script(error, Done())
    with working(queue, {"a": handle}):
        assert handle.ended.wait(60)
    (record,) = [record for record in caplog.records if record.message == "job_raised"]
    assert vars(record)["error"] == "ValueError"
    assert vars(record)["key"] == "1"
    assert "test_ending.py" in vars(record)["where"]
    assert "Doe" not in "".join(f"{vars(record)}" for record in caplog.records)


def test_parked_jobs_of_one_key_do_not_pile_up(queue: Queue, enqueue: Enqueue, working: Working) -> None:
    def handle(job: Job) -> Settlement:
        if job.attempt == 1 and not again.is_set():
            again.set()
            enqueue("1")  # waits while this one runs, and is parked after it
            return Park("first")
        ended.set()
        return Park("second")

    again, ended = threading.Event(), threading.Event()
    enqueue("1")
    with working(queue, {"a": handle}):
        assert ended.wait(60)
    assert [(parked.key, parked.reason) for parked in queue.parked()] == [("1", "second")]
    assert isinstance(queue.parked()[0], ParkedJob)
