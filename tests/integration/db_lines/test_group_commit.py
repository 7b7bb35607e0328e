"""Instances that arrive together are committed together, and each fails for itself alone."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest
from sqlalchemy import event

import db.database
from db.errors import DatabaseBusyError, QueryError
from db.group_commit import BIGGEST_GROUP, Intake
from db.intake import IncomingInstance, Recorded, Role, count_instances

SECONDS = 120

Together = Callable[[list[IncomingInstance]], list[Future[Recorded]]]


@pytest.fixture
def intake(ledger: Any) -> Intake:
    return Intake(ledger.database, ledger.queue, ledger.timing, ledger.allowances)


@pytest.fixture
def together(intake: Intake) -> Iterator[Together]:
    """Return `together(incoming)`: lets them all wait for their turn before the first gets it."""
    with ThreadPoolExecutor(BIGGEST_GROUP + 5) as threads:

        def record(incoming: list[IncomingInstance]) -> list[Future[Recorded]]:
            begun = threading.Barrier(len(incoming) + 1)

            def one(which: IncomingInstance) -> Recorded:
                begun.wait(SECONDS)
                return intake.record(which)

            with intake._turn:
                found = [threads.submit(one, which) for which in incoming]
                begun.wait(SECONDS)
                while intake.database.dialect == "sqlite" and len(intake._waiting) < len(incoming):
                    threading.Event().wait(0.001)
            return found

        yield record


@contextmanager
def commits(intake: Intake) -> Iterator[list[None]]:
    """Count transactions."""
    seen: list[None] = []

    def see(_: object) -> None:
        seen.append(None)

    event.listen(intake.database.engine, "commit", see)
    yield seen
    event.remove(intake.database.engine, "commit", see)


def test_those_who_come_together_are_all_recorded_each_as_if_alone(
    ledger: Any, intake: Intake, together: Together
) -> None:
    twice = ledger.incoming(study_instance_uid="1.2.9")
    sent = [ledger.incoming(study_instance_uid=f"1.2.{number % 3}") for number in range(12)]
    stranger = ledger.incoming(study_instance_uid="1.2.9", patient_id="P2")
    found = [one.result(SECONDS) for one in together([*sent, twice, twice])]
    assert [one.role for one in found] == [Role.CANDIDATE] * 14
    assert sorted(one.known for one in found[-2:]) == [False, True]
    assert intake.record(stranger).role is Role.CONFLICT
    assert count_instances(ledger.database) == 14


def test_one_that_cannot_be_recorded_fails_alone(ledger: Any, together: Together) -> None:
    bad = ledger.incoming(received_at=ledger.now.replace(tzinfo=None))
    *good, failed = together([ledger.incoming(), ledger.incoming(), bad])
    assert [one.result(SECONDS).known for one in good] == [False, False]
    with pytest.raises((QueryError, TypeError)):
        failed.result(SECONDS)
    assert count_instances(ledger.database) == 2


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # on PostgreSQL each has its own transaction
def test_a_busy_database_keeps_those_who_come_together_waiting_once_and_not_one_after_another(
    ledger: Any, intake: Intake, together: Together, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 64 of them the last would wait for half an hour, and its peer for its answer."""
    monkeypatch.setattr("db.database.BUSY_TIMEOUT", 0.2)
    sent = [ledger.incoming() for _ in range(5)]
    tried: list[None] = []
    insist = db.database._insist

    def counted(attempt: Callable[[], Any]) -> Any:
        tried.append(None)
        return insist(attempt)

    monkeypatch.setattr("db.database._insist", counted)
    with closing(sqlite3.connect(str(intake.database.url.database), isolation_level=None)) as somebody:
        somebody.execute("BEGIN IMMEDIATE")
        for one in together(sent):
            with pytest.raises(DatabaseBusyError):
                one.result(SECONDS)
    assert len(tried) == 1
    assert [intake.record(one).known for one in sent] == [False] * 5


def test_one_commit_serves_all_who_wait_and_no_more_than_a_group(
    ledger: Any, intake: Intake, together: Together
) -> None:
    """SQLite's; PostgreSQL has one transaction for each, and groups their syncs itself."""
    sent = [ledger.incoming() for _ in range(BIGGEST_GROUP + 3)]
    with commits(intake) as seen:
        found = [one.result(SECONDS) for one in together(sent)]
    assert len(seen) == (2 if intake.database.dialect == "sqlite" else len(sent))
    assert len({one.instance_id for one in found}) == len(sent)
