"""Studies whose time has come are completed, and none waits for another's."""

from datetime import timedelta
from typing import Any

import pytest

from db import completion
from db.advance import lock
from db.completion import close_due, next_close
from db.errors import DatabaseError

HOUR = timedelta(hours=1)


def receive_three(ledger: Any) -> int:
    """Receive three studies whose time comes one after the other; return the first one's id."""
    ids = []
    for number in range(1, 4):
        uid = f"1.2.{number}"
        found = ledger.receive(study_instance_uid=uid, series_instance_uid=f"{uid}.1", candidate=False)
        ids.append(found.study_id)
        ledger.now += timedelta(seconds=1)
    return int(ids[0])


def test_the_next_moment_at_which_a_study_closes_is_known(ledger: Any) -> None:
    first = ledger.now + ledger.timing.quiet
    receive_three(ledger)
    assert next_close(ledger.database, after=ledger.now) == first
    assert next_close(ledger.database, after=first) == first + timedelta(seconds=1)
    assert next_close(ledger.database, after=first + HOUR) is None


def test_a_study_under_a_lock_holds_up_no_other(postgresql_ledger: Any) -> None:
    database, queue = postgresql_ledger.database, postgresql_ledger.queue
    held, later = receive_three(postgresql_ledger), postgresql_ledger.now + HOUR
    with database.begin() as connection:
        lock(connection, held)
        assert close_due(database, queue, now=later) == 2
    assert close_due(database, queue, now=later) == 1


def test_studies_that_cannot_be_closed_hold_up_none_behind_them(
    sqlite_ledger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "MOST_AT_ONCE", 1)
    database, queue = sqlite_ledger.database, sqlite_ledger.queue
    first = receive_three(sqlite_ledger)
    with database.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE TRIGGER broken BEFORE UPDATE ON study WHEN OLD.id < {first + 2} "
            "BEGIN SELECT RAISE(ABORT, 'broken'); END"
        )
    with pytest.raises(DatabaseError):
        close_due(database, queue, now=sqlite_ledger.now + HOUR)
    with database.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER broken")
    assert close_due(database, queue, now=sqlite_ledger.now + HOUR) == 1
    assert close_due(database, queue, now=sqlite_ledger.now + HOUR) == 1
    assert close_due(database, queue, now=sqlite_ledger.now + HOUR) == 0
