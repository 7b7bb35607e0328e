"""A study that the AI has flagged, on both databases, and readers who act on it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db.audit import Who
from db.database import Database
from db.outcome import Outcome
from db.queue import Queue, open_queue
from db.reading_acts import Acting, Seen
from db.reading_lock import Reader
from db.reading_record import ReadingRecord, reading_record
from db.worklist import WorklistRow, worklist_row

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Desk:
    """A reading room with one study in it, and a clock that goes on a minute with each act."""

    database: Database
    queue: Queue
    ledger: Any
    uid: str = "2.25.1"
    now: datetime = field(default_factory=lambda: NOON)

    def acting(self, name: str = "ada") -> Acting:
        """Return who acts now."""
        self.now += timedelta(minutes=1)
        return Acting(Who(name, source="10.0.0.7"), self.now)

    def reader(self, name: str) -> Reader:
        """Return a reader."""
        return Reader(Who(name), name.capitalize())

    def record(self) -> ReadingRecord:
        """Return what is on record of the study's reading."""
        found = reading_record(self.database, self.uid)
        assert found is not None
        return found

    def seen(self) -> Seen:
        """Return what somebody sees who looks now."""
        return self.record().seen

    def row(self) -> WorklistRow:
        """Return the study's row on the worklist."""
        found = worklist_row(self.database, self.uid)
        assert found is not None
        return found


@pytest.fixture
def desk(database: Database, make_ledger: Callable[..., Any]) -> Desk:
    """Give a desk whose study is flagged and concluded."""
    queue = open_queue(database)
    ledger = make_ledger(database, queue)
    image = ledger.receive("2.25.1", at=NOON - timedelta(minutes=10), patient_id="P1", patient_name="Doe^Jane")
    ledger.score(image, Outcome.FLAGGED, at=NOON - timedelta(minutes=9), probability=0.8)
    ledger.conclude(image.study_id, at=NOON - timedelta(minutes=8))
    return Desk(database, queue, ledger)
