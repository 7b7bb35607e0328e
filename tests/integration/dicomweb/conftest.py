"""The role `dicomweb` as `tibabu run` starts it, in a thread, with programs that hold tokens."""

import io
import shutil
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from arriving import incoming
from dicomweb_client.api import DICOMwebClient
from pydantic import SecretStr
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from agent.config.file import Config
from agent.process.app import run_role
from agent.process.renewal import Renewal
from agent.tokens import SCOPES, new_token
from db.closing import Timing
from db.database import Database, open_database
from db.intake import record_instance
from db.priority import Allowances, Priority
from db.queue import open_queue
from db.tokens import create_token, revoke_token, tokens
from db.workitems import schedule
from dicom_io.folder_store import FolderStore

NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # is trusted: httpx reads the authorities for each client, 25 ms
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass
class Web:
    """A running DICOMweb as a test sees it."""

    url: str
    database: Database
    store: FolderStore
    config: Config = field(default_factory=Config)
    renewal: Renewal = field(default_factory=lambda: Renewal(threading.Event()))
    clients: list[httpx.Client] = field(default_factory=list)

    def token(self, *scopes: str, name: str = "viewer") -> str:
        """Make a token with these scopes, or all."""
        made = new_token()
        scopes = scopes or tuple(SCOPES)
        create_token(self.database, name, sha256=made.sha256, scopes=scopes, by="test", now=datetime.now(UTC))
        return made.secret

    def client(self, token: str = "") -> httpx.Client:
        """Return a client whose paths start at the service."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        verify = NOBODY if self.url.startswith("http:") else True
        client = httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False, verify=verify)
        self.clients.append(client)
        return client


@pytest.fixture
def multipart() -> Callable[..., tuple[bytes, dict[str, str]]]:
    """Return `multipart(parts, media_type="application/dicom")`: a body of STOW-RS and its header."""

    def made(parts: Sequence[bytes], media_type: str = "application/dicom") -> tuple[bytes, dict[str, str]]:
        head = f"--BOUNDARY\r\nContent-Type: {media_type}\r\n\r\n".encode()
        body = b"".join(head + part + b"\r\n" for part in parts) + b"--BOUNDARY--\r\n"
        return body, {"Content-Type": 'multipart/related; type="application/dicom"; boundary=BOUNDARY'}

    return made


@pytest.fixture
def radiograph() -> Callable[..., Dataset]:
    """Return `radiograph(**attributes)`: a CR of 40 x 32 with a gradient, in a study of its own."""

    def make(**attributes: Any) -> Dataset:
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID = ComputedRadiographyImageStorage
        dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (generate_uid() for _ in range(3))
        dataset.PatientName, dataset.PatientID = "Zzyzx^Quentin", "PID-4711"
        dataset.Modality, dataset.BodyPartExamined, dataset.StudyDate = "CR", "CHEST", "20260102"
        dataset.AccessionNumber, dataset.InstanceNumber, dataset.SeriesNumber = "ACC-1", 1, 1
        dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 40, 32, 1
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
        dataset.PhotometricInterpretation, dataset.WindowCenter, dataset.WindowWidth = "MONOCHROME2", 2048, 4096
        dataset.PixelData = np.linspace(0, 4095, 40 * 32).astype("<u2").tobytes()
        for name, value in attributes.items():
            setattr(dataset, name, value)
        return dataset

    return make


@pytest.fixture
def encode() -> Callable[[Dataset], bytes]:
    """Return `encode(dataset)`: the bytes of its Part 10 file."""

    def encoded(dataset: Dataset) -> bytes:
        file = io.BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        return file.getvalue()

    return encoded


@pytest.fixture
def make_task() -> Callable[..., None]:
    """Return `make_task(web, number, priority)`: puts a study with a task on record, as another process does."""

    def make(web: Web, number: int, priority: Priority = Priority.ROUTINE) -> None:
        arriving = incoming(
            f"1.2.{number}",
            1,
            sha256=f"{number:064x}",
            path=f"00/{number:064x}.dcm",
            order_priority=priority,
            received_at=NOON + timedelta(minutes=number),
            patient_id=f"P{number}",
            patient_name="Zzyzx^Quentin",
            accession_number=f"A-{number}",
            study_description="Thorax",
        )
        queue = open_queue(web.database)
        recorded = record_instance(web.database, queue, arriving, timing=Timing(), allowances=Allowances())
        with web.database.begin() as connection:
            schedule(connection, queue, recorded.study_id, at=datetime.now(UTC))

    return make


@contextmanager
def running(database: Database, folder: Path, store: dict[str, Any], settings: dict[str, Any]) -> Iterator[Web]:
    """Run the role with these settings for a block."""
    config = Config.model_validate(
        {
            "database": {"url": SecretStr(database.url.render_as_string(hide_password=False))},
            "store": {"folder": folder, "minimum_free_megabytes": 0, **store},
            "dicomweb": {"enabled": True, "port": 0, **settings},
        }
    )
    stop, serving, said = threading.Event(), threading.Event(), list[str]()

    def ready(_role: str, **facts: object) -> None:
        said.append(str(facts["url"]))
        serving.set()

    renewal = Renewal(stop)
    thread = threading.Thread(target=run_role, args=("dicomweb", config, stop, ready, renewal))
    thread.start()
    assert serving.wait(60)
    web = Web(said[0], database, FolderStore(folder), config, renewal)
    yield web
    for client in web.clients:
        client.close()
    stop.set()
    thread.join(60)
    assert not thread.is_alive()


@pytest.fixture
def serve(sqlite_database: Database, tmp_path: Path) -> Iterator[Callable[..., Web]]:
    """Return `serve(**settings)`: runs the role with these settings of [dicomweb] until the test ends."""
    with ExitStack() as stack:
        yield lambda store=None, **settings: stack.enter_context(
            running(sqlite_database, tmp_path / "store", store or {}, settings)
        )


@pytest.fixture
def serve_on() -> Callable[..., Any]:
    """Return `serve_on(database, folder)`: runs the role on a database for a block."""
    return lambda database, folder: running(database, folder, {}, {})


@pytest.fixture(scope="session")
def shared_web(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Run the role with its defaults for all tests that do not mind what others have stored."""
    folder = tmp_path_factory.mktemp("dicomweb")
    shutil.copy(sqlite_template, folder / "tibabu.db")
    database = open_database(f"sqlite:///{folder / 'tibabu.db'}")
    with running(database, folder / "store", {}, {}) as web:
        yield web
    database.dispose()


@pytest.fixture
def web(shared_web: Web) -> Iterator[Web]:
    """Give the running role; tokens of this test are gone with it."""
    yield shared_web
    for record in tokens(shared_web.database):
        if record.revoked_at is None:
            revoke_token(shared_web.database, record.name, by="test", now=datetime.now(UTC))


@pytest.fixture
def viewer(web: Web) -> DICOMwebClient:
    """Give dicomweb-client with a token of all scopes."""
    return DICOMwebClient(web.url, headers={"Authorization": f"Bearer {web.token()}"})
