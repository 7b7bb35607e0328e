"""A worker that leaks 32 MB with each job: leaking_program.py URL LEDGER MEGABYTES. It notes starts and jobs."""

import sys
import threading
from pathlib import Path

from agent.process.memory import RECYCLED, MemoryWatch, resident_bytes
from agent.process.stopping import stop_on_signals
from db.database import open_database
from db.queue import Done, Job, Settlement, open_queue

leaked: list[bytearray] = []


def main(url: str, ledger: str, megabytes: str) -> None:
    stop = threading.Event()
    stop_on_signals(stop)

    def note(line: str) -> None:
        with Path(ledger).open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def leak(job: Job) -> Settlement:
        leaked.append(bytearray(b"x" * (32 << 20)))
        stop.wait(0.2)  # time to be looked at
        note(f"job {job.key} {job.attempt}")
        return Done()

    note("start")
    limit = (resident_bytes() >> 20) + int(megabytes)
    watch = MemoryWatch(limit, stop, settled_seconds=0, look_seconds=0.05)
    open_queue(open_database(url)).run({"a": leak}, stop=stop, concurrency=2)
    sys.exit(RECYCLED if watch.exceeded else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
