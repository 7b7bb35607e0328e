"""Instances that arrive at the same time are committed together: one sync of the log for all of them.

Whoever gets the turn commits all who wait for it, so there is no thread of its own, and one that arrives alone is
committed at once. If one of them cannot be recorded, each is recorded in a transaction of its own: a bad row fails
alone. PostgreSQL groups the commits of its sessions itself; there each Instance is a transaction as before.
"""

import threading
from collections import deque
from dataclasses import dataclass, field

from db.closing import Timing
from db.database import Database
from db.errors import DatabaseBusyError, DatabaseFullError, DatabaseUnavailableError
from db.incoming import IncomingInstance
from db.intake import Recorded, record_instance, record_within
from db.priority import Allowances
from db.queue import Queue

BIGGEST_GROUP = 64


@dataclass(slots=True)
class _Ticket:
    """One who waits for its Instance to be committed."""

    incoming: IncomingInstance
    outcome: Recorded | Exception | None = None


@dataclass(slots=True)
class Intake:
    """Records received Instances. Called from many threads at once."""

    database: Database
    queue: Queue
    timing: Timing
    allowances: Allowances
    _waiting: deque[_Ticket] = field(default_factory=deque)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def record(self, incoming: IncomingInstance) -> Recorded:
        """Commit one received Instance; see `db.intake.record_instance`."""
        if self.database.dialect == "postgresql":
            return self._alone(incoming)
        ticket = _Ticket(incoming)
        self._waiting.append(ticket)
        while (outcome := ticket.outcome) is None:  # a group has a largest size: this one may be of the next
            with self._turn:
                if ticket.outcome is None:
                    self._commit(self._group())
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _group(self) -> list[_Ticket]:
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), BIGGEST_GROUP))]

    def _commit(self, group: list[_Ticket]) -> None:
        try:
            with self.database.begin() as connection:
                recorded = [
                    record_within(
                        connection, self.queue, ticket.incoming, timing=self.timing, allowances=self.allowances
                    )
                    for ticket in group
                ]
        except (DatabaseBusyError, DatabaseFullError, DatabaseUnavailableError) as error:
            for ticket in group:  # nobody's fault: one by one they would wait out the time-out one after another
                ticket.outcome = error
        except Exception as error:  # noqa: BLE001 - it is raised to whom it concerns
            self._commit_each(group, error)
        else:
            for ticket, one in zip(group, recorded, strict=True):
                ticket.outcome = one

    def _commit_each(self, group: list[_Ticket], error: Exception) -> None:
        """Find out whose fault it was; nothing of the group has been recorded."""
        if len(group) == 1:
            group[0].outcome = error
            return
        for ticket in group:
            try:
                ticket.outcome = self._alone(ticket.incoming)
            except Exception as its_own:  # noqa: BLE001 - as above
                ticket.outcome = its_own

    def _alone(self, incoming: IncomingInstance) -> Recorded:
        return record_instance(self.database, self.queue, incoming, timing=self.timing, allowances=self.allowances)
