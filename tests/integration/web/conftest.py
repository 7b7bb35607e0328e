"""A real server over real rows, which the ledger's own transactions write."""

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from agent.web.server import serve
from agent.web.services import Services
from db.analysis import ImageResult, record_image_result, score_task
from db.attributes import InstanceAttributes
from db.closing import Timing
from db.completion import close_due
from db.conclusion import Conclusion, ReportOrder, record_conclusion, study_to_conclude
from db.database import Database
from db.delivery import StoredReport, record_rendered
from db.delivery_attempt import acknowledge, begin_attempt, record_failed_attempt
from db.intake import IncomingInstance, Recorded, record_instance
from db.outcome import Outcome, study_outcome
from db.priority import Allowances, Priority
from db.queue import Queue, open_queue
from db.worklist import study_record
from dicom_io.folder_store import FolderStore

PLAIN = IncomingInstance(
    study_instance_uid="",
    series_instance_uid="2.25.7",
    sop_instance_uid="",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.1",
    transfer_syntax_uid="1.2.840.10008.1.2.1",
    sha256="",
    path="",
    size=1,
    candidate=True,
    is_image=True,
    device_uids=(),
    order_priority=Priority.ROUTINE,
    calling_ae_title="CR-ROOM-1",
    received_at=datetime(2026, 1, 1, tzinfo=UTC),
    patient_id="",
    issuer_of_patient_id="",
    patient_name="",
    patient_birth_date="",
    patient_sex="",
    patient_age="",
    accession_number="",
    study_date="",
    study_time="",
    study_description="",
    attributes=InstanceAttributes(modality="CR"),
)
"""An Instance that says nothing about its patient."""


@dataclass
class Ledger:
    """Writes studies as the five lines do, at the times that a test wants."""

    database: Database
    queue: Queue
    allowances: Allowances = field(default_factory=Allowances)
    timing: Timing = field(default_factory=lambda: Timing(quiet=timedelta(seconds=2)))
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def receive(self, study_instance_uid: str, *, at: datetime, **said: object) -> Recorded:
        """Record one Instance of a study."""
        number = next(self.numbers)
        incoming = replace(
            PLAIN,
            study_instance_uid=study_instance_uid,
            sop_instance_uid=f"{study_instance_uid}.{number}",
            sha256=f"{number:064x}",
            path=f"00/{number:064x}.dcm",
            received_at=at,
            **said,
        )
        return record_instance(self.database, self.queue, incoming, timing=self.timing, allowances=self.allowances)

    def score(
        self,
        instance: Recorded,
        outcome: Outcome,
        *,
        at: datetime,
        reason: str = "",
        probability: float | None = None,
        lateral: bool = False,
    ) -> None:
        """Record what came of a candidate image."""
        task = score_task(self.database, instance.instance_id)
        assert task is not None
        found = ImageResult(
            outcome=outcome,
            reason=reason,
            lateral=lateral,
            probability=probability,
            model_name="efficientnet_lite0",
            model_version="1.0.0",
            model_sha256="ab" * 32,
            started_at=at,
            finished_at=at,
        )
        assert record_image_result(self.database, self.queue, task, found, allowances=self.allowances)

    def close(self, at: datetime) -> None:
        """Complete the studies that have been quiet for long enough."""
        close_due(self.database, self.queue, now=at)

    def conclude(self, study_id: int, *, at: datetime, destinations: tuple[str, ...] = ("PACS",)) -> None:
        """Conclude a study whose images all have their results, with an SR for each destination."""
        self.close(at)
        study = study_to_conclude(self.database, study_id)
        assert study is not None
        orders = (ReportOrder(kind="sr", media_type="application/dicom", destinations=destinations),)
        conclusion = Conclusion(
            study_id=study_id,
            revision=study.revision,
            outcome=study_outcome(study.images, conflict=study.conflict),
            model_name="efficientnet_lite0",
            model_version="1.0.0",
            model_sha256="ab" * 32,
            operating_point="high sensitivity",
            threshold=0.4217,
            device_uid="2.25.99",
            analysed_at=at,
            concluded_at=at,
            reports=orders if destinations and not study.conflict else (),
        )
        assert record_conclusion(self.database, self.queue, conclusion)

    def deliver(self, study_instance_uid: str, *, at: datetime, parked: str = "") -> None:
        """Render the reports of a study's last result and settle their deliveries; those to `parked` are parked."""
        record = study_record(self.database, study_instance_uid)
        assert record is not None
        for row in record.deliveries:
            number = next(self.numbers)
            stored = StoredReport(
                identifier=f"2.25.{number}",
                sop_class_uid="1.2.840.10008.5.1.4.1.1.88.34",
                series_instance_uid="2.25.8",
                sha256=f"{number:064x}",
                path=f"00/{number:064x}.dcm",
                size=1,
            )
            record_rendered(self.database, row["report_id"], stored, at=at)
            begin_attempt(self.database, row["id"], sha256="", at=at)
            if row["destination"] == parked:
                reason = "expected the peer to accept the association. Received: rejected"
                record_failed_attempt(self.database, row["id"], reason=reason, parked=True, at=at)
            else:
                acknowledge(self.database, row["id"], detail="0000 Success", at=at)


@pytest.fixture
def make_ledger() -> Callable[[Database, Queue], Ledger]:
    """Return `make_ledger(database, queue)`."""
    return Ledger


@pytest.fixture
def ledger(sqlite_database: Database) -> Ledger:
    """Give a ledger that writes into this test's database."""
    return Ledger(sqlite_database, open_queue(sqlite_database))


@pytest.fixture
def services(tmp_path: Path) -> Callable[[Database], Services]:
    """Return `services(database)`: what the pages work with, as of now."""

    def make(database: Database) -> Services:
        return Services(
            database=database,
            queue=open_queue(database),
            store=FolderStore(tmp_path / "store"),
            clock=lambda: datetime.now(UTC),
            allowances=Allowances(),
        )

    return make


@pytest.fixture
def start(services: Callable[[Database], Services]) -> Iterator[Callable[..., str]]:
    """Return `start(database, host="127.0.0.1")`: serves in a thread until the test ends; the URL of the page."""
    running: list[tuple[threading.Event, threading.Thread]] = []

    def begin(database: Database, host: str = "127.0.0.1") -> str:
        stop, serving, ports = threading.Event(), threading.Event(), list[int]()

        def ready(port: int) -> None:
            ports.append(port)
            serving.set()

        arguments = {"host": host, "port": 0, "stop": stop, "ready": ready}
        thread = threading.Thread(target=serve, args=(services(database),), kwargs=arguments)
        thread.start()
        running.append((stop, thread))
        assert serving.wait(20)
        return f"http://{f'[{host}]' if ':' in host else host}:{ports[0]}"

    yield begin
    for stop, _ in running:
        stop.set()
    for _, thread in running:
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def url(sqlite_database: Database, start: Callable[..., str]) -> str:
    """Serve this test's database; the URL of the page without the slash at its end."""
    return start(sqlite_database)


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    """Give a client whose paths start at the page."""
    with httpx.Client(base_url=url, timeout=20, trust_env=False) as found:
        yield found
