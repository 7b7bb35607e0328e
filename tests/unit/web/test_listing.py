"""The list's pages and rows."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from agent.web.listing import listed, summary
from db.worklist import WorklistRow
from db.worklist_counts import MOST, WorklistCounts

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_row_says_everything_also_about_a_patient_of_whom_nothing_is_known(
    make_row: Callable[..., WorklistRow],
) -> None:
    said = ("patient_name", "patient_id", "patient_age", "patient_birth_date", "patient_sex", "modality")
    unknown = dict.fromkeys((*said, "study_description"), "")
    row = listed(make_row(**unknown), 7, NOON, UTC)
    assert (row.name.shown, row.patient_id, row.age, row.sex) == (
        "name not given",
        "no patient ID",
        "age unknown",
        "sex unknown",
    )
    assert (row.description, row.modality, row.position) == ("no description", "no modality", 7)


def test_a_row_says_how_long_it_has_waited_and_when_it_is_due(make_row: Callable[..., WorklistRow]) -> None:
    row = listed(make_row(received_at=NOON - timedelta(hours=9), due_at=NOON - timedelta(hours=1)), 1, NOON, UTC)
    assert (row.waiting, row.received.text, row.due.text, row.due_at.text) == (
        "9 h 00 min",
        "03:00",
        "overdue 1 h 00 min",
        "11:00",
    )


def test_an_empty_list_has_no_oldest_study() -> None:
    assert summary(WorklistCounts(studies=0, flagged=0, overdue=0, oldest_received_at=None), NOON).oldest == "none"
    waited = WorklistCounts(studies=1, flagged=0, overdue=0, oldest_received_at=NOON - timedelta(minutes=5))
    assert summary(waited, NOON).oldest == "5 min"


def test_a_list_longer_than_is_counted_says_that_there_are_more() -> None:
    counted = WorklistCounts(studies=MOST, flagged=3, overdue=2, oldest_received_at=NOON)
    assert (summary(counted, NOON).studies, summary(counted, NOON).more) == (MOST, "+")
    assert summary(replace(counted, studies=MOST - 1), NOON).more == ""


def test_the_age_is_that_of_the_study_and_not_of_the_day_on_which_it_was_sent(
    make_row: Callable[..., WorklistRow],
) -> None:
    row = listed(make_row(patient_age="", patient_birth_date="19400305", study_date="20040826"), 1, NOON, UTC)
    assert row.age == "64 years"
