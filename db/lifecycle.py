"""The life of a study: one table with one door (`db.advance`). Standard library only, to be tested and printed."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a study stands."""

    RECEIVING = "RECEIVING"
    COMPLETE = "COMPLETE"
    CONCLUDED = "CONCLUDED"
    DELIVERED = "DELIVERED"


class Event(StrEnum):
    """What can happen to a study."""

    CANDIDATE_STORED = "CANDIDATE_STORED"
    ENDED = "ENDED"
    CONCLUDED = "CONCLUDED"
    ALL_ACKNOWLEDGED = "ALL_ACKNOWLEDGED"
    REQUEUED = "REQUEUED"
    WITHDRAWN = "WITHDRAWN"
    AMENDED = "AMENDED"
    CAME_AGAIN = "CAME_AGAIN"
    RESOLVED = "RESOLVED"


CONCLUDED = (State.CONCLUDED, State.DELIVERED)
"""The states of a study whose result is on record."""


@dataclass(frozen=True, slots=True)
class Step:
    """What an event does: the state after it, and whether a new revision of the study begins."""

    to: State
    new_revision: bool = False


TABLE: dict[tuple[State, Event], Step] = {
    (State.RECEIVING, Event.CANDIDATE_STORED): Step(State.RECEIVING),
    (State.RECEIVING, Event.ENDED): Step(State.COMPLETE),
    (State.RECEIVING, Event.RESOLVED): Step(State.RECEIVING),
    (State.COMPLETE, Event.CANDIDATE_STORED): Step(State.RECEIVING, new_revision=True),
    (State.COMPLETE, Event.RESOLVED): Step(State.RECEIVING, new_revision=True),
    (State.COMPLETE, Event.CONCLUDED): Step(State.CONCLUDED),
    (State.COMPLETE, Event.REQUEUED): Step(State.COMPLETE, new_revision=True),
    (State.CONCLUDED, Event.CANDIDATE_STORED): Step(State.RECEIVING, new_revision=True),
    (State.CONCLUDED, Event.RESOLVED): Step(State.RECEIVING, new_revision=True),
    (State.CONCLUDED, Event.ALL_ACKNOWLEDGED): Step(State.DELIVERED),
    (State.CONCLUDED, Event.REQUEUED): Step(State.COMPLETE, new_revision=True),
    (State.CONCLUDED, Event.WITHDRAWN): Step(State.CONCLUDED, new_revision=True),
    (State.CONCLUDED, Event.AMENDED): Step(State.CONCLUDED, new_revision=True),
    (State.DELIVERED, Event.CANDIDATE_STORED): Step(State.RECEIVING, new_revision=True),
    (State.DELIVERED, Event.RESOLVED): Step(State.RECEIVING, new_revision=True),
    (State.DELIVERED, Event.REQUEUED): Step(State.COMPLETE, new_revision=True),
    (State.DELIVERED, Event.WITHDRAWN): Step(State.CONCLUDED, new_revision=True),
    (State.DELIVERED, Event.AMENDED): Step(State.CONCLUDED, new_revision=True),
    (State.DELIVERED, Event.CAME_AGAIN): Step(State.RECEIVING, new_revision=True),
}


def step(state: State, event: Event) -> Step | None:
    """Return what `event` does to a study in `state`, or None where the event means nothing there."""
    return TABLE.get((state, event))
