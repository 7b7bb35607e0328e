"""The worklist in words: no study is ever without an outcome, or the word for where it stands."""

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from agent.cli.options import print_json
from agent.cli.studies import outcome_text, worklist_document, worklist_line
from db.lifecycle import State
from db.outcome import Outcome
from db.priority import Priority
from db.worklist import WorklistRow

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NEVER = ("clear", "normal", "negative", "healthy", "no finding", "ruled out")

Row = Callable[..., WorklistRow]


@pytest.fixture
def row() -> Row:
    """Return `row(**fields)`: a study on the worklist."""

    def make(**fields: object) -> WorklistRow:
        given: dict[str, object] = {
            "id": 1,
            "study_instance_uid": "1.2.3",
            "patient_id": "H-1",
            "patient_name": "Doe^Jane",
            "patient_birth_date": "20220101",
            "patient_sex": "F",
            "patient_age": "004Y",
            "accession_number": "A1",
            "study_date": "20260301",
            "study_description": "Chest PA",
            "modality": "CR",
            "calling_ae_title": "XRAY",
            "state": State.DELIVERED,
            "revision": 1,
            "outcome": Outcome.NOT_FLAGGED,
            "reason": "",
            "probability": None,
            "updating": False,
            "priority": Priority.ROUTINE,
            "order_priority": Priority.ROUTINE,
            "ai_priority": None,
            "person_priority": None,
            "received_at": NOW - timedelta(minutes=5),
            "due_at": NOW + timedelta(minutes=25),
            "concluded_at": None,
            "instances": 1,
            "misread_text": False,
            "unknown_class": False,
            "doubt": "",
            "deliveries": {},
            "forwards": {},
        }
        return WorklistRow(**(given | fields))

    return make


@pytest.mark.parametrize(("state", "outcome", "updating"), [*itertools.product(State, [None, *Outcome], [False, True])])
def test_no_study_is_ever_blank_or_clear(state: State, outcome: Outcome | None, *, updating: bool, row: Row) -> None:
    study = row(state=state, outcome=outcome, updating=updating)
    text = outcome_text(study)
    assert text.strip()
    for shown in (text, worklist_line(1, study, NOW)):
        assert not any(word in shown.lower() for word in NEVER)
    if outcome is not None:
        assert text.startswith(outcome.value.replace("_", " "))
    assert ("updating" in text) is (updating and outcome is not None)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"outcome": Outcome.FLAGGED}, "flagged"),
        ({"outcome": Outcome.NOT_FLAGGED}, "not flagged"),
        ({"outcome": Outcome.NOT_ANALYSED, "reason": "age unknown"}, "not analysed (age unknown)"),
        ({"outcome": Outcome.FAILED, "reason": "no pixel data"}, "failed (no pixel data)"),
        ({"outcome": Outcome.FLAGGED, "updating": True, "state": State.RECEIVING}, "flagged, updating"),
        ({"outcome": None, "state": State.RECEIVING}, "being received"),
        ({"outcome": None, "state": State.COMPLETE}, "being analysed"),
    ],
)
def test_the_outcome_in_words(fields: dict[str, object], expected: str, row: Row) -> None:
    assert outcome_text(row(**fields)) == expected


def test_a_line_says_who_how_urgent_since_when_until_when_and_what(row: Row) -> None:
    study = row(priority=Priority.MEDIUM, outcome=Outcome.FLAGGED, deliveries={"PARKED": 1, "ACKNOWLEDGED": 2})
    line = worklist_line(3, study, NOW)
    assert " ".join(line.split()) == (
        "3 MEDIUM Doe^Jane CR waiting 5:00, due in 25 min flagged [2 acknowledged, 1 parked] 1.2.3"
    )


def test_a_study_past_its_time_says_by_how_much(row: Row) -> None:
    assert "overdue by 10 min" in worklist_line(1, row(due_at=NOW - timedelta(minutes=10)), NOW)
    assert "due in 0 min" in worklist_line(1, row(due_at=NOW), NOW)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"patient_name": ""}, "H-1"),
        ({"patient_name": "", "patient_id": ""}, "unidentified"),
        ({"patient_name": "Сергеев^Иван"}, "Сергеев^Иван"),
    ],
)
def test_a_patient_without_a_name_is_still_somebody(fields: dict[str, object], expected: str, row: Row) -> None:
    assert expected in worklist_line(1, row(**fields), NOW)


@pytest.mark.parametrize(
    ("fields", "words", "name"),
    [
        ({"patient_id": ""}, "no patient ID", "no_patient_id"),
        ({"patient_name": "^^"}, "no patient name", "no_name"),
        ({"patient_age": "4", "patient_birth_date": "UNKNOWN"}, "no birth date or age", "no_age"),
        ({"study_date": "20261301"}, "no study date", "no_study_date"),
        ({"misread_text": True}, "text may be misspelt", "misread_text"),
        ({"unknown_class": True}, "objects of unknown kind", "unknown_objects"),
    ],
)
def test_what_is_poor_about_a_study_is_said(fields: dict[str, object], words: str, name: str, row: Row) -> None:
    assert worklist_line(1, row(**fields), NOW).endswith(f"1.2.3  check: {words}")
    assert worklist_document(row(**fields))["marks"] == [name]


@pytest.mark.parametrize("fields", [{}, {"patient_age": ""}, {"patient_birth_date": ""}, {"study_date": "2026.03.01"}])
def test_a_good_study_has_no_mark(fields: dict[str, object], row: Row) -> None:
    assert "check" not in worklist_line(1, row(**fields), NOW)
    assert worklist_document(row(**fields))["marks"] == []


def test_the_document_keeps_the_three_priorities_apart(row: Row) -> None:
    study = row(priority=Priority.MEDIUM, ai_priority=Priority.MEDIUM)
    document = worklist_document(study)
    assert document["priority"] == "MEDIUM"
    assert document["priorities"] == {"order": "ROUTINE", "ai": "MEDIUM", "person": None}


@pytest.mark.parametrize("outcome", [None, *Outcome])
def test_the_document_is_json_with_times_in_utc(
    outcome: Outcome | None, row: Row, capsys: pytest.CaptureFixture[str]
) -> None:
    print_json([worklist_document(row(outcome=outcome, patient_name="محمد"))])
    printed = capsys.readouterr().out
    (document,) = json.loads(printed)
    assert document["outcome"] == (None if outcome is None else outcome.value)
    assert document["state"] == "DELIVERED"
    assert document["due_at"] == "2026-03-01T12:25:00+00:00"
    assert "محمد" in printed
