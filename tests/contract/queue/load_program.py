"""A worker process for the load test: load_program.py URL LEASE. It runs one job at a time and prints each one's key.

A job's effect is a row of `effect` and the number of times that it was run. SIGTERM lets it drain.
"""

import signal
import sys
import threading
from datetime import timedelta

from sqlalchemy import text

from db.database import open_database
from db.queue import Done, Job, Settlement, open_queue
from db.queue.policy import Policy

_EFFECT = text("INSERT INTO effect VALUES (:key, 1) ON CONFLICT (key) DO UPDATE SET runs = effect.runs + 1")


def main(url: str, lease: str) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    database = open_database(url)

    def handle(job: Job) -> Settlement:
        sys.stdout.write(f"{job.key} {job.attempt}\n")
        sys.stdout.flush()
        with database.begin() as connection:
            connection.execute(_EFFECT, {"key": job.key})
        return Done()

    queue = open_queue(database, Policy(lease=timedelta(seconds=float(lease))))
    queue.run({"a": handle}, stop=stop, concurrency=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
