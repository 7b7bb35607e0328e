"""The processes of a demonstration, what the scanner sends, and the wait until every study is accounted for."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from agent.demo.pacs import AE_TITLE as PACS_AE_TITLE
from agent.errors import AgentError
from db.database import Database
from db.lifecycle import State
from db.worklist import WorklistRow, worklist_row
from dicom_io.samples import Sample
from dicom_io.scu import Peer, send

SCANNER_AE_TITLE = "DEMOSCANNER"
AE_TITLE = "TIBABU"
START_SECONDS = 300.0
_PYTHON = (sys.executable, "-P", "-m")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hospital:
    """A running demonstration: the agent's association address, the page, its config file and the PACS's folder."""

    agent: Peer
    url: str
    config: Path
    pacs: Path


@contextmanager
def hospital(folder: Path) -> Iterator[Hospital]:
    """Start PACS and agent on free loopback ports below `folder`; both end with the block, and with this process."""
    folder.mkdir(parents=True, exist_ok=True)
    pacs_folder, config = folder / "pacs", folder / "config.toml"
    log = folder / "agent.log"
    with log.open("ab") as errors, _process("agent.demo.pacs", str(pacs_folder), errors=errors) as pacs:
        port = pacs.ready({"pacs"})["pacs"]["port"]
        config.write_text(_config(port), encoding="utf-8")
        with _process("agent", "run", "--supervised", "--config", str(config), errors=errors) as agent:
            try:
                said = agent.ready({"receive", "work", "deliver", "clock", "web"})
            except AgentError as error:
                message = f"{error}; see {log}"
                raise AgentError(message) from None
            yield Hospital(
                agent=Peer(AE_TITLE, "127.0.0.1", said["receive"]["port"]),
                url=said["web"]["url"],
                config=config,
                pacs=pacs_folder,
            )


def _config(pacs_port: int) -> str:
    return f"""\
# Written by `tibabu demo`: embedded defaults on free loopback ports.
[receive]
ae_title = "{AE_TITLE}"
host = "127.0.0.1"
port = 0

[web]
port = 0

[[destinations]]
name = "pacs"
type = "dicom"
ae_title = "{PACS_AE_TITLE}"
host = "127.0.0.1"
port = {pacs_port}
"""


class _Process:
    """A child that says in lines of JSON when it is ready; the end of its standard input is its order to stop."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._said: dict[str, dict[str, Any]] = {}
        self._news = threading.Condition()
        self._ended = False
        threading.Thread(target=self._listen, daemon=True).start()

    def ready(self, names: set[str]) -> dict[str, dict[str, Any]]:
        """Wait until all of `names` have said that they are ready; return what each said."""
        with self._news:
            self._news.wait_for(lambda: self._ended or names <= self._said.keys(), START_SECONDS)
            if missing := names - self._said.keys():
                silent = ", ".join(sorted(missing))
                message = f"expected the demonstration's processes to start. Received: no word from {silent}"
                raise AgentError(message)
            return dict(self._said)

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
def _process(module: str, *arguments: str, errors: Any) -> Iterator[_Process]:  # noqa: ANN401 - what subprocess takes
    command = [*_PYTHON, module, *arguments]
    process = subprocess.Popen(  # noqa: S603 - our own command line
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
    )
    try:
        yield _Process(process)
    finally:
        assert process.stdin is not None  # noqa: S101 - opened with a pipe
        process.stdin.close()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def scan(samples: Sequence[Sample], agent: Peer, *, sent: Callable[[Sample], None]) -> None:
    """Send each study over an association of its own, as a scanner does. Raises AgentError if one is not taken."""
    for sample in samples:
        for status in send(agent, [sample.path], calling_ae_title=SCANNER_AE_TITLE):
            if not status.stored:
                message = f"expected the agent to store {sample.shows}. Received: {status.text}"
                raise AgentError(message)
        sent(sample)


def wait_until_delivered(
    database: Database, samples: Sequence[Sample], *, seconds: float, progress: Callable[[int], None]
) -> list[WorklistRow | None]:
    """Wait until every study is DELIVERED, `seconds` at most; return the studies as they stand then, in order."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        rows = [worklist_row(database, sample.study_instance_uid) for sample in samples]
        done = sum(row is not None and row.state is State.DELIVERED for row in rows)
        progress(done)
        if done == len(rows) or time.monotonic() > deadline:
            return rows
        pause.wait(0.2)


def today() -> date:
    """Return the date on which the demonstration's studies are made."""
    return date.today()  # noqa: DTZ011 - study dates are local dates
