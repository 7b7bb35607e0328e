"""Instances that arrive together are committed together, and each fails for itself alone."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from db.errors import QueryError
from db.group_commit import BIGGEST_GROUP, Intake
from db.intake import IncomingInstance, Recorded, Role, count_instances

SECONDS = 30

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


def test_one_commit_serves_all_who_wait_and_no_more_than_a_group(
    ledger: Any, intake: Intake, together: Together
) -> None:
    """SQLite's; PostgreSQL has one transaction for each, and groups their syncs itself."""
    sent = [ledger.incoming() for _ in range(BIGGEST_GROUP + 3)]
    with commits(intake) as seen:
        found = [one.result(SECONDS) for one in together(sent)]
    assert len(seen) == (2 if intake.database.dialect == "sqlite" else len(sent))
    assert len({one.instance_id for one in found}) == len(sent)
