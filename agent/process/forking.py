"""Processes that are copies of one that has loaded what they all need: they serve sooner, and share that memory."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent.errors import NoRoomError
from agent.process.stopping import SIGNALS, stop_at_end_of, stop_on_signals

_LOOK_SECONDS: Final = 0.02


class Forked:
    """A process that this one has forked, with what the supervisor uses of `subprocess.Popen`."""

    def __init__(self, pid: int) -> None:
        """Know it by its process id, which stays its own until `poll` has seen its end."""
        self.pid = pid
        self._status: int | None = None

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal; None while the process lives."""
        if self._status is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if ended else None
        return self._status

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status at the process's end. Raises subprocess.TimeoutExpired after `timeout` seconds."""
        deadline = time.monotonic() + (timeout or 0)
        while (status := self.poll()) is None:
            if timeout is not None and time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(_LOOK_SECONDS)
        return status

    def terminate(self) -> None:
        """Ask the process to drain."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process at once."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        """Send the process a signal, while it lives."""
        if self.poll() is None:
            os.kill(self.pid, number)


class Forks:
    """Starts such processes, each for a role. This process must have no other thread: a copy has but one."""

    def __init__(self, serve: Callable[[str, threading.Event, threading.Event], None]) -> None:
        """Let `serve(role, stop, hung_up)` be what each does.

        It is told to stop by signals and by the death of this process; SIGHUP sets `hung_up`.
        """
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # where whoever started us ignores it, no exit status is kept
        self._serve = serve
        self._ends, self._held = os.pipe()  # the first comes to its end when nobody holds the other one any more
        gc.collect()
        gc.freeze()  # a collector that never looks at what was loaded writes nothing there: its pages stay shared

    def start(self, role: str) -> Forked:
        """Start one. The new process leaves by SystemExit, as it would have by the end of its program.

        Raises NoRoomError where the system has none for one more.
        """
        sys.stdout.flush()
        sys.stderr.flush()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # what comes now waits until its process listens
        try:
            pid = os.fork()
        except OSError as error:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            message = f"expected room for one more process. Received: {error.strerror}"
            raise NoRoomError(message) from None
        if pid:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            return Forked(pid)
        os.close(self._held)
        stop, hung_up = threading.Event(), threading.Event()
        stop_on_signals(stop, hung_up)
        stop_at_end_of(self._ends, stop)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._serve(role, stop, hung_up)
        sys.exit()


def name_process(role: str) -> None:
    """Let `ps -o comm`, `top` and `pgrep` say which role this process serves; 15 letters are seen."""
    with suppress(OSError):  # no Linux
        Path("/proc/self/comm").write_text(f"tibabu-{role}", encoding="ascii")
