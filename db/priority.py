"""Priority: three values kept apart, one order by due time. Pure, so that it can be tested and printed.

The order's priority, the AI's and a person's are never mixed. The effective priority is the person's if set, else the
higher of the other two. Everything is ordered by due time, the earliest first. Two lists use it.

**The reading worklist**: `due_at = received_at + allowance(effective priority)`. Triage moves the sick forward and
nobody starves: no study past its allowance stands behind a younger one of the same or a lower priority. For if the
younger one was received later and has no shorter allowance, it is due later.

**The agent's own work** (the queue: analysis, reports, forwards): `work_due_at = turn + allowance`. The priority is the
order's, as the images say it, or that of the sender if a rule gives it a higher one. A study's turn is when it came;
but what one sender brings beyond its pace has its turn when it would have come at that pace (`paced_at`: the virtual
scheduling of ITU-T I.371). What others than the sender ask for (the AI, whoever orders) counts from the arrival.

1. No study past its allowance stands behind one of the same or a lower priority that has a later turn: the same proof,
   with the turn in the place of the arrival. A sender that keeps to its pace has its turns as it arrives, and nobody
   has a turn before it arrives. So no study of such a sender, past its allowance, stands behind any younger one of the
   same or a lower priority, whoever sent that.
2. No sender starves the others. Of one sender and priority, at most N * (1 + h) studies have their turn in the first h
   hours of its flood, with N = `studies_per_hour`, however many come. What one of another sender finds before it, of
   the same priority, is that less what was done in these h hours: as long as N an hour are done, at most N studies.
   Nor does the flood starve: its turns come, and what arrives after them is due later.

Both for all studies by their arrival cannot be had: a flood that takes longer to do than its allowance would then
stand, past it, before everything that comes later. Since due times are fixed at arrival, the queue stays one index, and
a claim costs what it did.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a sender's studies stand for in the agent's own work: see this module's text."""

    at_least: Priority = Priority.ROUTINE
    studies_per_hour: int = 600
    """Its pace, for each priority of orders. An hour's studies may come at once."""

    def paced_at(self, received_at: datetime, last: datetime | None) -> datetime:
        """Return when a study would have come at the sender's pace, after one that would have come at `last`."""
        return received_at if last is None else max(received_at, last + timedelta(hours=1) / self.studies_per_hour)


def turn(received_at: datetime, paced_at: datetime) -> datetime:
    """Return from when a study's allowance runs in the agent's own work: from its arrival, or from its peer's pace."""
    return max(received_at, paced_at - timedelta(hours=1))


def lowered(work_due_at: datetime | None, due: datetime) -> datetime | None:
    """Return a study's `work_due_at` once it is due at `due`: None, which means the same as its `due_at`, stays so."""
    return None if work_due_at is None else min(work_due_at, due)


def effective(order: Priority, ai: Priority | None, person: Priority | None) -> Priority:
    """Return the priority that counts: the person's if set, else the higher of the order's and the AI's."""
    if person is not None:
        return person
    return order if ai is None else max(order, ai)


def due_at(received_at: datetime, priority: Priority, allowances: Allowances) -> datetime:
    """Return when a study received at `received_at` (aware UTC) should have been read."""
    return received_at + allowances.of(priority)
