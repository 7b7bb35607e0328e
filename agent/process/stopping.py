"""How a role's process is told to stop, and how it says that it serves."""

import json
import os
import select
import signal
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import structlog

log = structlog.get_logger(__name__)

SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""What is heeded: the first two ask for a drain, the last for the configuration to be looked at again."""


def stop_on_signals(stop: threading.Event, hung_up: threading.Event | None = None) -> None:
    """Let SIGTERM and SIGINT ask for a drain, and SIGHUP set `hung_up`; without it, it ends the process.

    The interpreter writes a signal's number into a pipe, which a thread of its own reads. A handler in Python would run
    in the main thread only: not before that wakes up, where the system gave the signal to another thread; and where it
    interrupts the main thread inside `stop.wait`, `stop.set` would wait for ever for the lock that is held there.
    """
    arrived = _arrivals(SIGNALS if hung_up is not None else SIGNALS - {signal.SIGHUP})

    def wait() -> None:
        while numbers := os.read(arrived, 64):
            if hung_up is not None and signal.SIGHUP in numbers:
                hung_up.set()
            if not {*numbers} <= {signal.SIGHUP}:
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
        """Heed signals from now on, and the ends of these pipes."""
        self._given = self._hung_up = False
        self._poll = select.poll()
        self._signals = _arrivals(SIGNALS)
        for descriptor in (self._signals, *descriptors):
            self._poll.register(descriptor, select.POLLIN)

    def wait(self, timeout: float) -> bool:
        """Wait so many seconds for the order to stop, as `threading.Event.wait` does."""
        if not self._given:
            self._given = any(self._is_order(descriptor) for descriptor, _ in self._poll.poll(timeout * 1000))
        return self._given

    def hung_up(self) -> bool:
        """Tell whether SIGHUP has come since this was asked last."""
        found, self._hung_up = self._hung_up, False
        return found

    def _is_order(self, descriptor: int) -> bool:
        arrived = os.read(descriptor, 4096)
        if descriptor != self._signals:
            return not arrived
        self._hung_up |= signal.SIGHUP in arrived
        return not {*arrived} <= {signal.SIGHUP}


def _arrivals(numbers: Iterable[signal.Signals]) -> int:
    """Return where the interpreter writes each of these signals that arrives from now on."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    for number in numbers:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writing)
    return reading


def say_ready(role: str, **facts: object) -> None:
    """Tell the supervisor, scripts and tests that a role serves: one line of JSON on standard output."""
    log.info("ready", role=role, **facts)
    line = json.dumps({"ready": role, **facts}) + "\n"
    with suppress(BrokenPipeError):  # who started us may have stopped listening; that is no reason to stop serving
        os.write(sys.stdout.fileno(), line.encode())
