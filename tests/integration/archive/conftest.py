"""A ledger in which Instances are recorded with as few words as a test needs."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from arriving import incoming

from db.attributes import InstanceAttributes
from db.database import Database
from db.intake import Recorded, Timing, record_instance
from db.priority import Allowances
from db.queue import open_queue

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
Receive = Callable[..., Recorded]


@pytest.fixture
def receive(database: Database) -> Receive:
    """Return `receive(**attributes)`, of a study, a Series and an Instance alike."""
    queue, numbers = open_queue(database), itertools.count(1)

    def record(**given: Any) -> Recorded:
        number = next(numbers)
        names = InstanceAttributes.__dataclass_fields__
        described = {"modality": "CR"} | {name: value for name, value in given.items() if name in names}
        said = {"received_at": NOON, "patient_id": "P1", "patient_name": "Doe^John"}
        said |= {name: value for name, value in given.items() if name not in names}
        arriving = incoming("1.2.3", number, attributes=InstanceAttributes(**described), **said)
        return record_instance(database, queue, arriving, timing=Timing(), allowances=Allowances())

    return record
