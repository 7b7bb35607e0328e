"""What either engine keeps of a job, step by step: `db.queue.ledger.Ledger`, and what is told of its rows."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Connection

from db.database import Database
from db.queue import Job, KindDepth, Park, ParkedJob, Queue, utc_now
from db.queue.announcements import Announcements
from db.queue.changes import ChangeCounter
from db.queue.embedded import EmbeddedWorker
from db.queue.job_rows import JobRows
from db.queue.ledger import Entry, Ledger
from db.queue.policy import Policy
from db.queue.procrastinate_engine import ProcrastinateWorker
from db.queue.procrastinate_rows import ProcrastinateRows
from db.queue.runner import Claim, Worker

POLICY = Policy(lease=timedelta(seconds=60))
MINUTE = timedelta(minutes=1)

Enqueue = Callable[..., None]


@pytest.fixture
def rows(database: Database) -> Ledger:
    return JobRows() if database.dialect == "sqlite" else ProcrastinateRows(POLICY.lease, utc_now)


@pytest.fixture
def worker(database: Database) -> Iterator[Worker]:
    """Give a worker of the database's engine for jobs of the kinds a and b."""
    if database.dialect == "sqlite":
        with closing(ChangeCounter(database)) as changes:
            yield EmbeddedWorker(database, ("a", "b"), POLICY, utc_now, changes)
        return
    with (
        closing(Announcements(database, ())) as announcements,
        closing(ProcrastinateWorker(database, ("a", "b"), POLICY, utc_now, announcements)) as found,
    ):
        yield found


def taken(worker: Worker) -> Claim:
    claim = worker.claim(alone=False)
    assert claim is not None
    return claim


def test_what_a_worker_gets_and_ends_is_what_was_written_and_the_run_that_began_counts(
    database: Database, rows: Ledger, worker: Worker, now: datetime
) -> None:
    entry = Entry(kind="a", key="1", due_at=now + MINUTE, attempt=5, failures=4, deaths=1, reason="busy")
    with database.begin() as connection:
        rows.put_waiting(connection, entry, now)
    claim = taken(worker)
    assert claim.job == Job(kind="a", key="1", attempt=6, due_at=entry.due_at)
    assert claim.failures == 4
    with database.begin() as connection:
        assert rows.take(connection, claim.id + 1) is None
        assert rows.take_parked(connection, "a", "1") is None
        assert rows.take(connection, claim.id) == replace(entry, attempt=6)
        assert rows.take(connection, claim.id) is None


@pytest.mark.parametrize("order", [1, -1])
def test_one_that_waits_absorbs_another_with_the_earlier_times_the_higher_counts_and_the_later_reason(
    database: Database, queue: Queue, rows: Ledger, worker: Worker, now: datetime, order: int
) -> None:
    """In whatever zone its time is told, and whichever comes first."""
    far_away = timezone(timedelta(hours=5))
    early = Entry(kind="a", key="1", due_at=(now - 40 * MINUTE).astimezone(far_away), attempt=1, failures=3, reason="x")
    late = Entry(kind="a", key="1", due_at=now - 20 * MINUTE, attempt=2, failures=1, deaths=1)
    between = Entry(kind="b", key="1", due_at=now - 30 * MINUTE)
    with database.begin() as connection:
        for entry, run_at in [(early, now - 3 * MINUTE), (late, now - 9 * MINUTE)][::order]:
            rows.put_waiting(connection, entry, run_at)
        rows.put_waiting(connection, between, now)
    (depth, _) = queue.depth(now)
    assert (depth.waiting, depth.later, depth.first_due_at) == (1, 0, early.due_at)
    assert depth.oldest_run_at is not None
    assert abs(depth.oldest_run_at - (now - 9 * MINUTE)) < MINUTE
    merged = replace(early, attempt=2, failures=3, deaths=1)
    claim = taken(worker)
    with database.begin() as connection:
        assert rows.take(connection, claim.id) == replace(merged, attempt=3)
        rows.put_waiting(connection, merged, now)
        rows.put_waiting(connection, replace(late, reason="y"), now)
        assert rows.take_parked(connection, "a", "1") is None
    claim = taken(worker)
    with database.begin() as connection:
        assert rows.take(connection, claim.id) == replace(merged, attempt=3, reason="y")


def test_the_job_that_is_due_first_is_claimed_first_by_the_second_and_however_far_its_time_is(
    enqueue: Enqueue, database: Database, rows: Ledger, worker: Worker, now: datetime
) -> None:
    for year in (2061, 2060, 9998, 2001, 2000, 1):
        with database.begin() as connection:
            due_at = datetime(year, 1, 2, tzinfo=UTC)
            rows.put_waiting(connection, Entry(kind="a", key=f"in {year}", due_at=due_at), now)
    for seconds in (2, 1, 0):
        enqueue(str(seconds), due=seconds)
    expected = ["in 1", "in 2000", "in 2001", "0", "1", "2", "in 2060", "in 2061", "in 9998"]
    assert [taken(worker).job.key for _ in expected] == expected


def test_of_one_key_the_last_is_parked_and_the_latest_are_told_first(
    database: Database, queue: Queue, rows: Ledger, enqueue: Enqueue, now: datetime
) -> None:
    old = Entry(kind="a", key="1", due_at=now, attempt=1, failures=1, deaths=1, reason="old")
    new = Entry(kind="a", key="1", due_at=now - MINUTE, attempt=5, failures=4, deaths=2, reason="new")
    enqueue("1", "b")
    with database.begin() as connection:
        rows.put_parked(connection, replace(old, key="0"), now + 2 * MINUTE)
        rows.put_parked(connection, old, now)
        rows.put_parked(connection, replace(old, key="2"), now + MINUTE)
        rows.put_parked(connection, replace(new, kind="b"), now + MINUTE)
        rows.put_parked(connection, new, now + 3 * MINUTE)
    assert queue.parked() == tuple(
        ParkedJob(kind=kind, key=key, reason=reason, attempts=attempts, parked_at=now + minutes * MINUTE)
        for kind, key, reason, attempts, minutes in (
            ("a", "1", "new", 5, 3),
            ("a", "0", "old", 1, 2),
            ("b", "1", "new", 5, 1),
            ("a", "2", "old", 1, 1),
        )
    )
    with database.begin() as connection:
        assert rows.take_parked(connection, "b", "2") is None
        assert rows.take_parked(connection, "a", "1") == new
        assert rows.take_parked(connection, "a", "1") is None
    assert [(job.kind, job.key) for job in queue.parked()] == [("a", "0"), ("b", "1"), ("a", "2")]


def test_the_depth_counts_each_state_of_each_kind_and_tells_since_when_the_first_waits(
    queue: Queue, database: Database, rows: Ledger, enqueue: Enqueue, worker: Worker, now: datetime
) -> None:
    enqueue("runs", due=-999, run=-999)
    taken(worker)
    with database.begin() as connection:
        for kind, key in (("a", "1"), ("a", "2"), ("b", "1")):
            rows.put_parked(connection, Entry(kind=kind, key=key, due_at=now - 99 * MINUTE), now)
    enqueue("0", "B", run=60)
    for key, run, due in (("x", -9, 70), ("y", -8, 80), ("later", 60, 1), ("later still", 90, 1), ("last", 99, 2)):
        enqueue(key, run=run, due=due)
    b, a, parked = queue.depth(now)
    assert b == KindDepth(kind="B", waiting=0, later=1, running=0, parked=0, oldest_run_at=None)
    assert parked == KindDepth(kind="b", waiting=0, later=0, running=0, parked=1, oldest_run_at=None)
    assert (a.kind, a.waiting, a.later, a.running, a.parked) == ("a", 2, 3, 1, 2)
    assert a.first_due_at == now + timedelta(seconds=70)
    assert a.oldest_run_at is not None
    assert abs(a.oldest_run_at - now) < MINUTE


def test_those_that_run_are_told_in_the_order_of_their_due_times_each_with_its_worker(
    queue: Queue, enqueue: Enqueue, worker: Worker
) -> None:
    for key, due in (("3", 60), ("2", 60), ("1", 0), ("waits", 90)):
        enqueue(key, due=due)
    keys = [taken(worker).job.key for _ in range(3)]
    running = queue.running()
    assert [job.key for job in running] == keys == ["1", "3", "2"]
    assert len({job.worker for job in running}) == 1


def test_one_that_is_requeued_is_as_new_but_due_as_it_was_and_what_goes_with_it_is_in_the_same_transaction(
    database: Database, queue: Queue, rows: Ledger, enqueue: Enqueue, worker: Worker, now: datetime
) -> None:
    enqueue("1", due=60)
    parked = taken(worker)
    assert worker.settle(parked, Park("no"), 3)
    enqueue("2", "b", run=60)

    def fail(_connection: Connection) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        queue.requeue("a", "1", now, also=fail)
    assert [job.key for job in queue.parked()] == ["1"]
    for kind, key in (("a", "2"), ("b", "1"), ("b", "2")):
        assert not queue.requeue(kind, key, now, also=fail)

    def order(connection: Connection) -> None:
        queue.enqueue(connection, "b", "3", due_at=now, run_at=now + MINUTE)

    assert queue.requeue("a", "1", now, also=order)
    assert [(depth.kind, depth.waiting, depth.later) for depth in queue.depth(now)] == [("a", 1, 0), ("b", 0, 2)]
    claim = taken(worker)
    with database.begin() as connection:
        assert rows.take(connection, claim.id) == Entry(kind="a", key="1", due_at=now + MINUTE, attempt=1)
    assert not queue.requeue("a", "1", now)
