"""The states of a reading task and who may change them: PS3.4 table CC.1.1-2. Standard library only."""

from enum import Enum, StrEnum, auto


class WorkitemState(StrEnum):
    """Procedure Step State (0074,1000)."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"


OPEN = (WorkitemState.SCHEDULED, WorkitemState.IN_PROGRESS)
"""The states of a task that is still to be done."""


class Answer(Enum):
    """What becomes of a request. DONE, and the reasons why not."""

    DONE = auto()
    FINAL = auto()
    WRONG_TRANSACTION = auto()
    BEGUN_ALREADY = auto()
    ONLY_BY_CREATION = auto()
    NOT_MET = auto()
    UNKNOWN = auto()
    NOT_BEGUN = auto()
    IS_COMPLETED = auto()
    NOBODY_LISTENS = auto()
    CANCELED_ALREADY = auto()
    COMPLETED_ALREADY = auto()
    IGNORED_SOME = auto()


_S, _P, _C, _X = WorkitemState
TABLE: dict[tuple[WorkitemState, WorkitemState], Answer] = {
    (_P, _S): Answer.DONE,
    (_P, _P): Answer.BEGUN_ALREADY,
    (_P, _C): Answer.FINAL,
    (_P, _X): Answer.FINAL,
    (_C, _S): Answer.NOT_BEGUN,
    (_C, _P): Answer.DONE,
    (_C, _C): Answer.COMPLETED_ALREADY,
    (_C, _X): Answer.FINAL,
    (_X, _S): Answer.NOT_BEGUN,
    (_X, _P): Answer.DONE,
    (_X, _C): Answer.FINAL,
    (_X, _X): Answer.CANCELED_ALREADY,
}
"""What a change to the first state comes to in the second, for who gives the right Transaction UID."""


def change(state: WorkitemState, to: WorkitemState, *, transaction_fits: bool) -> Answer:
    """Return what a Change UPS State to `to` comes to (CC.2.1); with DONE the final state requirements come after.

    Of a SCHEDULED task any Transaction UID fits: the claim sets it.
    """
    if to is WorkitemState.SCHEDULED:
        return Answer.ONLY_BY_CREATION
    return TABLE[to, state] if transaction_fits else Answer.WRONG_TRANSACTION
