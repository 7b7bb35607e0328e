"""A worker process for the contract suite: worker_program.py URL BEHAVIOUR. It prints the key of every job it runs.

Behaviours: `do` says that it is up and ends each job, `hold` never ends one, `wait` ends them on SIGUSR1, `die` kills
its own process, `poisoned` lets the job "poison" crash in native code, once whatever else is claimed runs beside it,
`hang` sleeps in native code, `seize` does so with the interpreter's lock; with `patiently` the lease is longer. SIGTERM
lets it drain.
"""

import contextlib
import ctypes
import os
import signal
import sys
import threading
from datetime import timedelta

from agent.process.pulse import start_pulse
from db.database import open_database
from db.queue import Done, Job, Settlement, open_queue
from db.queue.policy import Policy

CONCURRENCY = 2


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Poisoned:
    """A handler whose job "poison" crashes the process; the others stay in there with it, and end without it."""

    def __init__(self) -> None:
        self._together = threading.Barrier(CONCURRENCY)

    def __call__(self, job: Job) -> Settlement:
        say(job.key)
        with contextlib.suppress(threading.BrokenBarrierError):
            self._together.wait(0.5)
            threading.Event().wait(0 if job.key == "poison" else 30)
        if job.key == "poison":
            ctypes.string_at(0)
        return Done()


def main(url: str, behaviour: str) -> None:
    stop = threading.Event()
    end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGUSR1, lambda *_: end.set())

    def handle(job: Job) -> Settlement:
        say(job.key)
        if behaviour == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if behaviour.startswith("hold"):
            threading.Event().wait()
        if behaviour == "hang":
            ctypes.CDLL(None).pause()  # in native code, where Python cannot interrupt it
        if behaviour == "seize":
            ctypes.PyDLL(None).pause()  # the same, with Python's lock held
        if behaviour == "wait":
            end.wait()
            say("ended")
        return Done()

    behave = Poisoned() if behaviour == "poisoned" else handle
    lease = timedelta(seconds=2 if behaviour.endswith("patiently") else 0.6)
    policy = Policy(
        lease=lease, longest=timedelta(seconds=0.5 if behaviour == "hang" else 60), grace=timedelta(seconds=0.5)
    )
    queue = open_queue(open_database(url), policy)
    if behaviour == "seize":
        start_pulse(0.5)
    if behaviour == "hang":  # in another lane something else is at work
        lane = {"stop": stop, "concurrency": 1, "longest": timedelta(hours=1)}
        threading.Thread(target=queue.run, args=({"b": lambda _: stop.wait() or Done()},), kwargs=lane).start()
    if behaviour == "do":
        say("up")
    queue.run({"a": behave}, stop=stop, concurrency=CONCURRENCY)


if __name__ == "__main__":
    main(*sys.argv[1:])
