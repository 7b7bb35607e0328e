"""A ledger with its queue, a clock in the test's hand, and Instances to record."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from arriving import incoming

from db.analysis import ImageResult, record_image_result, score_task
from db.closing import Timing
from db.completion import close_due
from db.conclusion import Conclusion, ReportOrder, record_conclusion
from db.database import Database
from db.intake import IncomingInstance, Recorded, record_instance
from db.outcome import Outcome, StudyOutcome
from db.priority import Allowances
from db.queue import Queue, open_queue

NOT_ANALYSED = StudyOutcome(outcome=Outcome.NOT_ANALYSED, reason="no candidate")
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
        arriving = self.incoming(**given)
        return record_instance(self.database, self.queue, arriving, timing=self.timing, allowances=self.allowances)

    def incoming(self, **given: Any) -> IncomingInstance:
        said = {"received_at": self.now, "patient_id": "P1", "patient_name": "Doe^John"} | given
        return incoming("1.2.3", next(self._numbers), **said)

    def score(self, instance_id: int, outcome: Outcome = Outcome.FLAGGED, **given: Any) -> None:
        """Record what the model says of an image."""
        task = score_task(self.database, instance_id)
        assert task is not None
        found = ImageResult(
            outcome=outcome, started_at=self.now, finished_at=self.now, **({"probability": 0.9} | given)
        )
        record_image_result(self.database, self.queue, task, found, allowances=self.allowances)

    def conclusion(
        self, study_id: int, *reports: ReportOrder, outcome: StudyOutcome = NOT_ANALYSED, **given: Any
    ) -> Conclusion:
        """Return what the model `m` is to have said of a study now."""
        facts = {"model_name": "m", "model_version": "1", "model_sha256": "0" * 64, "operating_point": "p"}
        facts |= {"device_uid": "2.25.7"}
        said = {"revision": 1, "threshold": 0.5, "analysed_at": self.now, "concluded_at": self.now} | facts | given
        return Conclusion(study_id=study_id, outcome=outcome, reports=reports, **said)

    def conclude(self, study_id: int, *reports: ReportOrder, **given: Any) -> None:
        """Conclude a study an hour from now, in which it closes."""
        self.now += timedelta(hours=1)
        close_due(self.database, self.queue, now=self.now)
        assert record_conclusion(self.database, self.queue, self.conclusion(study_id, *reports, **given))

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
