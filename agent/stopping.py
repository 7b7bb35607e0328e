"""How a role's process is told to stop, and how it says that it serves."""

import json
import os
import select
import signal
import sys
import threading
from contextlib import suppress
from typing import Final

import structlog

log = structlog.get_logger(__name__)

SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT})
"""What asks for a drain."""


def stop_on_signals(stop: threading.Event) -> None:
    """Let SIGTERM and SIGINT ask for a drain.

    The interpreter writes a signal's number into a pipe, which a thread of its own reads. A handler in Python would run
    in the main thread only: not before that wakes up, where the system gave the signal to another thread; and where it
    interrupts the main thread inside `stop.wait`, `stop.set` would wait for ever for the lock that is held there.
    """
    arrived = _arrivals()

    def wait() -> None:
        while os.read(arrived, 64):
            stop.set()

    threading.Thread(target=wait, name="signals", daemon=True).start()


def stop_at_end_of(descriptor: int, stop: threading.Event) -> None:
    """Ask for a drain when a pipe ends: whoever started this process holds its other end, so its death reaches us."""

    def wait() -> None:
        # The bare descriptor: a buffered reader that still waits when Python ends is a fatal error.
        while os.read(descriptor, 4096):
            pass
        stop.set()

    threading.Thread(target=wait, name="parent", daemon=True).start()


class StopOrder:
    """The same for a process that forks, and so must have no thread: it is told only while it waits."""

    def __init__(self, *descriptors: int) -> None:
        """Heed SIGTERM and SIGINT from now on, and the ends of these pipes."""
        self._given = False
        self._poll = select.poll()
        self._signals = _arrivals()
        for descriptor in (self._signals, *descriptors):
            self._poll.register(descriptor, select.POLLIN)

    def wait(self, timeout: float) -> bool:
        """Wait so many seconds for the order to stop, as `threading.Event.wait` does."""
        if not self._given:
            ready = self._poll.poll(timeout * 1000)
            self._given = any(descriptor == self._signals or not os.read(descriptor, 4096) for descriptor, _ in ready)
        return self._given


def _arrivals() -> int:
    """Return where the interpreter writes each signal that arrives from now on."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writing)
    return reading


def say_ready(role: str, **facts: object) -> None:
    """Tell the supervisor, scripts and tests that a role serves: one line of JSON on standard output."""
    log.info("ready", role=role, **facts)
    line = json.dumps({"ready": role, **facts}) + "\n"
    with suppress(BrokenPipeError):  # who started us may have stopped listening; that is no reason to stop serving
        os.write(sys.stdout.fileno(), line.encode())
