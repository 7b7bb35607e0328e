"""The agent's SCP over its real ledger and store, a peer to which everything is open, and a place to send to."""

import io
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from kept import KeptInstance
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from agent.archive import HeldArchive
from agent.line.commitment import Committer
from agent.line.receive import Receiver, ReceiveSettings
from agent.line.retry import Backoff
from db.closing import Timing
from db.database import Database
from db.priority import Allowances
from db.queue import open_queue
from dicom_io.door import Door, KnownPeer, Verb
from dicom_io.folder_store import FolderStore
from dicom_io.peer import Peer
from dicom_io.scp import AssociationSummary, ReceivedInstance, ScpSettings, StorageScp
from dicom_io.scu import send
from dicom_io.services import Services
from dicom_io.spool import Spool

SECONDS = 120


@dataclass
class Remembering:
    """A sink that remembers what it was given."""

    answer: Callable[[ReceivedInstance], int] = lambda _: 0x0000
    instances: list[KeptInstance] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def received(self, instance: ReceivedInstance) -> int:
        with self.changed:
            self.instances.append(KeptInstance.of(instance))
            self.changed.notify_all()
        return self.answer(instance)

    def association_ended(self, summary: AssociationSummary) -> None:
        pass


@dataclass
class Holder:
    """The agent as a peer sees it, and what is behind it."""

    scp: StorageScp
    store: FolderStore
    database: Database
    committer: Committer

    @property
    def peer(self) -> Peer:
        return Peer("TIBABU", "127.0.0.1", self.scp.port)

    def take(self, *datasets: Dataset, calling_ae_title: str = "SCANNER") -> None:
        statuses = send(self.peer, [encoded(one) for one in datasets], calling_ae_title=calling_ae_title)
        assert [status.status for status in statuses] == [0] * len(datasets)


def encoded(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def make_radiograph(**attributes: Any) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (generate_uid() for _ in range(3))
    dataset.PatientName, dataset.PatientID, dataset.PatientSex = "Zzyzx^Quentin", "PID-4711", "M"
    dataset.PatientBirthDate, dataset.StudyDate, dataset.StudyTime = "20210203", "20260101", "101500"
    dataset.AccessionNumber, dataset.StudyID, dataset.Modality = "ACC-0815", "S1", "CR"
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.Rows, dataset.Columns = 16, 8
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelData = bytes(16 * 8)
    dataset["PixelData"].VR = "OB"
    for keyword, given in attributes.items():
        setattr(dataset, keyword, given)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


@pytest.fixture
def radiograph() -> Callable[..., Dataset]:
    """Return `radiograph(**attributes)`, a small computed radiograph."""
    return make_radiograph


@pytest.fixture
def destination(tmp_path: Path) -> Iterator[tuple[Remembering, int]]:
    sink = Remembering()
    scp = StorageScp(ScpSettings(ae_title="DEST", host="127.0.0.1", port=0), sink, partial(Spool, tmp_path))
    scp.start()
    yield sink, scp.port
    scp.stop(1)


@pytest.fixture
def hold(sqlite_database: Database, tmp_path: Path) -> Iterator[Callable[..., Holder]]:
    """Return `hold(destinations)`: an agent that knows STATION, which may do everything, and where these listen."""
    started: list[StorageScp] = []
    store, queue = FolderStore(tmp_path / "store"), open_queue(sqlite_database)
    receiver = Receiver(
        sqlite_database,
        queue,
        store,
        ReceiveSettings(timing=Timing(), allowances=Allowances()),
        lambda: datetime.now(UTC),
    )

    def start(
        destinations: dict[str, int] | None = None, *, station_port: int | None = None, **settings: Any
    ) -> Holder:
        places = destinations or {}
        peers = [KnownPeer(ae_title=title, listens=Peer(title, "127.0.0.1", port)) for title, port in places.items()]
        station = KnownPeer(
            ae_title="STATION",
            may=frozenset(Verb),
            move_destinations=frozenset({*places, "STATION"}),
            listens=None if station_port is None else Peer("STATION", "127.0.0.1", station_port),
        )
        door = Door([station, *peers])
        committer = Committer(
            sqlite_database, queue, store, door.peer_of, Backoff(attempts=3), lambda: datetime.now(UTC)
        )
        offered: dict[str, Any] = {
            "archive": HeldArchive(sqlite_database, store, lambda: datetime.now(UTC)),
            "commitment": committer,
        }
        scp = StorageScp(
            ScpSettings(host="127.0.0.1", port=0, door=door, dimse_timeout=60),
            receiver,
            store.spool,
            services=Services(**(offered | settings)),
        )
        scp.start()
        started.append(scp)
        return Holder(scp, store, sqlite_database, committer)

    yield start
    for scp in started:
        scp.stop(1)


@pytest.fixture
def run() -> Callable[..., str]:
    """Return `run(tool, *arguments)`: what a tool of DCMTK says; pynetdicom's of the same names are not meant."""
    beside_python = str(Path(sys.executable).parent)
    path = os.pathsep.join(one for one in os.environ["PATH"].split(os.pathsep) if one != beside_python)

    def call(name: str, *arguments: object, succeeds: bool = True) -> str:
        found = shutil.which(name, path=path)
        assert found is not None, f"expected {name} on PATH"
        command = [found, *(str(argument) for argument in arguments)]
        environment = {**os.environ, "TCP_NODELAY": "1"}
        done = subprocess.run(  # noqa: S603 - a tool of our choice
            command, capture_output=True, text=True, timeout=60, env=environment, check=False, errors="replace"
        )
        said = done.stdout + done.stderr
        assert (done.returncode == 0) is succeeds, said
        return said

    return call
