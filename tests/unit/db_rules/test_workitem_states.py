"""The states of a reading task, against PS3.4 table CC.1.1-2 as printed: every pair, with and without the lock."""

import itertools

import pytest

from db.workitem_states import OPEN, Answer, WorkitemState, change

# rows: Change UPS State to ...; columns: SCHEDULED, IN PROGRESS, COMPLETED, CANCELED
WITH_THE_LOCK = {
    "IN PROGRESS": ("DONE", "BEGUN_ALREADY", "FINAL", "FINAL"),
    "SCHEDULED": ("ONLY_BY_CREATION",) * 4,
    "COMPLETED": ("NOT_BEGUN", "DONE", "COMPLETED_ALREADY", "FINAL"),
    "CANCELED": ("NOT_BEGUN", "DONE", "FINAL", "CANCELED_ALREADY"),
}
COLUMNS = ("SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED")


@pytest.mark.parametrize(("state", "to"), list(itertools.product(WorkitemState, WorkitemState)))
def test_every_change_comes_to_what_the_standard_says(state: WorkitemState, to: WorkitemState) -> None:
    expected = WITH_THE_LOCK[to.value][COLUMNS.index(state.value)]
    assert change(state, to, transaction_fits=True) is Answer[expected]
    without = "ONLY_BY_CREATION" if to is WorkitemState.SCHEDULED else "WRONG_TRANSACTION"
    assert change(state, to, transaction_fits=False) is Answer[without]


def test_nothing_leads_out_of_a_final_state() -> None:
    for state, to in itertools.product(set(WorkitemState) - set(OPEN), WorkitemState):
        assert change(state, to, transaction_fits=True) is not Answer.DONE
