"""A job whose worker died comes back; one that kills its workers is parked; a worker taken for dead settles nothing."""

import signal
import threading
from collections.abc import Callable

from commands import QuickProgram

from db.queue import Done, Job, Queue, Settlement, utc_now

Enqueue = Callable[..., None]
Working = Callable[..., object]
Process = Callable[[str], QuickProgram]


def depth(queue: Queue) -> tuple[int, int, int]:
    (only,) = queue.depth(utc_now())
    return only.waiting, only.running, only.parked


def first_key(process: QuickProgram) -> str:
    return process.stdout.readline().strip()


def test_a_killed_worker_s_job_comes_back_and_is_run_by_another(
    queue: Queue, enqueue: Enqueue, worker_process: Process, working: Working, eventually: Callable[..., None]
) -> None:
    enqueue("1")
    worker = worker_process("hold")
    assert first_key(worker) == "1"
    worker.kill()
    assert depth(queue) == (0, 1, 0)
    eventually(lambda: queue.reap(utc_now()) == 1)
    assert depth(queue) == (1, 0, 0)
    jobs: list[Job] = []
    ended = threading.Event()

    def handle(job: Job) -> Settlement:
        jobs.append(job)
        ended.set()
        return Done()

    with working(queue, {"a": handle}):
        assert ended.wait(60)
    assert [job.attempt for job in jobs] == [2]
    assert queue.depth(utc_now()) == ()


def test_a_worker_that_lives_keeps_its_job_for_longer_than_a_lease(
    patient_queue: Queue, enqueue: Enqueue, worker_process: Process
) -> None:
    enqueue("1")
    assert first_key(worker_process("hold patiently")) == "1"
    for _ in range(10):  # more than two leases
        threading.Event().wait(0.5)
        assert patient_queue.reap(utc_now()) == 0
    assert depth(patient_queue) == (0, 1, 0)


def test_a_job_that_kills_its_worker_three_times_is_parked(
    queue: Queue, enqueue: Enqueue, worker_process: Process, eventually: Callable[..., None]
) -> None:
    enqueue("1")
    for _ in range(3):
        worker = worker_process("die")
        assert worker.wait(timeout=60) == -9
        eventually(lambda: queue.reap(utc_now()) == 1)
    (parked,) = queue.parked()
    assert (parked.key, parked.reason, parked.attempts) == ("1", "worker died", 3)
    assert depth(queue) == (0, 0, 1)


def test_a_job_that_crashes_its_process_is_parked_and_those_that_ran_beside_it_are_not(
    queue: Queue, enqueue: Enqueue, worker_process: Process, eventually: Callable[..., None]
) -> None:
    """Nobody knows at first which of the two it was: the third time each of them runs alone."""
    enqueue("innocent", due=-1)
    enqueue("poison")
    seen: list[list[str]] = []
    for _ in range(3):
        worker = worker_process("poisoned")
        seen.append(sorted(worker.communicate(timeout=60)[0].split()))
        assert worker.returncode == -signal.SIGSEGV
        eventually(lambda: not depth(queue)[1] or queue.reap(utc_now()) < 0)
    assert seen == [["innocent", "poison"]] * 3
    (only,) = queue.parked()
    assert (only.key, only.reason) == ("poison", "worker died")
    assert depth(queue) == (0, 0, 1)


def test_a_dead_worker_s_job_is_absorbed_by_one_that_waits_for_its_key(
    queue: Queue, enqueue: Enqueue, worker_process: Process, eventually: Callable[..., None]
) -> None:
    enqueue("1")
    worker = worker_process("hold")
    assert first_key(worker) == "1"
    enqueue("1")
    worker.kill()
    eventually(lambda: queue.reap(utc_now()) == 1)
    assert depth(queue) == (1, 0, 0)


def test_a_worker_that_was_taken_for_dead_cannot_settle_its_successor_s_job(
    queue: Queue, enqueue: Enqueue, worker_process: Process, working: Working, eventually: Callable[..., None]
) -> None:
    enqueue("1")
    worker = worker_process("wait")
    assert first_key(worker) == "1"
    worker.send_signal(signal.SIGSTOP)  # the host sleeps
    eventually(lambda: queue.reap(utc_now()) == 1)
    release = threading.Event()
    entered = threading.Event()

    def handle(_job: Job) -> Settlement:
        entered.set()
        release.wait(60)
        return Done()

    with working(queue, {"a": handle}):
        assert entered.wait(60)
        worker.send_signal(signal.SIGUSR1)  # to end its run and settle
        worker.send_signal(signal.SIGCONT)  # as it wakes
        assert first_key(worker) == "ended"
        worker.terminate()
        assert worker.wait(timeout=60) == 0
        assert depth(queue) == (0, 1, 0)
        release.set()
    assert queue.depth(utc_now()) == ()
