"""What retention removes at the very moment at which it comes again: no success for what is not there any more."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid
from sqlalchemy import select, update

from agent.line.receive import Receiver, ReceiveSettings
from db.closing import Timing
from db.database import Database
from db.priority import Allowances
from db.queue import open_queue
from db.schema.domain import instance
from dicom_io.received import ReceivedInstance
from dicom_io.spool import Spool
from dicom_io.store import Store, StoredFile


@dataclass
class Overtaken:
    """A store in which another host deletes what this one has just kept."""

    store: Store
    other: Store

    def keep(self, spool: Spool) -> StoredFile:
        stored = self.store.keep(spool)
        assert self.other.delete(stored.path)
        return stored

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


@pytest.fixture
def radiograph() -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (generate_uid() for _ in range(3))
    dataset.PatientID, dataset.Modality = "P1", "CR"
    return dataset


@pytest.fixture
def receive(sqlite_database: Database, radiograph: Dataset) -> Callable[[Any], int]:
    """Return `receive(store)`: a receiver over the store answers a C-STORE with this status."""
    settings = ReceiveSettings(timing=Timing(), allowances=Allowances())
    file = BytesIO()
    radiograph.save_as(file, enforce_file_format=True)

    def run(store: Any) -> int:
        receiver = Receiver(sqlite_database, open_queue(sqlite_database), store, settings, lambda: datetime.now(UTC))
        with store.spool() as spool:
            spool.write(file.getvalue())
            return receiver.received(
                ReceivedInstance(
                    spool=spool,
                    affected_sop_class_uid=radiograph.SOPClassUID,
                    affected_sop_instance_uid=radiograph.SOPInstanceUID,
                    transfer_syntax_uid=ExplicitVRLittleEndian,
                    calling_ae_title="SCANNER",
                    called_ae_title="TIBABU",
                    peer_address="127.0.0.1",
                    association_id="a" * 32,
                )
            )

    return run


def test_what_another_host_deletes_as_it_comes_again_is_refused_whatever_copy_this_host_has(
    place: Any, receive: Callable[[Any], int], sqlite_database: Database
) -> None:
    store = place.open()
    assert receive(store) == 0x0000
    with sqlite_database.begin() as connection:
        connection.execute(update(instance).values(removed_at=datetime.now(UTC)))
    assert receive(Overtaken(store, place.open())) == 0xA700
    assert receive(store) == 0x0000
    with sqlite_database.read() as connection:
        row = connection.execute(select(instance.c.path, instance.c.sha256, instance.c.removed_at)).one()
    assert row.removed_at is None
    assert store.is_intact(row.path, row.sha256)
