"""A clock process of the tests: each run of a tick is a line of a file, with the process that ran it."""

import os
import sys
import threading
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from agent.process.clockwork import Clockwork, Tick
from db.database import open_database


def note(file: Path, name: str) -> None:
    """Append a line at once."""
    with file.open("ab", buffering=0) as lines:
        lines.write(f"{name} {os.getpid()}\n".encode())


def main(url: str, file: Path) -> None:
    """Run until standard input ends."""
    stop = threading.Event()
    ticks = {"often": Tick(partial(note, file, "often"), 0.05), "rare": Tick(partial(note, file, "rare"), 3600)}
    work = Clockwork(open_database(url), ticks, lambda: datetime.now(UTC), hangs=lambda: None)
    thread = threading.Thread(target=work.run, args=(stop,))
    thread.start()
    sys.stdin.read()
    stop.set()
    thread.join()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
