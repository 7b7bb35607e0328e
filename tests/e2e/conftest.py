"""The product as its users run it: processes of `tibabu run`, a scanner, and a PACS that remembers.

Every process is started here and ended here; ports are free ones, and waiting is on what the processes say.
"""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kept import KeptInstance
from living import children_of, name_of
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from agent.config.file import load
from db.database import Database, open_database
from db.worklist import WorklistRow, worklist
from dicom_io.image_files import CrIdentity, write_cr
from dicom_io.scp import AssociationSummary, ReceivedInstance, ScpSettings, StorageScp
from dicom_io.scu import Peer, StoreStatus, send
from dicom_io.spool import Spool

ROLES = ("receive", "work", "deliver", "clock", "web")
TIBABU = (sys.executable, "-P", "-m", "agent")
PATIENCE = 300.0  # seconds, for whole systems on machines that have much else to do


@dataclass
class Tibabu:
    """A running `tibabu run`: what its roles said, where they are reached, and its processes.

    It begins quickly, with its imports already done; without `quick`, which is None then, as its users start it.
    """

    config: Path
    log: Path
    quick: Any
    command: Sequence[str] = TIBABU
    begins_slowly: bool = False  # as its users start it, though other commands begin quickly
    process: Any = field(init=False)  # as `subprocess.Popen` has it
    said: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    starts: int = 0
    ended: int = 0  # the last start of which no process is left to say anything
    news: threading.Condition = field(default_factory=threading.Condition)

    def start(self, only: Sequence[str] = ()) -> None:
        roles = [part for role in only for part in ("--only", role)]
        words = ["run", "--config", str(self.config), *roles]
        reading, writing = os.pipe()
        with Path(os.devnull).open("rb") as nothing, os.fdopen(writing, "wb") as said, self.log.open("ab") as log:
            files = [file.fileno() for file in (nothing, said, log)]
            how: Any = {"cwd": self.config.parent, "env": os.environ | {"PYTHONFAULTHANDLER": "1"}}
            if self.quick is not None and not self.begins_slowly:
                self.process = self.quick.start(words, files, **how)
            else:
                self.process = subprocess.Popen([*self.command, *words], -1, None, *files, **how)  # noqa: S603 - ours
        self.starts += 1
        threading.Thread(target=self._listen, args=(reading, self.starts), daemon=True).start()

    def ready(self, *roles: str, times: int = 1, seconds: float = PATIENCE) -> None:
        """Wait until each of `roles` (all, if none is named) has said `times` times that it serves."""
        wanted = roles or ROLES
        with self.news:
            self.news.wait_for(lambda: self._served(wanted, times) or self.ended == self.starts, seconds)
        assert self._served(wanted, times), f"only {sorted(self.said)} came up\n{self.text()[-3000:]}"

    @property
    def peer(self) -> Peer:
        return Peer("TIBABU", "127.0.0.1", self.said["receive"][-1]["port"])

    @property
    def url(self) -> str:
        return str(self.said["web"][-1]["url"])

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = (line for line in self.text().splitlines() if line.startswith("{") and line.endswith("}"))
        return [event for event in map(json.loads, lines) if event["event"] == name]

    @cached_property
    def database(self) -> Database:
        return open_database(load(self.config).database.url.get_secret_value())

    def rows(self) -> tuple[WorklistRow, ...]:
        return worklist(self.database, limit=5000)

    def has_delivered(self, studies: int) -> bool:
        """Tell whether so many studies are on the worklist and all reports on them delivered."""
        return [row.state.value for row in self.rows()] == ["DELIVERED"] * studies

    def pids(self, role: str) -> list[int]:
        """Return the living processes of a role, children of the supervisor."""
        return [pid for pid in children_of(self.process.pid) if name_of(pid) == f"tibabu-{role}"]

    def pid(self, role: str) -> int | None:
        """Return the living process of a role of which there is one; None while there is none."""
        return next(iter(self.pids(role)), None)

    def send(self, *files: Dataset | Path | bytes, calling_ae_title: str = "SCANNER") -> list[StoreStatus]:
        sent = [self.encode(file) if isinstance(file, Dataset) else file for file in files]
        return send(self.peer, sent, calling_ae_title=calling_ae_title)

    @staticmethod
    def encode(dataset: Dataset) -> bytes:
        file = io.BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        return file.getvalue()

    def cli(self, *arguments: str, seconds: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        """Run another command of the same product on the same config file."""
        words = [*arguments, "--config", str(self.config)]
        if self.quick is not None:
            return self.quick.run(words, seconds)
        return subprocess.run([*TIBABU, *words], capture_output=True, text=True, timeout=seconds, check=False)  # noqa: S603 - ours

    def document(self, *arguments: str) -> Any:
        """Return what a command prints with --json; it must do well, and have nothing to say to people."""
        done = self.cli(*arguments, "--json")
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        return json.loads(done.stdout)

    def stop(self) -> int:
        """Ask for a drain and return the exit status."""
        self.database.dispose()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(90)
        for pid in (*children_of(self.process.pid), self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGABRT)  # each writes into the log where its threads stand
        self.process.wait()
        pytest.fail(f"did not end\n{self.text()[-20000:]}")

    def _served(self, roles: Sequence[str], times: int) -> bool:
        return all(len(self.said.get(role, ())) >= times for role in roles)

    def _listen(self, reading: int, start: int) -> None:
        with os.fdopen(reading, "rb") as stdout:
            for line in stdout:
                said = json.loads(line)
                with self.news:
                    self.said.setdefault(said["ready"], []).append(said)
                    self.news.notify_all()
        with self.news:
            self.ended = start
            self.news.notify_all()


@dataclass
class Pacs:
    """A Storage SCP in this process that remembers what it was sent and answers what `answer` says."""

    peer: Peer = field(init=False)
    answer: Callable[[ReceivedInstance], int] = lambda _: 0x0000
    instances: list[KeptInstance] = field(default_factory=list)

    def received(self, instance: ReceivedInstance) -> int:
        self.instances.append(KeptInstance.of(instance))
        return self.answer(instance)

    def association_ended(self, summary: AssociationSummary) -> None:
        pass

    def datasets(self, modality: str = "SR") -> list[Dataset]:
        found = (dcmread(io.BytesIO(instance.data)) for instance in list(self.instances))
        return [dataset for dataset in found if dataset.Modality == modality]

    def digests(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for instance in list(self.instances):
            found.setdefault(instance.affected_sop_instance_uid, set()).add(sha256(instance.data).hexdigest())
        return found


@pytest.fixture(scope="session")
def recording_pacs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], AbstractContextManager[Pacs]]:
    """Return `recording_pacs()`: a PACS that listens for a block."""

    @contextmanager
    def listen() -> Iterator[Pacs]:
        pacs = Pacs()
        scp = StorageScp(
            ScpSettings(ae_title="PACS", host="127.0.0.1", port=0),
            pacs,
            partial(Spool, tmp_path_factory.mktemp("pacs")),
        )
        scp.start()
        pacs.peer = Peer("PACS", "127.0.0.1", scp.port)
        try:
            yield pacs
        finally:
            scp.stop(5)

    return listen


@pytest.fixture(scope="session")
def configure(quick_commands: Any) -> Callable[..., Tibabu]:
    """Return `configure(folder, destinations, **sections)`: writes a config.toml with free ports and quick timings.

    Its network is the small one, whose worker starts in a third of the processor time, unless `model` names another.
    """

    def write(folder: Path, destinations: Mapping[str, Peer] | None = None, **sections: Mapping[str, Any]) -> Tibabu:
        tables: dict[str, dict[str, Any]] = {
            "store": {"minimum_free_megabytes": 1},
            "receive": {"host": "127.0.0.1", "port": 0},
            "complete": {"after_release_seconds": 0.5, "quiet_seconds": 5},
            "deliver": {"first_retry_seconds": 0.5, "longest_retry_seconds": 2},
            "decode": {"processes": 1},
            "model": {"name": "small_cnn"},
            "web": {"port": 0},
            "log": {"format": "json"},
        }
        for name, section in sections.items():
            tables[name] = tables.get(name, {}) | dict(section)
        lines = [line for name, table in tables.items() for line in (f"[{name}]", *_settings(table))]
        for name, peer in (destinations or {}).items():
            facts = {"name": name, "type": "dicom", "ae_title": peer.ae_title, "host": peer.host, "port": peer.port}
            lines += ["[[destinations]]", *_settings(facts)]
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "config.toml"
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return Tibabu(config, folder / "agent.log", quick_commands)

    return write


def _settings(table: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {json.dumps(value)}" for key, value in table.items()]  # what JSON writes here, TOML reads alike


@pytest.fixture(scope="session")
def running() -> Callable[..., AbstractContextManager[Tibabu]]:
    """Return `running(tibabu, only=())`: runs it for a block and drains it, which must go well."""

    @contextmanager
    def run(tibabu: Tibabu, only: Sequence[str] = ()) -> Iterator[Tibabu]:
        tibabu.start(only)
        try:
            tibabu.ready(*only)
            yield tibabu
        finally:
            status = tibabu.stop()
        assert status == 0, tibabu.text()[-3000:]

    return run


@pytest.fixture(scope="session")
def radiograph(tmp_path_factory: pytest.TempPathFactory, small_chest: NDArray[np.uint8]) -> Callable[..., Dataset]:
    """Make a CR of a chest, of a picture or small with a corner of its own `value`, with the attributes given."""
    file = tmp_path_factory.mktemp("radiograph") / "one.dcm"

    def make(value: int = 20, picture: NDArray[np.uint8] | None = None, **attributes: Any) -> Dataset:
        identity = CrIdentity(
            patient_id="PID-4711",
            patient_name="Zzyzx^Quentin",
            patient_birth_date="20210203",
            patient_age="004Y",
            patient_sex="M",
            accession_number="ACC-0815",
            made_at=datetime(2026, 1, 1, 10, 15, tzinfo=UTC),
        )
        (pixels := small_chest.copy())[:2, :2] = value  # different pixels, the same radiograph
        dataset = dcmread(write_cr(pixels if picture is None else picture, file, identity))
        for keyword, given in attributes.items():
            setattr(dataset, keyword, given)
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        return dataset

    return make
