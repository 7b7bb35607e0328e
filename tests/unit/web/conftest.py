"""A study on the worklist, as its tests want it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from db.lifecycle import State
from db.outcome import Outcome
from db.priority import Priority
from db.worklist import WorklistRow

ROW = WorklistRow(
    id=1,
    study_instance_uid="1.2.3",
    patient_id="P1",
    patient_name="Doe^John",
    patient_birth_date="20220115",
    patient_sex="M",
    patient_age="004Y",
    accession_number="A1",
    study_date="20260301",
    study_description="Chest PA",
    modality="CR",
    calling_ae_title="CR1",
    state=State.DELIVERED,
    revision=1,
    outcome=Outcome.NOT_FLAGGED,
    reason="",
    probability=0.12,
    updating=False,
    priority=Priority.ROUTINE,
    order_priority=Priority.ROUTINE,
    ai_priority=None,
    person_priority=None,
    received_at=datetime(2026, 3, 1, 8, tzinfo=UTC),
    due_at=datetime(2026, 3, 1, 16, tzinfo=UTC),
    concluded_at=datetime(2026, 3, 1, 8, 1, tzinfo=UTC),
    instances=1,
    misread_text=False,
    unknown_class=False,
    doubt="",
    deliveries={},
    forwards={},
)


@pytest.fixture
def make_row() -> Callable[..., WorklistRow]:
    """Return `make_row(**changes)`: a routine study, analysed and not flagged, unless it is changed."""
    return lambda **changes: replace(ROW, **changes)
