"""Waiting is told to the precision that matters, and overdue from the moment it is."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from agent.web.times import due, duration, exact, moment

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAIROBI = timezone(timedelta(hours=3))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-5, "under 1 min"),
        (0, "under 1 min"),
        (59, "under 1 min"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h 00 min"),
        (3900, "1 h 05 min"),
        (86399, "23 h 59 min"),
        (86400, "1 d 0 h"),
        (266400, "3 d 2 h"),
    ],
)
def test_a_length_of_time_in_words(seconds: int, expected: str) -> None:
    assert duration(timedelta(seconds=seconds)) == expected


def test_a_study_is_overdue_from_the_moment_its_due_time_has_passed() -> None:
    assert not due(NOON, NOON).overdue
    late = due(NOON - timedelta(minutes=70), NOON)
    assert (late.text, late.overdue) == ("overdue 1 h 10 min", True)
    early = due(NOON + timedelta(minutes=25), NOON)
    assert (early.text, early.overdue) == ("in 25 min", False)
    assert due(NOON - timedelta(seconds=1), NOON).text == "overdue under 1 min"


def test_a_time_of_another_day_has_its_date_in_the_readers_zone() -> None:
    assert moment(NOON, NOON, UTC).text == "12:00"
    assert moment(NOON, NOON, NAIROBI).text == "15:00"
    evening = NOON + timedelta(hours=9, minutes=30)
    assert moment(evening, NOON, NAIROBI).text == "2026-03-02 00:30"
    assert moment(evening, NOON, NAIROBI).machine == "2026-03-02T00:30:00+03:00"


def test_a_timeline_has_dates_and_seconds() -> None:
    assert exact(NOON, NAIROBI).text == "2026-03-01 15:00:00"
    assert exact(NOON, NAIROBI).machine == "2026-03-01T15:00:00+03:00"
