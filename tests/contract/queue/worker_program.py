"""A worker process for the contract suite: worker_program.py URL BEHAVIOUR. It prints the key of every job it runs.

Behaviours: `do` ends each job, `hold` never ends one, `wait` ends them on SIGUSR1, `die` kills its own
process; with `patiently` the lease is longer. SIGTERM lets it drain.
"""

import os
import signal
import sys
import threading
from datetime import timedelta

from db.database import open_database
from db.queue import Done, Job, Settlement, open_queue
from db.queue.policy import Policy


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


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
        if behaviour == "wait":
            end.wait()
            say("ended")
        return Done()

    queue = open_queue(
        open_database(url), Policy(lease=timedelta(seconds=2 if behaviour.endswith("patiently") else 0.6))
    )
    queue.run({"a": handle}, stop=stop, concurrency=2)


if __name__ == "__main__":
    main(*sys.argv[1:])
