"""The audit trail's rows: written with what they tell of, found again, on both databases."""

from datetime import UTC, datetime, timedelta
from operator import attrgetter

import pytest

from db.audit import THE_AGENT, AuditEvent, Who, note, record
from db.audit_search import AuditQuery, search
from db.audit_terms import EventAction, EventId, EventOutcome, EventType
from db.database import Database

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)


def event(minute: int, **said: object) -> AuditEvent:
    plain: dict[str, object] = {
        "event": EventId.INSTANCES_ACCESSED,
        "action": EventAction.READ,
        "who": Who("ada", "reader", "10.0.0.7"),
        "at": NOW + timedelta(minutes=minute),
    }
    return AuditEvent(**plain | said)  # type: ignore[arg-type]


def test_an_event_comes_back_as_it_was_written(database: Database) -> None:
    said = event(
        0,
        event=EventId.USER_AUTHENTICATION,
        type=EventType.LOGIN,
        action=EventAction.EXECUTE,
        outcome=EventOutcome.MINOR_FAILURE,
        counterpart="PACS",
        study_instance_uid="2.25.1",
        patient_id="P1",
        detail="wrong password",
    )
    record(database, said)
    (row,) = search(database, AuditQuery()).rows
    assert row.event == said


def test_an_event_stands_only_if_the_change_that_it_tells_of_does(database: Database) -> None:
    def change_that_fails() -> None:
        with database.begin() as connection:
            note(connection, event(0))
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        change_that_fails()
    assert search(database, AuditQuery()).rows == ()


def test_pages_hold_every_event_once_newest_first_also_where_times_are_equal(database: Database) -> None:
    for number in range(7):
        record(database, event(number // 3, detail=str(number)))
    seen, after = [], None
    while True:
        page = search(database, AuditQuery(), after=after, limit=2)
        seen += [row.event.detail for row in page.rows]
        if (after := page.next) is None:
            break
    assert seen == ["6", "5", "4", "3", "2", "1", "0"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (AuditQuery(person="ada"), {"a"}),
        (AuditQuery(source="10.0.0.8"), {"b"}),
        (AuditQuery(study_instance_uid="2.25.1"), {"a", "b"}),
        (AuditQuery(patient_id="P2"), {"b"}),
        (AuditQuery(event=EventId.EXPORT), {"c"}),
        (AuditQuery(action=EventAction.UPDATE), {"c"}),
        (AuditQuery(failures=True), {"b"}),
        (AuditQuery(since=NOW + timedelta(minutes=1), until=NOW + timedelta(minutes=2)), {"b"}),
    ],
)
def test_the_trail_is_searched_by(database: Database, query: AuditQuery, found: set[str]) -> None:
    record(database, event(0, study_instance_uid="2.25.1", patient_id="P1", detail="a"))
    bo = Who("bo", "operator", "10.0.0.8")
    failed = EventOutcome.SERIOUS_FAILURE
    record(database, event(1, who=bo, study_instance_uid="2.25.1", patient_id="P2", outcome=failed, detail="b"))
    record(database, event(2, who=THE_AGENT, event=EventId.EXPORT, action=EventAction.UPDATE, detail="c"))
    assert set(map(attrgetter("event.detail"), search(database, query).rows)) == found
