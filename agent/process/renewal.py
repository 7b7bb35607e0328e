"""How a role that runs takes a configuration over: what it serves from now on goes by the new one."""

import os
import signal
import threading
from collections.abc import Callable
from functools import partial

import structlog

from agent.config.file import Config
from agent.errors import ConfigError
from agent.unforeseen import unforeseen

log = structlog.get_logger(__name__)


class Renewal:
    """Where a role says what is to be done with a new configuration, and where it is told of one. Safe for threads."""

    def __init__(self, stop: threading.Event, supervisor: int | None = None) -> None:
        """Nobody follows yet; a role that fails to take a configuration over is stopped, to start anew with it.

        `supervisor` is the process that reads the file: the parent of the roles, or a role that runs alone.
        """
        self.anew = False
        self._stop = stop
        self._supervisor = os.getpid() if supervisor is None else supervisor
        self._lock = threading.Lock()
        self._take: Callable[[Config], None] | None = None
        self._waiting: Config | None = None

    def follow(self, take: Callable[[Config], None]) -> None:
        """Have `take` called with each configuration from now on, and with one that came before the role was ready."""
        with self._lock:  # for all of it: one that comes just now is taken after the one that waited
            self._take = take
            if self._waiting is not None:
                self.attempt(partial(_give, take, self._waiting))

    def start_anew(self) -> None:
        """Have the role drain, to be started again with the new configuration."""
        self.anew = True
        self._stop.set()

    def attempt(self, take: Callable[[], None]) -> bool:
        """Take something over by `take`, and tell whether that went well; else the role starts anew.

        A named edge: whatever it is that fails, the role would go on with the old configuration for ever.
        """
        taken = False
        with unforeseen(log, "configuration_not_taken_over"):
            try:
                take()
                taken = True
            except ConfigError as error:  # a file that it names has gone since it was accepted
                log.error("configuration_not_taken_over", reason=str(error))  # noqa: TRY400 - it says it
        if not taken:
            self.start_anew()
        return taken

    def ask(self) -> int:
        """Ask for the file to be read again; return the process that does it."""
        os.kill(self._supervisor, signal.SIGHUP)
        return self._supervisor

    def tell(self, config: Config) -> None:
        """Have the role take a configuration over; returns when it has. Raises whatever keeps it from that."""
        with self._lock:
            if self._take is None:
                self._waiting = config
            else:
                _give(self._take, config)


def _give(take: Callable[[Config], None], config: Config) -> None:
    take(config)
    log.info("configuration_taken_over")
