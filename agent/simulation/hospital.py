"""A hospital on this machine: the agent on embedded defaults and a PACS with moods, on free loopback ports."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.errors import AgentError
from agent.process.roles import ROLES
from agent.simulation.moods import Mood
from agent.simulation.pacs import AE_TITLE as PACS_AE_TITLE
from agent.simulation.processes import Process, process
from db.accounting import standings
from db.database import Database
from dicom_io.peer import Peer

AE_TITLE: Final = "TIBABU"
DESTINATION: Final = "pacs"
"""The PACS's name in the agent's configuration."""
_LOOK_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Hospital:
    """A running hospital: the agent's association address, the page, its config file and the PACS's folder."""

    agent: Peer
    url: str
    config: Path
    pacs: Path
    pacs_process: Process

    def be(self, mood: Mood) -> None:
        """Change the PACS's mood."""
        self.pacs_process.tell(mood.value)


@contextmanager
def hospital(folder: Path) -> Iterator[Hospital]:
    """Start PACS and agent below `folder`; both end with the block, and with this process."""
    folder.mkdir(parents=True, exist_ok=True)
    pacs_folder, config = folder / "pacs", folder / "config.toml"
    log = folder / "agent.log"
    with log.open("ab") as errors, process("agent.simulation.pacs", str(pacs_folder), errors=errors) as pacs:
        port = pacs.ready({"pacs"})["pacs"]["port"]
        config.write_text(_config(port), encoding="utf-8")
        with process("agent", "run", "--supervised", "--config", str(config), errors=errors) as agent:
            try:
                said = agent.ready(set(ROLES))
            except AgentError as error:
                message = f"{error}; see {log}"
                raise AgentError(message) from None
            yield Hospital(
                agent=Peer(AE_TITLE, "127.0.0.1", said["receive"]["port"]),
                url=said["web"]["url"],
                config=config,
                pacs=pacs_folder,
                pacs_process=pacs,
            )


def _config(pacs_port: int) -> str:
    return f"""\
# Written by `tibabu`: embedded defaults on free loopback ports.
[receive]
ae_title = "{AE_TITLE}"
host = "127.0.0.1"
port = 0

[web]
port = 0

[[destinations]]
name = "{DESTINATION}"
type = "dicom"
ae_title = "{PACS_AE_TITLE}"
host = "127.0.0.1"
port = {pacs_port}
"""


def wait_until_settled(
    database: Database,
    studies: Sequence[str],
    *,
    seconds: float,
    progress: Callable[[int], None],
    stop: threading.Event | None = None,
) -> bool:
    """Wait until nothing more happens to these studies by itself, `seconds` at most; tell whether that is so."""
    deadline, pause = time.monotonic() + seconds, stop or threading.Event()
    while True:
        settled = sum(one.is_settled for one in standings(database, studies))
        progress(settled)
        if settled == len(studies) or time.monotonic() > deadline or pause.wait(_LOOK_SECONDS):
            return settled == len(studies)
