"""An agent's rows and store with real images in it, delivered and read, and a configuration that names both."""

import io
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from arriving import incoming
from pydantic import SecretStr
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian
from sqlalchemy import insert, update

from agent.config.file import Config
from agent.process.parts import allowances, timing
from db.database import Database
from db.intake import Recorded, record_instance
from db.queue import Queue, open_queue
from db.schema.domain import image_result, instance, report, result, study
from dicom_io.cache import Cache
from dicom_io.folder_store import FolderStore
from dicom_io.object_store import ObjectStore
from dicom_io.s3 import Credentials, S3Settings

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def radiograph(study_instance_uid: str, sop_instance_uid: str) -> bytes:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = ComputedRadiographyImageStorage, sop_instance_uid
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study_instance_uid, f"{study_instance_uid}.1"
    dataset.PatientName, dataset.PatientID, dataset.Modality = "Doe^John", "P1", "CR"
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


@dataclass
class Site:
    """What an agent keeps."""

    database: Database
    store: Any
    config: Config
    queue: Queue
    now: datetime = NOON
    _numbers: itertools.count = field(default_factory=lambda: itertools.count(1))  # type: ignore[type-arg]

    def clock(self) -> datetime:
        return self.now

    def receive(self, study_instance_uid: str = "1.2.3", sop_instance_uid: str = "") -> Recorded:
        """Store an image and record it, as the receiver does."""
        uid = sop_instance_uid or f"{study_instance_uid}.1.{next(self._numbers)}"
        stored = self.store.put(radiograph(study_instance_uid, uid))
        arriving = incoming(
            study_instance_uid,
            1,
            sop_instance_uid=uid,
            sha256=stored.sha256,
            path=stored.path,
            size=stored.size,
            received_at=self.now,
            patient_id="P1",
            patient_name="Doe^John",
        )
        times, waits = timing(self.config), allowances(self.config)
        return record_instance(self.database, self.queue, arriving, timing=times, allowances=waits)

    def delivered(self, study_instance_uid: str = "1.2.3", *, images: int = 2, outcome: str = "not_flagged") -> int:
        """Make a study that has been delivered and read, with a stored report; return its id."""
        ids = [self.receive(study_instance_uid) for _ in range(images)]
        study_id = ids[0].study_id
        stored = self.store.put(f"report of {study_instance_uid}".encode())
        said: dict[str, Any] = {"outcome": outcome, "reason": "", "model_name": "m", "model_version": "1"}
        said |= {"model_sha256": sha256(b"m").hexdigest()}
        with self.database.begin() as connection:
            for one in ids:
                scored = {"instance_id": one.instance_id, "revision": 1, "is_lateral": False}
                times = {"started_at": self.now, "finished_at": self.now}
                connection.execute(insert(image_result).values(said | scored | times))
            more = {"operating_point": "o", "threshold": 0.5, "device_uid": "1.9", "analysed_at": self.now}
            made = insert(result).values(said | more | {"study_id": study_id, "revision": 1, "concluded_at": self.now})
            result_id = connection.execute(made.returning(result.c.id)).scalar_one()
            file = {"sha256": stored.sha256, "path": stored.path, "size": stored.size, "rendered_at": self.now}
            connection.execute(
                insert(report).values(
                    result_id=result_id, kind="fhir", version=1, media_type="application/fhir+json", **file
                )
            )
            ended = {"state": "DELIVERED", "outcome": outcome, "concluded_at": self.now, "read_at": self.now}
            connection.execute(update(study).where(study.c.id == study_id).values(ended))
            table = "job" if self.database.dialect == "sqlite" else "procrastinate.procrastinate_jobs"
            connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608 - one of two names
        return study_id

    def files(self) -> set[str]:
        return {one.path for one in self.store.listed()}

    def rows(self) -> set[str]:
        with self.database.read() as connection:
            here = connection.execute(instance.select().where(instance.c.removed_at.is_(None)))
            return {row.path for row in here} | {row.path for row in connection.execute(report.select())}


Make = Callable[..., Site]


@pytest.fixture
def site_of(tmp_path: Path) -> Make:
    """Return `site_of(database, **sections)`."""

    def make(database: Database, **sections: Any) -> Site:
        raw: dict[str, Any] = {
            "database": {"url": SecretStr(database.url.render_as_string(hide_password=False))},
            "store": {"folder": tmp_path / "store", "minimum_free_megabytes": 0},
        }
        config = Config.model_validate(raw | sections)
        return Site(database, FolderStore(config.store.folder), config, open_queue(database))

    return make


@pytest.fixture
def s3_store(s3_server: Any, tmp_path: Path) -> ObjectStore:
    """Give an object store with a bucket of its own."""
    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s"}
    client = boto3.client("s3", endpoint_url=s3_server.endpoint, region_name="us-east-1", **keys)
    bucket = f"bucket-{uuid4().hex}"
    client.create_bucket(Bucket=bucket)
    settings = S3Settings(
        bucket=bucket,
        prefix="site/",
        endpoint=s3_server.endpoint,
        region="us-east-1",
        connect_seconds=5,
        answer_seconds=30,
        credentials=lambda: Credentials("key", "secret"),
    )
    return ObjectStore(settings, Cache(tmp_path / "cache", limit=1 << 30, reserve=0))


@pytest.fixture
def a_year() -> timedelta:
    return timedelta(days=366)
