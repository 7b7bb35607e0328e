"""A reader of the documentation: types what the pages say, in their order, and compares what is answered."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from dicom_io.samples import write_samples

PATIENCE = 300.0


@dataclass
class Reader:
    """Somebody at a terminal: a folder, an environment, what stands for names and ports here, and other terminals."""

    folder: Path
    environment: dict[str, str]
    instead: dict[str, str]
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    answer: str = ""

    def follow(self, snippets: list[Any], folder: Path | None = None) -> None:
        """Do what a page says, block by block."""
        folder = folder or self.folder
        for one in snippets:
            text = self._here(one.text)
            if one.title is not None:
                path = folder / one.title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            elif one.runs:
                self._type(one, text, folder)
            elif one.language == "text" and self.answer:
                assert re.fullmatch(pattern(text), plain(self.answer)), f"{one}: the answer is\n{self.answer}"
            if not one.runs:
                self.answer = ""

    def _type(self, one: Any, text: str, folder: Path) -> None:
        if (words := one.marked("goes on")) is not None:
            self._leave_running(one, text, folder, words)
        elif (words := one.marked("until")) is not None:
            deadline = time.monotonic() + PATIENCE
            self._run(one, text, folder)
            while any(part not in self.answer for part in words.split(" and ")):
                assert time.monotonic() < deadline, f"{one} says no {words}:\n{self.answer}"
                threading.Event().wait(0.2)
                self._run(one, text, folder)
        else:
            self._run(one, text, folder)

    def _run(self, one: Any, text: str, folder: Path) -> str:
        """Run a block in one shell; what it assigns and exports is there for the next one."""
        after = folder / ".environment"
        done = subprocess.run(  # noqa: S603 - what our own pages say
            ["/bin/bash", "-euo", "pipefail", "-c", f"set -a\n{text}\nenv -0 > {after}"],
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
            check=False,
        )
        self.answer = done.stdout.decode()
        assert done.returncode == 0, f"{one}: exit status {done.returncode}\n{text}\n{self.answer}"
        pairs = (pair.partition("=") for pair in after.read_text().split("\0") if pair)
        self.environment = {name: value for name, _, value in pairs if name not in {"_", "SHLVL", "PWD", "OLDPWD"}}
        return self.answer

    def _leave_running(self, one: Any, text: str, folder: Path, words: str) -> None:
        log = folder / f"terminal-{len(self.running)}.log"
        with log.open("wb") as said:
            process = subprocess.Popen(  # noqa: S603 - what our own pages say
                ["/bin/bash", "-c", f"exec {text}"],
                cwd=folder,
                env=self.environment | {"TIBABU_SLOWLY": "1"},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        self.running.append(process)
        deadline = time.monotonic() + PATIENCE
        while words not in log.read_text(errors="replace"):
            assert process.poll() is None, f"{one} ended:\n{log.read_text()}"
            assert time.monotonic() < deadline, f"{one} says no {words}:\n{log.read_text()}"
            threading.Event().wait(0.1)

    def _here(self, text: str) -> str:
        for written, real in self.instead.items():
            text = re.sub(rf"(?<!\w){re.escape(written)}(?!\w)", real, text)
        return text

    def leave(self) -> None:
        """End what goes on, the last first."""
        for process in reversed(self.running):
            process.terminate()
        for process in reversed(self.running):
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def plain(text: str) -> str:
    """Return a text with one space for any number of them, and none at the ends of lines."""
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines()) + "\n"


def pattern(text: str) -> str:
    """Return what an answer has to match: three dots stand for anything, on a line of their own for any lines."""
    lines = plain(text).splitlines()
    return "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"\n" for line in lines
    )


@pytest.fixture(scope="module")
def reader(
    quick_commands: Any,
    tmp_path_factory: pytest.TempPathFactory,
    free_port: Callable[[], int],
    snippets: Callable[[str], list[Any]],
) -> Iterator[Reader]:
    """Return a reader who has come to the end of the tutorial, with the agent and Orthanc running."""
    folder = tmp_path_factory.mktemp("reader")
    write_samples(folder / "demo/scanner", today=date.today())  # noqa: DTZ011 - as `tibabu demo` leaves them
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TIBABU_")}
    environment["PATH"] = f"{quick_commands.path}:{Path(sys.executable).parent}:{environment['PATH']}"
    ports = {written: str(free_port()) for written in ("11112", "8080", "4242", "8043")}
    one = Reader(folder, environment, ports)
    try:
        one.follow(snippets("docs/tutorial/first-hour.md"))
        one.environment["TIBABU_CONFIG"] = str(folder / "site.toml")
        one.instead |= {"STUDY_INSTANCE_UID": one.environment["study"], "PATIENT_ID": "DEMO-01"}
        yield one
    finally:
        one.leave()


@pytest.fixture
def newcomer() -> Callable[[Path], Reader]:
    """Return `newcomer(folder)`: a reader in a working copy, whose packages are those that are imported there."""

    def arrive(folder: Path) -> Reader:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return Reader(folder, environment | {"PYTHONPATH": str(folder)}, {})

    return arrive
