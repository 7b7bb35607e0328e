"""The whole agent in this process: its real roles in threads, real associations, a PACS that remembers.

Only the network is a stand-in: it flags bright images, so that a test knows what must come out.
"""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kept import KeptInstance
from pydantic import SecretStr
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid
from sqlalchemy import select

import agent.process.inference
import agent.process.parts
from agent.config.file import Config
from agent.line.gate import GateSettings
from agent.line.pipeline import Pipeline
from agent.process.app import run_role
from agent.process.roles import roles_of
from db.database import Database
from db.schema import domain as schema
from db.worklist import StudyRecord, WorklistRow, study_record, worklist_row
from dicom_io.decoding import Decoder, DecoderSettings
from dicom_io.scp import AssociationSummary, ReceivedInstance, ScpSettings, StorageScp
from dicom_io.scu import Peer, StoreStatus, send
from dicom_io.spool import Spool

THRESHOLD = 0.5


class LightMeter:
    """Stands in for the network: the probability is the mean brightness."""

    card = SimpleNamespace(
        name="light_meter",
        version="1",
        sha256="0" * 64,
        operating_point=SimpleNamespace(name="half", threshold=THRESHOLD),
        age_range_years=(1.0, 6.0),
    )

    def score(self, images: Any) -> list[Any]:
        means = images.mean(axis=(1, 2, 3))
        return [SimpleNamespace(score=float(mean), probability=float(mean)) for mean in means]

    def __init__(self) -> None:
        self.may_explain = threading.Event()
        self.may_explain.set()

    def explain(self, image: Any) -> Any:
        assert self.may_explain.wait(60)
        return (image[..., 0] * 255).astype(np.uint8)


@dataclass
class Pacs:
    """A Storage SCP that remembers what it was sent and answers what `answer` says."""

    answer: Callable[[ReceivedInstance], int] = lambda _: 0x0000
    received_instances: list[KeptInstance] = field(default_factory=list)

    def received(self, instance: ReceivedInstance) -> int:
        self.received_instances.append(KeptInstance.of(instance))
        return self.answer(instance)

    def association_ended(self, summary: AssociationSummary) -> None:
        pass

    def reports(self, modality: str = "SR") -> list[Dataset]:
        found = (dcmread(io.BytesIO(instance.data)) for instance in list(self.received_instances))
        return [report for report in found if report.Modality == modality]

    def digests(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for one in self.received_instances:
            found.setdefault(one.affected_sop_instance_uid, set()).add(sha256(one.data).hexdigest())
        return found


@dataclass
class Agent:
    """The running agent as a test sees it."""

    peer: Peer
    database: Database
    config: Config
    url: str
    dicomweb: str = ""  # where it is served, if it is enabled
    hl7_port: int = 0  # where messages are taken, if they are

    def send(self, *datasets: Dataset, calling_ae_title: str = "SCANNER") -> list[StoreStatus]:
        return send(self.peer, [encode(one) for one in datasets], calling_ae_title=calling_ae_title)

    def row(self, study: Dataset | str) -> WorklistRow | None:
        return worklist_row(self.database, study if isinstance(study, str) else study.StudyInstanceUID)

    def record(self, study: Dataset) -> StudyRecord:
        record = study_record(self.database, study.StudyInstanceUID)
        assert record is not None
        return record

    def is_in(self, study: Dataset, state: str) -> bool:
        """Ask for this alone: it is asked again and again."""
        with self.database.read() as connection:
            which = schema.study.c.study_instance_uid == study.StudyInstanceUID
            return bool(connection.scalar(select(schema.study.c.state).where(which)) == state)


def encode(dataset: Dataset) -> bytes:
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


@pytest.fixture
def radiograph() -> Callable[..., Dataset]:
    """Make a CR of a child's chest whose pixels all have one `value` (0..255), and whatever attributes are given."""

    def make(value: int = 20, **attributes: Any) -> Dataset:
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID = ComputedRadiographyImageStorage
        dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (generate_uid() for _ in range(3))
        dataset.PatientName, dataset.PatientID, dataset.PatientSex = "Zzyzx^Quentin", "PID-4711", "M"
        dataset.PatientBirthDate, dataset.PatientAge, dataset.StudyDate = "20210203", "004Y", "20260101"
        dataset.StudyTime, dataset.AccessionNumber, dataset.StudyID = "101500", "ACC-0815", "1"
        dataset.ReferringPhysicianName, dataset.Manufacturer = "", "TEST"
        dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition = "CR", "CHEST", "PA"
        dataset.SeriesNumber = dataset.InstanceNumber = 1
        dataset.ImageType, dataset.PatientOrientation = ["ORIGINAL", "PRIMARY"], ["L", "F"]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
        dataset.Rows, dataset.Columns = 64, 48
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit = 7
        dataset.WindowCenter, dataset.WindowWidth = 128, 256
        dataset.PixelData = bytes([value]) * (64 * 48)
        dataset["PixelData"].VR = "OB"
        for keyword, given in attributes.items():
            setattr(dataset, keyword, given)
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        return dataset

    return make


@pytest.fixture
def pacs() -> Pacs:
    return Pacs()


@pytest.fixture
def pacs_port(pacs: Pacs, tmp_path: Path) -> Iterator[int]:
    scp = StorageScp(ScpSettings(ae_title="PACS", host="127.0.0.1", port=0), pacs, partial(Spool, tmp_path))
    scp.start()
    yield scp.port
    scp.stop(1)


Start = Callable[..., Agent]


@pytest.fixture
def network() -> LightMeter:
    return LightMeter()


@pytest.fixture(scope="session")
def decoder() -> Iterator[Decoder]:
    """Give the decoding processes that all agents of this folder share: they keep nothing of an image."""
    with Decoder(DecoderSettings(processes=2)) as found:
        yield found


@pytest.fixture
def start(
    database: Database,
    tmp_path: Path,
    pacs_port: int,
    network: LightMeter,
    decoder: Decoder,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Start]:
    """Return `start(**sections)`: runs the agent's roles with the given sections of the config, one PACS by default."""
    monkeypatch.setattr(
        agent.process.inference,
        "make_pipeline",
        lambda _config, _active, frames: Pipeline(network, GateSettings(age_range_years=(1.0, 6.0)), frames=frames),
    )
    monkeypatch.setattr(agent.process.inference, "make_decoder", lambda *_, **__: nullcontext(decoder))
    url, opened = database.url.render_as_string(hide_password=False), agent.process.parts.opened

    def of_one_process(config: Config) -> AbstractContextManager[Database]:
        """Open the rows as one process of several roles would: connections pooled, each statement compiled once."""
        return nullcontext(database) if config.database.url.get_secret_value() == url else opened(config)

    monkeypatch.setattr(agent.process.parts, "opened", of_one_process)
    stop, threads = threading.Event(), []

    def run(**sections: Any) -> Agent:
        raw: dict[str, Any] = {
            "database": {"url": SecretStr(url)},
            "store": {"folder": tmp_path / "store", "minimum_free_megabytes": 1},
            "receive": {"host": "127.0.0.1", "port": 0},
            "complete": {"after_release_seconds": 0.2, "quiet_seconds": 1},
            "deliver": {"first_retry_seconds": 0.2, "longest_retry_seconds": 0.5, "attempts": 20},
            "web": {"port": 0},
            "destinations": [
                {"name": "pacs", "type": "dicom", "ae_title": "PACS", "host": "127.0.0.1", "port": pacs_port}
            ],
        }
        config = Config.model_validate(raw | sections)
        said: dict[str, dict[str, object]] = {}
        news = threading.Condition()

        def ready(role: str, **facts: object) -> None:
            with news:
                said[role] = facts
                news.notify_all()

        roles = roles_of(config)
        for role in roles:
            thread = threading.Thread(target=run_role, args=(role, config, stop, ready), name=role)
            thread.start()
            threads.append(thread)
        with news:
            assert news.wait_for(lambda: said.keys() == set(roles), 60), f"only {said.keys()} came up"
        port = said["receive"]["port"]
        assert isinstance(port, int)
        dicomweb = str(said.get("dicomweb", {}).get("url", ""))
        hl7_port = said.get("hl7", {}).get("port", 0)
        assert isinstance(hl7_port, int)
        peer = Peer("TIBABU", "127.0.0.1", port)
        return Agent(peer, database, config, str(said["web"]["url"]), dicomweb, hl7_port)

    yield run
    stop.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), thread.name
