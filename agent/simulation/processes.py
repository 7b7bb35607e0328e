"""Children of a demonstration or a drill: each says in lines of JSON when it is ready, and ends when we do."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from agent.errors import AgentError

START_SECONDS: Final = 300.0
_END_SECONDS: Final = 60.0
_PYTHON: Final = (sys.executable, "-P", "-m")


class Process:
    """A child that says in lines of JSON when it is ready; the end of its standard input is its order to stop."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """Listen to it from now on."""
        self._process = process
        self._said: dict[str, dict[str, Any]] = {}
        self._news = threading.Condition()
        self._ended = False
        threading.Thread(target=self._listen, daemon=True).start()

    def ready(self, names: set[str]) -> dict[str, dict[str, Any]]:
        """Wait until all of `names` have said that they are ready; return what each said. Raises AgentError."""
        with self._news:
            self._news.wait_for(lambda: self._ended or names <= self._said.keys(), START_SECONDS)
            if missing := names - self._said.keys():
                silent = ", ".join(sorted(missing))
                message = f"expected the processes to start. Received: no word from {silent}"
                raise AgentError(message)
            return dict(self._said)

    def tell(self, line: str) -> None:
        """Say something to it."""
        assert self._process.stdin is not None  # noqa: S101 - opened with a pipe
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - opened with a pipe
        for line in self._process.stdout:
            said = json.loads(line)
            with self._news:
                self._said[said["ready"]] = said
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


@contextmanager
def process(module: str, *arguments: str, errors: Any) -> Iterator[Process]:  # noqa: ANN401 - what subprocess takes
    """Run a module of ours for a block; what it says on standard error goes to the file `errors`."""
    child = subprocess.Popen(  # noqa: S603 - our own command line
        [*_PYTHON, module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
    )
    try:
        yield Process(child)
    finally:
        assert child.stdin is not None  # noqa: S101 - opened with a pipe
        child.stdin.close()
        try:
            child.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
