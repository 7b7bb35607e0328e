"""The lifecycle table, against one written independently from its description: every pair, good and bad."""

import itertools

import pytest

from db.lifecycle import CONCLUDED, TABLE, Event, State, step

# from state: {event: (to state, begins a new revision)}; whatever is not written means nothing in that state.
EXPECTED = {
    "RECEIVING": {
        "CANDIDATE_STORED": ("RECEIVING", False),
        "ENDED": ("COMPLETE", False),
        "RESOLVED": ("RECEIVING", False),
    },
    "COMPLETE": {
        "CANDIDATE_STORED": ("RECEIVING", True),
        "CONCLUDED": ("CONCLUDED", False),
        "REQUEUED": ("COMPLETE", True),
        "RESOLVED": ("RECEIVING", True),
    },
    "CONCLUDED": {
        "CANDIDATE_STORED": ("RECEIVING", True),
        "ALL_ACKNOWLEDGED": ("DELIVERED", False),
        "REQUEUED": ("COMPLETE", True),
        "WITHDRAWN": ("CONCLUDED", True),
        "AMENDED": ("CONCLUDED", True),
        "RESOLVED": ("RECEIVING", True),
    },
    "DELIVERED": {
        "CANDIDATE_STORED": ("RECEIVING", True),
        "REQUEUED": ("COMPLETE", True),
        "WITHDRAWN": ("CONCLUDED", True),
        "AMENDED": ("CONCLUDED", True),
        "RESOLVED": ("RECEIVING", True),
        "CAME_AGAIN": ("RECEIVING", True),
    },
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_every_pair_of_state_and_event_does_what_the_description_says(state: State, event: Event) -> None:
    expected = EXPECTED[state.value].get(event.value)
    found = step(state, event)
    assert (None if found is None else (found.to.value, found.new_revision)) == expected


def test_every_state_takes_a_new_candidate_so_that_no_late_image_is_lost() -> None:
    assert all((state, Event.CANDIDATE_STORED) in TABLE for state in State)


def test_what_can_be_withdrawn_or_amended_are_the_states_with_a_result_on_record() -> None:
    for event in ("WITHDRAWN", "AMENDED"):
        assert {state.value for state in CONCLUDED} == {state for state, events in EXPECTED.items() if event in events}


def test_every_state_leads_on() -> None:
    for state in set(State) - {State.DELIVERED}:
        assert any(start is state and found.to is not state for (start, _), found in TABLE.items())
