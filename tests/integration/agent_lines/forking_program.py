"""A supervisor of two roles that wait: forking_program.py LEDGER. Each notes its name, its process and why it ends."""

import os
import sys
import threading
from pathlib import Path

from agent.forking import Forks, name_process
from agent.stopping import StopOrder
from agent.supervisor import supervise


def main(ledger: str) -> None:
    order = StopOrder()

    def serve(role: str, stop: threading.Event) -> None:
        name_process(role)
        name = Path("/proc/self/comm").read_text(encoding="ascii").strip()
        with Path(ledger).open("a", encoding="utf-8", buffering=1) as file:
            file.write(f"{name} {os.getpid()} serves\n")
            stop.wait()
            file.write(f"{name} {os.getpid()} stops\n")
        if role == "web":
            sys.exit(3)

    supervise(("work", "web"), Forks(serve).start, order)


if __name__ == "__main__":
    main(*sys.argv[1:])
