"""What a run plays on: disks, database, cables and the product's configuration, all below one private folder."""

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from databases import PostgresServer, SqliteFile, postgres
from disk import Disk, disk
from nemesis import Trouble
from product import Host

from agent.process.roles import ROLES
from agent.simulation.wire import Wire, wire
from dicom_io.scu import Peer

FRONT = ("receive", "web")
"""The roles of the first host; the second has all others."""


@dataclass(frozen=True)
class Scene:
    """Everything that can be reached and broken."""

    folder: Path
    store: Disk
    database: SqliteFile | PostgresServer
    scanners: Wire
    pacs: Wire
    hosts: Sequence[Host]
    jump: int

    @property
    def agent(self) -> Peer:
        """Where scanners send to, by way of their cable."""
        return Peer("TIBABU", "127.0.0.1", self.scanners.port)

    def troubles(self) -> dict[str, Trouble]:
        """Return what can be done to disks, database, cables and clocks."""
        made = {name: Trouble(begin, end) for name, (begin, end) in self.database.cuts.items()}
        made["store disk full"] = Trouble(self.store.fill, self.store.free)
        for name, cable in (("scanners'", self.scanners), ("PACS's", self.pacs)):
            made |= {f"{name} cable {how}": _cable(cable, words) for how, words in _CABLE.items()}
        for host in self.hosts:
            for way in (1, -1):
                made[f"{host.name}'s clock {'ahead' if way > 0 else 'behind'}"] = _clock(host, way * self.jump)
        return made


_CABLE = {"reset": ("reset",), "stalled": ("stall",), "cut": ("refuse", "reset"), "deaf": ("deaf",)}


def _cable(cable: Wire, words: Sequence[str]) -> Trouble:
    def begin() -> None:
        for word in words:
            cable.say(word)

    def end() -> None:
        if words == ("deaf",):  # who waits for an answer that was lost is told so at last
            cable.say("reset")
        cable.say("pass")

    return Trouble(begin, end)


def _clock(host: Host, seconds: int) -> Trouble:
    return Trouble(lambda: host.jump(seconds), lambda: host.jump(0))


@contextmanager
def scene(
    folder: Path, engine: str, pacs_port: int, receivers: int, megabytes: int, jump: int, model: str
) -> Iterator[Scene]:
    """Build it up for a block. The product is configured, and not started."""
    with ExitStack() as stack:
        store = stack.enter_context(disk(folder / "store", megabytes))
        where = stack.enter_context(disk(folder / "database", megabytes // 2 + 400))
        database = SqliteFile(where) if engine == "sqlite" else stack.enter_context(postgres(where))
        pacs = stack.enter_context(wire(pacs_port))
        port = _free_port()
        scanners = stack.enter_context(wire(port))
        config = folder / "config.toml"
        config.write_text(_config(folder, database.url, port, pacs.port, receivers, model), encoding="utf-8")
        back = tuple(role for role in ROLES if role not in FRONT)
        hosts = Host("front", FRONT, config), Host("back", back, config)
        yield Scene(folder, store, database, scanners, pacs, hosts, jump)


def _config(folder: Path, url: str, port: int, pacs_port: int, receivers: int, model: str) -> str:
    tables: dict[str, Mapping[str, Any]] = {
        "[store]": {"folder": str(folder / "store"), "minimum_free_megabytes": 0},
        "[database]": {"url": url},
        "[model]": {"name": model},
        "[receive]": {"host": "127.0.0.1", "port": port, "processes": receivers, "dimse_timeout_seconds": 10},
        "[complete]": {"after_release_seconds": 0.5, "quiet_seconds": 3},
        "[deliver]": {"first_retry_seconds": 0.5, "longest_retry_seconds": 4, "attempts": 1000},
        "[web]": {"port": 0},
        "[log]": {"format": "json"},
        "[[destinations]]": {
            "name": "pacs",
            "type": "dicom",
            "ae_title": "PACS",
            "host": "127.0.0.1",
            "port": pacs_port,
            "association_timeout_seconds": 5,
            "response_timeout_seconds": 5,
        },
        "[[forward]]": {"name": "everything", "to": ["pacs"]},
    }
    lines = [line for name, table in tables.items() for line in (name, *_settings(table))]
    return "\n".join(lines) + "\n"


def _settings(table: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {json.dumps(value)}" for key, value in table.items()]  # what JSON writes here, TOML reads alike


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
