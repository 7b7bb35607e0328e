"""The agent as it is run, on embedded defaults, and DCMTK's storescp as its PACS; all of it on loopback."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dicom_io.peer import Peer

SYSTEM = "/usr/bin:/usr/sbin:/usr/local/bin"
"""Where DCMTK's tools are: pynetdicom installs scripts of the same names into the environment."""
QUIET_SECONDS = 2.0
"""When a study is complete whose association is held open: as after a release, so that both can be measured."""


@dataclass(frozen=True, slots=True)
class Installation:
    """A running agent: where it listens, its database, and where its PACS keeps what it got."""

    agent: Peer
    pacs: Peer
    config: Path
    database: Path
    pacs_folder: Path
    process: int = field(repr=False)
    pacs_process: int = field(repr=False)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Ask the database, as it is on disk."""
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(query).fetchall()

    def delivered(self) -> int:
        """Return how many studies have all of their reports at the PACS."""
        ((count,),) = self.rows("SELECT count(*) FROM study WHERE state = 'DELIVERED'")
        assert isinstance(count, int)  # noqa: S101 - as SQL says
        return count


@contextlib.contextmanager
def installed(folder: Path, working: int, delivering: int) -> Iterator[Installation]:
    """Start PACS and agent, with so many working and delivering processes, below `folder`; all end with the block."""
    with receiving(folder / "pacs") as (pacs, pacs_process):
        config = folder / "config.toml"
        config.write_text(_config(working, delivering, pacs.port), encoding="utf-8")
        with _running(folder, config) as (port, process):
            yield Installation(
                agent=Peer("TIBABU", "127.0.0.1", port),
                pacs=pacs,
                config=config,
                database=folder / "var/tibabu.db",
                pacs_folder=folder / "pacs",
                process=process,
                pacs_process=pacs_process,
            )


@contextlib.contextmanager
def receiving(folder: Path) -> Iterator[tuple[Peer, int]]:
    """Run DCMTK's storescp as a PACS that keeps what it gets in `folder`; yield where it listens, and its process."""
    folder.mkdir()
    port = free_port()
    process = subprocess.Popen(  # noqa: S603 - our own command line
        ["storescp", "--output-directory", str(folder), "--aetitle", "PACS", str(port)],
        env=os.environ | {"PATH": SYSTEM, "TCP_NODELAY": "1"},
    )
    try:
        yield Peer("PACS", "127.0.0.1", port), process.pid
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def _running(folder: Path, config: Path) -> Iterator[tuple[int, int]]:
    """Run the agent; yield the receiver's port and the supervisor's process."""
    with (folder / "agent.log").open("wb") as log:
        agent = subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, "-P", "-m", "agent", "run", "--config", str(config)],
            stdout=subprocess.PIPE,
            stderr=log,
        )
    try:
        assert agent.stdout is not None  # noqa: S101 - a pipe
        said: dict[str, dict[str, int]] = {}
        while not {"receive", "work", "deliver"} <= said.keys():
            one = json.loads(agent.stdout.readline())
            said[one["ready"]] = one
        yield said["receive"]["port"], agent.pid
    finally:
        agent.send_signal(signal.SIGTERM)
        agent.wait(90)


def _config(working: int, delivering: int, pacs_port: int) -> str:
    return f"""
[receive]
host = "127.0.0.1"
port = 0
[complete]
quiet_seconds = {QUIET_SECONDS}
[web]
port = 0
[work]
processes = {working}
[deliver]
processes = {delivering}
[[destinations]]
name = "pacs"
type = "dicom"
ae_title = "PACS"
host = "127.0.0.1"
port = {pacs_port}
"""


def wait_for(count: int, installation: Installation, seconds: float) -> None:
    """Wait until so many studies are delivered."""
    deadline = time.monotonic() + seconds
    while (there := installation.delivered()) < count:
        if time.monotonic() > deadline:
            message = f"expected {count} delivered studies within {seconds:g} s. Received: {there}"
            raise TimeoutError(message)
        time.sleep(0.2)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
