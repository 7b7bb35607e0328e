"""A generated database as the agent sees it, and one thing to measure on it."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from db.archive import find_studies
from db.archive_columns import Criteria
from db.database import Database
from db.queue import Queue, open_queue

ENOUGH = 100
"""Answers of a search that are read."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing to measure: `call` does it once. `group` is the title under which it stands."""

    group: str
    name: str
    call: Callable[[], object]
    most: int = 1000
    """How often it can be done."""


@dataclass(slots=True)
class Site:
    """A generated database as the agent sees it; what is asked for is drawn from all that it holds."""

    database: Database
    studies: int
    chance: random.Random = field(default_factory=lambda: random.Random(6))  # noqa: S311 - which rows to look at
    queue: Queue = field(init=False)

    def __post_init__(self) -> None:
        """Open the queue."""
        self.queue = open_queue(self.database)

    def any_study(self) -> int:
        """Return the number of some study."""
        return self.chance.randint(1, self.studies)

    def uid(self, number: int, further: str = "") -> str:
        """Return the UID that growth_rows gives a study or what belongs to it."""
        return f"1.2.826.0.1.3680043.10.{number * 7919 % 9973}.{number}{further}"

    def patient_id(self, number: int) -> str:
        """Return a study's Patient ID."""
        return f"P{number * 7919 % max(self.studies // 4, 1)}"

    def accession_number(self, number: int) -> str:
        """Return a study's Accession Number."""
        return f"A{number * 104729 % 999999937}-{number}"

    def find(self, criteria: Criteria) -> object:
        """Search as QIDO-RS and C-FIND do; read no more than enough."""
        return list(islice(find_studies(self.database, criteria), ENOUGH))
