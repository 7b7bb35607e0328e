"""A worker that hangs is replaced: nothing outside has to look, and nobody but the job that hung is blamed."""

from collections.abc import Callable

from commands import QuickProgram

from db.queue import Done, Job, Queue, Settlement, utc_now

Enqueue = Callable[..., None]
Working = Callable[..., object]
Process = Callable[[str], QuickProgram]


def test_a_process_whose_job_hangs_ends_and_the_third_time_that_job_is_parked_and_no_other_blamed(
    queue: Queue, enqueue: Enqueue, worker_process: Process, working: Working, eventually: Callable[..., None]
) -> None:
    """In native code, which nothing can interrupt, beside another lane of the same process that is at work."""
    enqueue("hangs", "a")
    enqueue("works", "b")

    def replaced() -> None:
        assert worker_process("hang").wait(timeout=60) == 70
        assert not any(depth.running for depth in queue.depth(utc_now()))  # at once: no lease has to run out

    replaced()
    replaced()
    seen: list[Job] = []

    def look(job: Job) -> Settlement:
        seen.append(job)
        return Done()

    with working(queue, {"b": look}):
        eventually(lambda: seen)
    assert [(job.key, job.attempt) for job in seen] == [("works", 1)]  # as if it had never been begun
    replaced()
    (parked,) = queue.parked()
    assert (parked.key, parked.reason, parked.attempts) == ("hangs", "hung for more than 0.5 s", 3)


def test_a_process_in_which_native_code_hangs_with_python_s_lock_ends_itself(
    queue: Queue, enqueue: Enqueue, worker_process: Process, eventually: Callable[..., None]
) -> None:
    enqueue("1")
    worker = worker_process("seize")
    assert worker.wait(timeout=60) == 1
    eventually(lambda: queue.reap(utc_now()) == 1)
    assert [depth.waiting for depth in queue.depth(utc_now())] == [1]
