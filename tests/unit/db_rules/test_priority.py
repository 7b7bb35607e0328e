"""Priority: raised only, ordered by due time, and nobody starves."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.priority import Allowances, Priority, due_at, effective

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ALLOWANCES = Allowances()


@pytest.mark.parametrize(
    ("order", "ai", "person", "expected"),
    [
        (Priority.ROUTINE, None, None, Priority.ROUTINE),
        (Priority.ROUTINE, Priority.MEDIUM, None, Priority.MEDIUM),
        (Priority.HIGH, Priority.MEDIUM, None, Priority.HIGH),
        (Priority.ROUTINE, Priority.MEDIUM, Priority.ROUTINE, Priority.ROUTINE),
        (Priority.ROUTINE, None, Priority.HIGH, Priority.HIGH),
    ],
)
def test_a_person_decides_else_the_higher_of_order_and_ai_counts(
    order: Priority, ai: Priority | None, person: Priority | None, expected: Priority
) -> None:
    assert effective(order, ai, person) is expected


studies = st.tuples(
    st.integers(0, 10_000).map(lambda minutes: NOON + timedelta(minutes=minutes)), st.sampled_from(Priority)
)


@given(studies, studies)
def test_no_study_past_its_allowance_stands_behind_a_younger_one_of_the_same_or_a_lower_priority(
    older: tuple[datetime, Priority], younger: tuple[datetime, Priority]
) -> None:
    if older[0] < younger[0] and older[1] >= younger[1]:
        assert due_at(*older, ALLOWANCES) < due_at(*younger, ALLOWANCES)


def test_a_flagged_study_overtakes_older_routine_ones_but_not_those_that_are_nearly_due() -> None:
    flagged = due_at(NOON, Priority.MEDIUM, ALLOWANCES)
    assert flagged < due_at(NOON - timedelta(hours=2), Priority.ROUTINE, ALLOWANCES)
    assert flagged > due_at(NOON - timedelta(hours=7, minutes=45), Priority.ROUTINE, ALLOWANCES)
