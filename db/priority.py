"""Priority: three values kept apart, one order by due time. Pure, so that it can be tested and printed.

The order's priority, the AI's and a person's are never mixed. The effective priority is the person's if set, else the
higher of the other two. Everything is ordered by `due_at = received_at + allowance(effective priority)`: triage moves
the sick forward and nobody starves, because no study past its allowance stands behind a younger one of the same or a
lower priority.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum


class Priority(IntEnum):
    """Urgency of a study, comparable: a higher value is more urgent.

    HIGH is DICOM's STAT and HIGH, MEDIUM is MEDIUM, ROUTINE is ROUTINE and LOW (PS3.3 C.4.11 (0040,1003), C.30.2
    (0074,1200)).
    """

    ROUTINE = 0
    MEDIUM = 1
    HIGH = 2


FLAGGED_PRIORITY = Priority.MEDIUM
"""What the AI asks for a flagged study; HIGH would be equivalent to a STAT request (PS3.3 C.30.2)."""


_TERMS = {"STAT": Priority.HIGH, "HIGH": Priority.HIGH, "MEDIUM": Priority.MEDIUM}


def ordered(term: str) -> Priority:
    """Return the priority that a Requested Procedure Priority (0040,1003) means; ROUTINE for what it does not know."""
    return _TERMS.get(term.strip().upper(), Priority.ROUTINE)


def ups_term(priority: Priority) -> str:
    """Return it as Scheduled Procedure Step Priority (0074,1200): HIGH, MEDIUM or LOW, which is routine (C.30.2)."""
    return {Priority.HIGH: "HIGH", Priority.MEDIUM: "MEDIUM"}.get(priority, "LOW")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowances:
    """How long a study of each priority may wait before it is due."""

    high: timedelta = timedelta(0)
    medium: timedelta = timedelta(minutes=30)
    routine: timedelta = timedelta(hours=8)

    def of(self, priority: Priority) -> timedelta:
        """Return the allowance of a priority."""
        return {Priority.HIGH: self.high, Priority.MEDIUM: self.medium, Priority.ROUTINE: self.routine}[priority]


def effective(order: Priority, ai: Priority | None, person: Priority | None) -> Priority:
    """Return the priority that counts: the person's if set, else the higher of the order's and the AI's."""
    if person is not None:
        return person
    return order if ai is None else max(order, ai)


def due_at(received_at: datetime, priority: Priority, allowances: Allowances) -> datetime:
    """Return when a study received at `received_at` (aware UTC) should have been read."""
    return received_at + allowances.of(priority)
