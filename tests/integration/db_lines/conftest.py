"""A ledger with its queue, a clock in the test's hand, and Instances to record."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from arriving import incoming

from db.closing import Timing
from db.database import Database
from db.intake import IncomingInstance, Recorded, record_instance
from db.priority import Allowances
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
        arriving = self.incoming(**given)
        return record_instance(self.database, self.queue, arriving, timing=self.timing, allowances=self.allowances)

    def incoming(self, **given: Any) -> IncomingInstance:
        said = {"received_at": self.now, "patient_id": "P1", "patient_name": "Doe^John"} | given
        return incoming("1.2.3", next(self._numbers), **said)

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
