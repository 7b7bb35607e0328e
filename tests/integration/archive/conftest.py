"""A ledger in which Instances are recorded with as few words as a test needs."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from db.attributes import InstanceAttributes
from db.database import Database
from db.intake import IncomingInstance, Recorded, Timing, record_instance
from db.priority import Allowances, Priority
from db.queue import open_queue

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CR = "1.2.840.10008.5.1.4.1.1.1"
ABSENT = dict.fromkeys(
    (
        "issuer_of_patient_id",
        "patient_birth_date",
        "patient_sex",
        "patient_age",
        "accession_number",
        "study_date",
        "study_time",
        "study_description",
    ),
    "",
)

Receive = Callable[..., Recorded]


@pytest.fixture
def receive(database: Database) -> Receive:
    """Return `receive(**attributes)`, of a study, a Series and an Instance alike."""
    queue, numbers = open_queue(database), itertools.count(1)

    def record(**given: Any) -> Recorded:
        number = next(numbers)
        names = InstanceAttributes.__dataclass_fields__
        described = {"modality": "CR"} | {name: value for name, value in given.items() if name in names}
        values: dict[str, Any] = {
            "study_instance_uid": "1.2.3",
            "series_instance_uid": "1.2.3.1",
            "sop_instance_uid": f"1.2.3.1.{number}",
            "sop_class_uid": CR,
            "transfer_syntax_uid": "1.2.840.10008.1.2.1",
            "sha256": f"{number:064x}",
            "path": f"00/{number:064x}.dcm",
            "size": 10,
            "candidate": True,
            "is_image": True,
            "device_uids": (),
            "order_priority": Priority.ROUTINE,
            "calling_ae_title": "SCANNER",
            "received_at": NOON,
            "patient_id": "P1",
            "patient_name": "Doe^John",
            "attributes": InstanceAttributes(**described),
        }
        others = {name: value for name, value in given.items() if name not in names}
        incoming = IncomingInstance(**(ABSENT | values | others))
        return record_instance(database, queue, incoming, timing=Timing(), allowances=Allowances())

    return record
