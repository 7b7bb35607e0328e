"""A supervisor of two roles that wait: forking_program.py LEDGER. Each notes its name, its process and why it ends."""

import os
import signal
import sys
import threading
from pathlib import Path

from agent.process.forking import Forks, name_process
from agent.process.notices import Notices
from agent.process.reload import Change
from agent.process.stopping import StopOrder
from agent.process.supervisor import supervise


def main(ledger: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # as some who start us do, who so hand it on
    order, notices = StopOrder(), Notices()

    def serve(role: str, stop: threading.Event, _hung_up: threading.Event) -> None:
        name_process(role)
        name = Path("/proc/self/comm").read_text(encoding="ascii").strip()
        with Path(ledger).open("a", encoding="utf-8", buffering=1) as file:
            file.write(f"{name} {os.getpid()} serves\n")
            while not stop.wait(0.05):
                file.writelines(f"{name} {os.getpid()} {text}\n" for text in notices.news())
            file.write(f"{name} {os.getpid()} stops\n")
        if role == "web":
            sys.exit(3)

    def reload() -> tuple[Change, ...]:
        if not order.hung_up():
            return ()
        notices.post("reads")
        return (Change("destinations", "none", "some"),)

    supervise(("work", "web"), Forks(serve).start, order, reload)


if __name__ == "__main__":
    main(*sys.argv[1:])
