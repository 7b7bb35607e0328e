"""Jobs that move from SQLite to PostgreSQL: none is lost, doubled or changed."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from db.database import Database
from db.errors import RefusedError
from db.queue import KindDepth, ParkedJob, open_queue, utc_now
from db.queue.announcements import Announcements
from db.queue.changes import ChangeCounter
from db.queue.embedded import EmbeddedWorker
from db.queue.job_rows import JobRows
from db.queue.ledger import Entry
from db.queue.moving import MovedJobs, _compare, move_jobs, moved_jobs
from db.queue.policy import Policy
from db.queue.procrastinate_engine import ProcrastinateWorker
from db.queue.procrastinate_rows import ProcrastinateRows

Workers = tuple[EmbeddedWorker, ProcrastinateWorker]

MINUTE = timedelta(minutes=1)


@pytest.fixture
def entry(now: datetime) -> Entry:
    return Entry(kind="a", key="1", due_at=now - MINUTE, attempt=3, failures=2, deaths=1, reason="busy")


@pytest.fixture
def workers(sqlite_database: Database, postgresql_database: Database) -> Iterator[Workers]:
    """Give one that works here, and then one there."""
    with (
        closing(ChangeCounter(sqlite_database)) as changes,
        closing(Announcements(postgresql_database, ())) as heard,
        closing(ProcrastinateWorker(postgresql_database, ("a",), Policy(), utc_now, heard)) as there,
    ):
        yield EmbeddedWorker(sqlite_database, ("a",), Policy(), utc_now, changes), there


def put(database: Database, entry: Entry, run_at: datetime) -> None:
    with database.begin() as connection:
        JobRows().put_waiting(connection, entry, run_at)


def moved(here: Database, there: Database, now: datetime) -> MovedJobs:
    with here.begin() as reading, there.begin() as writing:
        found = move_jobs(reading, writing, now=now)
        assert moved_jobs(writing) == found
    return found


def test_what_waits_is_claimed_there_in_the_same_order_with_the_same_counts_and_what_is_planned_waits_on(
    sqlite_database: Database,
    postgresql_database: Database,
    workers: Workers,
    entry: Entry,
    now: datetime,
) -> None:
    _, worker = workers
    put(sqlite_database, replace(entry, key="planned", due_at=now - 9 * MINUTE), now + 9 * MINUTE)
    for key in ("2", "1"):
        put(sqlite_database, replace(entry, key=key), now)
    put(sqlite_database, replace(entry, key="first", due_at=now - 2 * MINUTE), now)
    assert moved(sqlite_database, postgresql_database, now) == MovedJobs(waiting=4, parked=0)
    rows = ProcrastinateRows(Policy().lease, utc_now)
    for key in ("first", "2", "1"):
        claim = worker.claim(alone=False)
        assert claim is not None
        with postgresql_database.begin() as connection:
            found = rows.take(connection, claim.id)
        due_at = now - 2 * MINUTE if key == "first" else entry.due_at
        assert found == replace(entry, key=key, attempt=4, due_at=due_at)
    assert worker.claim(alone=False) is None
    depth = KindDepth(kind="a", waiting=0, later=1, running=0, parked=0, oldest_run_at=None)
    assert open_queue(postgresql_database).depth(now) == (depth,)


def test_what_a_dead_worker_had_waits_again_merged_or_is_parked_if_it_was_the_third(
    sqlite_database: Database,
    postgresql_database: Database,
    workers: Workers,
    entry: Entry,
    now: datetime,
) -> None:
    here, there = workers
    for key, deaths in (("1", 0), ("2", 1), ("dies", 2)):
        put(sqlite_database, replace(entry, key=key, deaths=deaths), now - 9 * MINUTE)
        assert here.claim(alone=True) is not None
    put(sqlite_database, replace(entry, key="2", attempt=0, due_at=now - 2 * MINUTE), now + MINUTE)
    with sqlite_database.begin() as connection:
        JobRows().put_parked(connection, replace(entry, key="parked"), now - 3 * MINUTE)
    moment = now - 5 * MINUTE
    assert moved(sqlite_database, postgresql_database, moment) == MovedJobs(waiting=2, parked=2)
    queue = open_queue(postgresql_database)
    assert queue.running() == ()
    assert queue.parked() == (
        ParkedJob(kind="a", key="parked", reason="busy", attempts=3, parked_at=now - 3 * MINUTE),
        ParkedJob(kind="a", key="dies", reason="worker died", attempts=4, parked_at=moment),
    )
    (depth,) = queue.depth(now)
    assert (depth.waiting, depth.later, depth.parked) == (2, 0, 2)
    assert depth.oldest_run_at is not None
    assert abs(depth.oldest_run_at - moment) < MINUTE
    rows = ProcrastinateRows(Policy().lease, utc_now)
    died = replace(entry, attempt=5, reason="worker died")
    for expected in (replace(died, key="2", deaths=2, due_at=now - 2 * MINUTE), replace(died, key="1", deaths=1)):
        claim = there.claim(alone=True)
        assert claim is not None
        with postgresql_database.begin() as connection:
            assert rows.take(connection, claim.id) == expected
    with postgresql_database.begin() as connection:
        assert rows.take_parked(connection, "a", "dies") == replace(
            entry, key="dies", attempt=4, deaths=3, reason="worker died"
        )
        assert rows.take_parked(connection, "a", "parked") == replace(entry, key="parked")


def test_a_move_to_where_there_are_other_jobs_is_refused_and_says_of_which_state(
    sqlite_database: Database, postgresql_database: Database, entry: Entry, now: datetime
) -> None:
    put(sqlite_database, entry, now)
    rows = ProcrastinateRows(Policy().lease, utc_now)
    for write, said in (
        (rows.put_waiting, "expected 1 jobs, WAITING. Received: 2, or other ones"),
        (rows.put_parked, "expected 0 jobs, PARKED. Received: 1, or other ones"),
    ):
        with sqlite_database.begin() as here, postgresql_database.begin() as there:
            write(there, replace(entry, key="2"), now)
            with pytest.raises(RefusedError) as refused:
                move_jobs(here, there, now=now)
            there.rollback()
        assert str(refused.value) == said


def test_a_move_after_which_other_jobs_wait_there_is_refused(
    postgresql_database: Database, entry: Entry, now: datetime
) -> None:
    with postgresql_database.begin() as connection:
        rows = ProcrastinateRows(Policy().lease, utc_now)
        rows.put_waiting(connection, entry, now)
        rows.put_parked(connection, replace(entry, key="2"), now)
        _compare(connection, {("a", "1")}, "todo", "WAITING")
        for expected in (set[tuple[str, str]](), {("a", "2")}, {("a", "1"), ("a", "2")}, {("b", "1")}):
            with pytest.raises(RefusedError) as refused:
                _compare(connection, expected, "todo", "WAITING")
            assert str(refused.value) == f"expected {len(expected)} jobs, WAITING. Received: 1, or other ones"
