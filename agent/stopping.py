"""How a role's process is told to stop, and how it says that it serves."""

import json
import os
import signal
import sys
import threading
from contextlib import suppress

import structlog

log = structlog.get_logger(__name__)


def stop_on_signals(stop: threading.Event) -> None:
    """Let SIGTERM and SIGINT ask for a drain.

    The interpreter writes a signal's number into a pipe, which a thread of its own reads. A handler in Python would run
    in the main thread only: not before that wakes up, where the system gave the signal to another thread; and where it
    interrupts the main thread inside `stop.wait`, `stop.set` would wait for ever for the lock that is held there.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writing)

    def wait() -> None:
        while os.read(reading, 64):
            stop.set()

    threading.Thread(target=wait, name="signals", daemon=True).start()


def stop_with_parent(stop: threading.Event) -> None:
    """Ask for a drain when standard input ends: the supervisor holds its other end, so its death reaches every role."""

    def wait() -> None:
        # The bare descriptor: a buffered reader that still waits when Python ends is a fatal error.
        while os.read(sys.stdin.fileno(), 4096):
            pass
        stop.set()

    threading.Thread(target=wait, name="parent", daemon=True).start()


def say_ready(role: str, **facts: object) -> None:
    """Tell the supervisor, scripts and tests that a role serves: one line of JSON on standard output."""
    log.info("ready", role=role, **facts)
    line = json.dumps({"ready": role, **facts}) + "\n"
    with suppress(BrokenPipeError):  # who started us may have stopped listening; that is no reason to stop serving
        os.write(sys.stdout.fileno(), line.encode())
