"""A host with the agent on it, which can be killed and started again at the same ports."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from agent.errors import AgentError
from agent.process.roles import ROLES
from agent.simulation.processes import Process

_PYTHON: Final = (sys.executable, "-P", "-m", "agent")
_END_SECONDS: Final = 60.0


class Host:
    """Runs `tibabu run` on a configuration; a context manager that ends it."""

    def __init__(self, config: Path, log: Path) -> None:
        """Start nothing yet."""
        self.config = config
        self._log = log
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it in order."""
        self.stop()

    def start(self) -> None:
        """Start it, and wait until every role serves. Raises AgentError."""
        with self._log.open("ab") as errors:
            self._child = subprocess.Popen(  # noqa: S603 - our own command line
                [*_PYTHON, "run", "--supervised", "--config", str(self.config)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        try:
            Process(self._child).ready(set(ROLES))
        except AgentError as error:
            message = f"{error}; see {self._log}"
            raise AgentError(message) from None

    def kill(self) -> None:
        """End all of it at once, as a power failure does."""
        if self._child is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
            self._child = None

    def stop(self) -> None:
        """End it in order; what does not end is killed."""
        if self._child is None:
            return
        assert self._child.stdin is not None  # noqa: S101 - opened with a pipe
        self._child.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(_END_SECONDS)
        self.kill()

    def command(self, *words: str) -> None:
        """Run another command of the program on the same configuration. Raises AgentError if it fails."""
        done = subprocess.run(  # noqa: S603 - our own command line
            [*_PYTHON, *words, "--config", str(self.config)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            message = f"expected tibabu {words[0]} to do well. Received: {done.stderr.strip()}"
            raise AgentError(message)
