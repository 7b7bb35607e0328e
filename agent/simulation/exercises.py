"""What fails in a hospital and how it is made to fail: the exercises of the downtime drill, and what is to be seen."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.simulation.hospital import DESTINATION
from agent.simulation.host import Host
from agent.simulation.moods import Mood
from agent.simulation.pacs import AE_TITLE as PACS_AE_TITLE
from agent.simulation.pacs import MoodyPacs
from agent.simulation.ris import Ris
from agent.simulation.wire import Wire

_LOCKED: Final = 40.0
"""Longer than a statement waits for SQLite's lock: only then are Instances refused."""
_ENDLESS: Final = 1_000_000_000


@dataclass(slots=True)
class Ward:
    """All that can fail."""

    folder: Path
    host: Host
    pacs: MoodyPacs
    ris: Ris
    cable: Wire
    port: int
    lock: sqlite3.Connection | None = None

    @property
    def database(self) -> Path:
        """The agent's database."""
        return self.folder / "var/tibabu.db"

    def start_with(self, minimum_free_megabytes: int | None) -> None:
        """Start the agent anew, with that reserve of its disk; None: the default."""
        self.host.stop()
        self.host.config.write_text(self.config(minimum_free_megabytes), encoding="utf-8")
        self.host.start()

    def config(self, minimum_free_megabytes: int | None = None) -> str:
        """Return the configuration: the defaults, but for ports of this machine."""
        reserve = "" if minimum_free_megabytes is None else f"minimum_free_megabytes = {minimum_free_megabytes}\n"
        return f"""\
# Written by `tibabu drill`: embedded defaults on loopback ports.
[store]
{reserve}
[receive]
host = "127.0.0.1"
port = {self.port}

[web]
port = 0

[log]
format = "json"

[[destinations]]
name = "{DESTINATION}"
type = "dicom"
ae_title = "{PACS_AE_TITLE}"
host = "127.0.0.1"
port = {self.pacs.port}

[[destinations]]
name = "ris"
type = "mllp"
host = "127.0.0.1"
port = {self.ris.port}
reports = ["oru"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """Something that fails and is mended, and what is to be seen.

    `refused`: one of these has to be answered to scanners at least once, no answer being one; beside 0000, `also` may
    be. `findings`: what `tibabu check` has to say meanwhile.
    """

    name: str
    expected: str
    fail: Callable[[Ward], None]
    mend: Callable[[Ward], None]
    refused: frozenset[str] = frozenset()
    also: frozenset[str] = frozenset()
    findings: frozenset[str] = frozenset()
    least_seconds: float = 0.0


def _lock(ward: Ward) -> None:
    ward.lock = sqlite3.connect(ward.database, isolation_level=None, check_same_thread=False, timeout=60)
    ward.lock.execute("BEGIN IMMEDIATE")


def _unlock(ward: Ward) -> None:
    if ward.lock is not None:
        ward.lock.rollback()
        ward.lock.close()


def _cut(ward: Ward) -> None:
    ward.cable.say("refuse")
    ward.cable.say("reset")


def _lose_the_disk(ward: Ward) -> None:
    ward.host.command("backup", str(ward.folder / "backup"))
    ward.host.kill()
    (ward.folder / "var").rename(ward.folder / "lost")


def _restore(ward: Ward) -> None:
    ward.host.command("restore", str(ward.folder / "backup"))
    ward.host.start()


_NO_ANSWER: Final = frozenset({"AssociationAbortedError", "PeerUnreachableError", "PeerTimeoutError"})
_FULL: Final = frozenset({"A700"})

EXERCISES: Final = (
    Exercise(
        name="all well",
        expected="every image is answered 0000 at once and reported",
        fail=lambda _: None,
        mend=lambda _: None,
    ),
    Exercise(
        name="PACS down",
        expected="scanners notice nothing; reports wait and arrive when it is back",
        fail=lambda ward: ward.pacs.be(Mood.DOWN),
        mend=lambda ward: ward.pacs.be(Mood.ACCEPTS),
        findings=frozenset({"destination-away"}),
    ),
    Exercise(
        name="PACS refuses",
        expected="the same, and check says that it refuses this agent",
        fail=lambda ward: ward.pacs.be(Mood.REJECTS),
        mend=lambda ward: ward.pacs.be(Mood.ACCEPTS),
        findings=frozenset({"destination-refuses"}),
    ),
    Exercise(
        name="RIS down",
        expected="scanners and the PACS notice nothing; results wait and arrive when it is back",
        fail=lambda ward: ward.ris.go(),
        mend=lambda ward: ward.ris.come_back(),
        findings=frozenset({"destination-away"}),
    ),
    Exercise(
        name="network cut",
        expected="scanners get no answer and send again; nothing counts twice",
        fail=_cut,
        mend=lambda ward: ward.cable.say("pass"),
        refused=_NO_ANSWER,
    ),
    Exercise(
        name="database away",
        expected="scanners wait, then are answered A700 and send again",
        fail=_lock,
        mend=_unlock,
        refused=_FULL,
        least_seconds=_LOCKED,
    ),
    Exercise(
        name="disk full",
        expected="scanners are answered A700 and keep their images until there is room",
        fail=lambda ward: ward.start_with(_ENDLESS),
        mend=lambda ward: ward.start_with(None),
        refused=_FULL,
        also=_NO_ANSWER,  # the agent is started anew
        findings=frozenset({"disk-full"}),
    ),
    Exercise(
        name="host killed",
        expected="scanners get no answer and send again; what had been answered is there after the start",
        fail=lambda ward: ward.host.kill(),
        mend=lambda ward: ward.host.start(),
        refused=_NO_ANSWER,
    ),
    Exercise(
        name="disk lost",
        expected="database and store come back from the back-up, and what was sent meanwhile is sent again",
        fail=_lose_the_disk,
        mend=_restore,
        refused=_NO_ANSWER,
    ),
)
