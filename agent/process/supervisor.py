"""One small process that keeps the roles alive: a crash of one (a codec, TensorFlow) drops no association."""

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

import structlog

from agent.errors import NoRoomError
from agent.line.retry import Backoff
from agent.process.memory import RECYCLED
from agent.process.reload import RENEWED, Change, starting_anew

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.2
DRAIN_SECONDS = 40.0
STEADY_SECONDS = 60.0
"""A process that served so long starts again at once when it dies."""

RESTARTS = Backoff(first=timedelta(seconds=0.5), longest=timedelta(seconds=30), attempts=sys.maxsize)


class Process(Protocol):
    """A process that was started, as `subprocess.Popen` and `agent.process.forking.Forked` have it."""

    pid: int

    def poll(self) -> int | None: ...  # noqa: D102 - see the class
    def wait(self, timeout: float | None = None) -> int: ...  # noqa: D102
    def terminate(self) -> None: ...  # noqa: D102
    def kill(self) -> None: ...  # noqa: D102
    def send_signal(self, number: int) -> None: ...  # noqa: D102


class Stop(Protocol):
    """The order to stop."""

    def wait(self, timeout: float) -> bool:
        """Wait so many seconds for it, and tell whether it was given."""


@dataclass(slots=True)
class _Child:
    role: str
    begin: Callable[[str], Process]
    process: Process | None = None
    deaths: int = 0
    waited: float = 0.0
    served: float = 0.0
    wait: float = field(default=0.0)
    renewing: float | None = None  # seconds since it was asked to end, for another to start in its place

    def start(self) -> None:
        """Start the process; where the system has no room for it, try again later."""
        self.process, self.served, self.renewing = None, 0.0, None
        try:
            self.process = self.begin(self.role)
        except NoRoomError as error:  # nothing wider: what a role itself raises leaves its own process through here
            self._pause()
            log.error("process_not_started", role=self.role, reason=str(error), restart_in_seconds=self.wait)  # noqa: TRY400
        else:
            log.info("process_started", role=self.role, pid=self.process.pid)

    def tend(self, seconds: float) -> None:
        """Look after the process: `seconds` have passed since the last look."""
        if self.process is None:
            self.waited += seconds
            if self.waited >= self.wait:
                self.start()
            return
        code = self.process.poll()
        if code is None:
            self.served += seconds
            self._hurry(seconds)
            return
        if self.renewing is not None:
            self.start()
            return
        self._pause()
        self.process = None
        if code == RECYCLED:
            log.warning("process_recycled", role=self.role, restart_in_seconds=self.wait)
        else:
            log.error("process_died", role=self.role, exit_status=code, restart_in_seconds=self.wait)

    def take_over(self, *, anew: bool) -> None:
        """Have the process take another configuration over: as it runs, or `anew`, by another one once it has drained.

        One that waits to be started again starts with it.
        """
        if self.process is None:
            return
        if anew:
            self.renewing = 0.0
            self.process.terminate()
        elif self.role in RENEWED:
            self.process.send_signal(signal.SIGHUP)

    def _pause(self) -> None:
        """Set how long it is waited before the next start: longer, the more often that was in vain."""
        self.deaths = 1 if self.served >= STEADY_SECONDS else self.deaths + 1
        pause = RESTARTS.after(self.deaths)
        self.wait = 0.0 if self.deaths == 1 or pause is None else pause.total_seconds()
        self.waited = 0.0

    def _hurry(self, seconds: float) -> None:
        """Kill a process that should make room for its successor and does not end."""
        if self.process is None or self.renewing is None:
            return
        self.renewing += seconds
        if self.renewing > DRAIN_SECONDS:
            log.error("process_killed", role=self.role, after_seconds=self.renewing)
            self.process.kill()

    def stop(self) -> None:
        """Ask the process to drain."""
        if self.process is not None:
            self.process.terminate()

    def join(self, seconds: float) -> None:
        """Wait for the process to end; kill it when it takes too long."""
        if self.process is None:
            return
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            log.error("process_killed", role=self.role, after_seconds=seconds)  # noqa: TRY400 - nothing more to say
            self.process.kill()
            self.process.wait()
        self.process = None


def _nothing_changes() -> tuple[Change, ...]:
    return ()


def supervise(
    roles: tuple[str, ...],
    begin: Callable[[str], Process],
    stop: Stop,
    reload: Callable[[], tuple[Change, ...]] = _nothing_changes,
) -> None:
    """Run each role as a process of its own, which `begin` starts, until the order to stop; then drain them all.

    `reload` is asked all the time what has changed of the configuration; it is taken over by those whom it concerns.
    """
    children = [_Child(role, begin) for role in roles]
    for child in children:
        child.start()
    while not stop.wait(POLL_SECONDS):
        if found := reload():
            anew = starting_anew(found)
            for child in children:
                child.take_over(anew=child.role in anew)
        for child in children:
            child.tend(POLL_SECONDS)
    for child in children:
        child.stop()
    for child in children:
        child.join(DRAIN_SECONDS)
