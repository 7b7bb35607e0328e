"""Every outcome is said, none is blank, and none says or suggests that a study is normal."""

import itertools
import re
from collections.abc import Callable

import pytest

from agent.web import words
from db.delivery_state import DeliveryState
from db.lifecycle import Event, State
from db.outcome import Outcome
from db.priority import Priority, effective
from db.roles import Role
from db.worklist import WorklistRow

MakeRow = Callable[..., WorklistRow]
SUGGESTS_NORMAL = re.compile(r"\b(normal|clear|healthy|negative|absent|no pneumonia|ruled out|safe)\b", re.IGNORECASE)
STATES = tuple(State)
OUTCOMES = (None, *Outcome)


@pytest.mark.parametrize(("state", "outcome"), list(itertools.product(STATES, OUTCOMES)))
def test_an_outcome_is_never_blank_and_never_suggests_that_a_study_is_normal(
    make_row: MakeRow, state: State, outcome: Outcome | None
) -> None:
    row = make_row(state=state, outcome=outcome, updating=outcome is not None and state in {"RECEIVING", "COMPLETE"})
    found = words.outcome(row)
    said = " ".join([found.text, found.reason, found.updating, *words.explanation(found)])
    assert found.text
    assert not SUGGESTS_NORMAL.search(said)


def test_a_flagged_study_has_its_probability_and_no_other_one_has(make_row: MakeRow) -> None:
    flagged = words.outcome(make_row(outcome=Outcome.FLAGGED, probability=0.873))
    assert (flagged.kind, flagged.text, flagged.probability) == ("flagged", "Flagged", "0.87")
    for outcome in set(Outcome) - {Outcome.FLAGGED}:
        assert words.outcome(make_row(outcome=outcome, probability=0.873)).probability == ""


def test_certainty_is_never_claimed(make_row: MakeRow) -> None:
    assert words.outcome(make_row(outcome=Outcome.FLAGGED, probability=1.0)).probability == "> 0.99"


@pytest.mark.parametrize("outcome", [Outcome.NOT_ANALYSED, Outcome.FAILED])
def test_what_was_not_analysed_or_failed_says_why(make_row: MakeRow, outcome: Outcome) -> None:
    assert words.outcome(make_row(outcome=outcome, reason="age unknown")).reason == "age unknown"
    assert words.outcome(make_row(outcome=outcome, reason="")).reason == "no reason recorded"


def test_a_first_revision_says_what_is_being_done_to_it(make_row: MakeRow) -> None:
    assert words.outcome(make_row(outcome=None, state=State.RECEIVING)).text == "Being received"
    assert words.outcome(make_row(outcome=None, state=State.COMPLETE)).text == "Being analysed"


def test_a_newer_revision_stands_beside_the_last_outcome(make_row: MakeRow) -> None:
    found = words.outcome(make_row(outcome=Outcome.FLAGGED, probability=0.9, state=State.RECEIVING, updating=True))
    assert (found.text, found.probability, found.updating) == ("Flagged", "0.90", "updating: being received")


@pytest.mark.parametrize(
    ("order", "ai", "person", "outcome", "expected"),
    [
        (Priority.ROUTINE, None, None, Outcome.NOT_FLAGGED, ("Routine", "order")),
        (Priority.HIGH, None, None, Outcome.NOT_FLAGGED, ("High", "order")),
        (Priority.ROUTINE, Priority.MEDIUM, None, Outcome.FLAGGED, ("Medium", "AI flagged")),
        (Priority.MEDIUM, Priority.MEDIUM, None, Outcome.FLAGGED, ("Medium", "order; AI flagged")),
        (Priority.HIGH, Priority.MEDIUM, None, Outcome.FLAGGED, ("High", "order")),
        (Priority.ROUTINE, Priority.MEDIUM, None, None, ("Medium", "AI flagged an image")),
        (Priority.ROUTINE, Priority.MEDIUM, None, Outcome.FAILED, ("Medium", "AI flagged earlier")),
        (Priority.HIGH, Priority.MEDIUM, Priority.ROUTINE, Outcome.FLAGGED, ("Routine", "set by a person")),
    ],
)
def test_a_priority_says_who_is_behind_it(
    make_row: MakeRow,
    order: Priority,
    ai: Priority | None,
    person: Priority | None,
    outcome: Outcome | None,
    expected: tuple[str, str],
) -> None:
    row = make_row(
        priority=effective(order, ai, person),
        order_priority=order,
        ai_priority=ai,
        person_priority=person,
        outcome=outcome,
        state=State.DELIVERED if outcome else State.RECEIVING,
    )
    found = words.priority(row)
    assert (found.text, found.reason) == expected


def test_a_parked_delivery_comes_first(make_row: MakeRow) -> None:
    found = words.deliveries(make_row(deliveries={"ACKNOWLEDGED": 2, "PARKED": 1, "QUEUED": 3}))
    assert [(one.kind, one.text) for one in found] == [
        ("parked", "1 parked"),
        ("queued", "3 queued"),
        ("acknowledged", "2 acknowledged"),
    ]


def test_no_delivery_says_whether_one_is_still_to_come(make_row: MakeRow) -> None:
    assert [one.text for one in words.deliveries(make_row(state=State.COMPLETE))] == ["not yet"]
    assert [one.text for one in words.deliveries(make_row(state=State.DELIVERED))] == ["none to send"]


def test_every_state_role_and_event_of_the_ledger_has_words() -> None:
    states = [value for name, value in vars(DeliveryState).items() if name.isupper()]
    assert len({words.delivery_state(state).text for state in states}) == len(states)
    assert len({words.role(role) for role in Role}) == len(Role)
    others = ["RECEIVED", "RAISED", "PERFORMED_STEP", "IMAGES_WITHDRAWN", "RESULT_WITHDRAWN"]
    assert len({words.event(event) for event in [*Event, *others]}) == len(Event) + len(others)
    assert words.event("PRIORITY_CHANGED") == "Priority changed"


def test_a_conclusion_in_the_timeline_uses_the_words_of_the_list() -> None:
    assert words.event_detail("CONCLUDED", "not_analysed: age unknown") == "not analysed (age unknown)"
    assert words.event_detail("CONCLUDED", "flagged") == "flagged"
    assert words.event_detail("ENDED", "not_analysed: x") == "not_analysed: x"
    assert words.event_detail("CONCLUDED", "of a later version: x") == "of a later version: x"


def test_a_report_of_a_new_type_goes_by_its_own_name() -> None:
    assert words.report("sr") == "Structured report"
    assert words.report("parametric_map") == "parametric_map"


@pytest.mark.parametrize("state", STATES)
def test_what_was_fetched_for_comparison_only_is_not_said_to_be_under_work(make_row: MakeRow, state: State) -> None:
    found = words.outcome(make_row(outcome=None, state=state, prior_only=True))
    assert (found.kind, found.text, found.reason) == ("not_analysed", "Not analysed", "fetched for comparison only")
