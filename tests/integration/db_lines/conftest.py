"""A ledger with its queue, a clock in the test's hand, and Instances to record."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db.attributes import InstanceAttributes
from db.closing import Timing
from db.database import Database
from db.intake import IncomingInstance, Recorded, record_instance
from db.priority import Allowances, Priority
from db.queue import Queue, open_queue

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Ledger:
    """Records Instances with as few words as a test needs."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.queue: Queue = open_queue(database)
        self.allowances = Allowances()
        self.timing = Timing(quiet=timedelta(seconds=30), forced=timedelta(minutes=15))
        self.now = NOON
        self._numbers = itertools.count(1)

    def receive(self, **given: Any) -> Recorded:
        incoming = self.incoming(**given)
        return record_instance(self.database, self.queue, incoming, timing=self.timing, allowances=self.allowances)

    def incoming(self, **given: Any) -> IncomingInstance:
        number = next(self._numbers)
        values: dict[str, Any] = {
            "study_instance_uid": "1.2.3",
            "series_instance_uid": "1.2.3.1",
            "sop_instance_uid": f"1.2.3.1.{number}",
            "sop_class_uid": "1.2.840.10008.5.1.4.1.1.1",
            "transfer_syntax_uid": "1.2.840.10008.1.2.1",
            "sha256": f"{number:064x}",
            "path": f"00/{number:064x}.dcm",
            "size": 10,
            "candidate": True,
            "is_image": True,
            "device_uids": (),
            "order_priority": Priority.ROUTINE,
            "calling_ae_title": "SCANNER",
            "received_at": self.now,
            "patient_id": "P1",
            "issuer_of_patient_id": "",
            "patient_name": "Doe^John",
            "patient_birth_date": "",
            "patient_sex": "",
            "patient_age": "",
            "accession_number": "",
            "study_date": "",
            "study_time": "",
            "study_description": "",
            "attributes": InstanceAttributes(modality="CR"),
        }
        return IncomingInstance(**(values | given))

    def waiting(self) -> dict[str, int]:
        """How many jobs of each kind wait, now or later."""
        depths = self.queue.depth(self.now + timedelta(days=1))
        return {depth.kind: depth.waiting + depth.later for depth in depths if depth.waiting + depth.later}


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


@pytest.fixture
def noon() -> datetime:
    return NOON


@pytest.fixture
def sqlite_ledger(sqlite_database: Database) -> Ledger:
    return Ledger(sqlite_database)


@pytest.fixture
def postgresql_ledger(postgresql_database: Database) -> Ledger:
    return Ledger(postgresql_database)
