"""The queue on SQLite, step by step: what stands in its table after each, and for what a worker that is idle waits."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import gethostname
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Connection, select

from db.database import Database, open_database
from db.errors import DatabaseError, DatabaseUnavailableError
from db.metadata import metadata
from db.queue import (
    LONGEST_KIND,
    Done,
    Job,
    KindDepth,
    Park,
    ParkedJob,
    RetryAt,
    RunningJob,
    embedded,
    open_queue,
    utc_now,
)
from db.queue.changes import ChangeCounter
from db.queue.embedded import EmbeddedQueue, EmbeddedWorker
from db.queue.job_rows import JobRows
from db.queue.job_table import job
from db.queue.ledger import Entry
from db.queue.policy import Policy
from db.queue.room import Room
from db.queue.runner import Claim, LastChance

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = Policy(lease=timedelta(seconds=15), deaths=3)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


class Row(NamedTuple):
    """A job's row without its id and owner."""

    key: str
    kind: str = "a"
    state: str = "WAITING"
    due_at: datetime = NOW
    run_at: datetime = NOW
    attempt: int = 0
    failures: int = 0
    deaths: int = 0
    reason: str = ""
    leased_until: datetime | None = None
    parked_at: datetime | None = None


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Asked(threading.Event):
    """An order to stop, which comes as soon as it is waited for; it notes how long it might have been waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout)
        return True


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path}/x.db")
    metadata.create_all(database.engine, tables=[job])
    yield database
    database.dispose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(database: Database, clock: Clock) -> EmbeddedQueue:
    return EmbeddedQueue(database, POLICY, clock)


@pytest.fixture
def put(database: Database, queue: EmbeddedQueue) -> Callable[..., None]:
    """Return `put(key, kind="a", due=0, run=0)`: a job, with its times in seconds from `NOW`."""

    def enqueue(key: str, kind: str = "a", *, due: float = 0, run: float = 0) -> None:
        with database.begin() as connection:
            queue.enqueue(connection, kind, key, due_at=after(due), run_at=after(run))

    return enqueue


@pytest.fixture
def new_worker(database: Database, clock: Clock) -> Iterator[Callable[..., EmbeddedWorker]]:
    """Return `new_worker(*kinds)`."""
    with ExitStack() as opened:

        def make(*kinds: str) -> EmbeddedWorker:
            changes = opened.enter_context(closing(ChangeCounter(database)))
            return EmbeddedWorker(database, kinds or ("a",), POLICY, clock, changes)

        yield make


@pytest.fixture
def worker(new_worker: Callable[..., EmbeddedWorker]) -> EmbeddedWorker:
    return new_worker("a")


Put = Callable[..., None]
NewWorker = Callable[..., EmbeddedWorker]


def rows(database: Database) -> list[Row]:
    with database.read() as connection:
        columns = [job.c[name] for name in Row._fields]
        return [Row(*row) for row in connection.execute(select(*columns).order_by(job.c.id))]


def taken(worker: EmbeddedWorker, *, alone: bool = False) -> Claim:
    claim = worker.claim(alone=alone)
    assert claim is not None
    return claim


def waits(worker: EmbeddedWorker, timeout: float = 60) -> list[float | None]:
    """Return for how long a worker would wait before it looks again; nothing if it returns at once."""
    stop = Asked()
    worker.wait(stop, timeout)
    return stop.pauses


def test_a_new_job_waits_as_it_was_ordered(database: Database, put: Put) -> None:
    put("1", due=60, run=30)
    assert rows(database) == [Row("1", due_at=after(60), run_at=after(30))]


def test_a_parked_job_gives_way_to_a_new_one_of_its_kind_and_key(
    database: Database, put: Put, new_worker: NewWorker
) -> None:
    worker = new_worker("a", "b")
    for key, kind in (("1", "a"), ("2", "a"), ("1", "b")):
        put(key, kind)
        worker.settle(taken(worker), Park("no"), 1)
    put("1", due=1)
    *others, new = rows(database)
    assert [(row.key, row.kind, row.state) for row in others] == [("2", "a", "PARKED"), ("1", "b", "PARKED")]
    assert new == Row("1", due_at=after(1))


def test_what_is_ordered_wrongly_is_told_with_what_was_received(database: Database, queue: EmbeddedQueue) -> None:
    naive = NOW.replace(tzinfo=None)
    with database.begin() as connection:
        for due_at, run_at in ((naive, NOW), (NOW, naive)):
            expected = f"expected aware times. Received: due_at={due_at} run_at={run_at}"
            with pytest.raises(ValueError, match="aware") as refused:
                queue.enqueue(connection, "a", "1", due_at=due_at, run_at=run_at)
            assert str(refused.value) == expected
        with pytest.raises(ValueError, match="kind") as refused:
            queue.enqueue(connection, "k" * (LONGEST_KIND + 1), "1", due_at=NOW, run_at=NOW)
        assert str(refused.value) == f"expected a kind of at most 40 characters. Received: kind={'k' * 41}"
        queue.enqueue(connection, "k" * LONGEST_KIND, "1", due_at=NOW, run_at=NOW)
    assert rows(database) == [Row("1", "k" * 40)]


def test_one_that_waits_absorbs_another_with_the_earlier_times_the_higher_counts_and_the_later_reason(
    database: Database,
) -> None:
    with database.begin() as connection:
        for due, run, attempt, failures, deaths, reason in (
            (60, 30, 3, 1, 0, "busy"),
            (30, 60, 1, 2, 1, ""),
            (45, 45, 0, 0, 0, "later"),
            (99, 99, 4, 0, 0, ""),
        ):
            entry = Entry(
                kind="a", key="1", due_at=after(due), attempt=attempt, failures=failures, deaths=deaths, reason=reason
            )
            JobRows().put_waiting(connection, entry, after(run))
    expected = Row("1", due_at=after(30), run_at=after(30), attempt=4, failures=2, deaths=1, reason="later")
    assert rows(database) == [expected]


def test_of_several_kinds_that_is_claimed_which_is_due_first_and_of_those_which_was_ordered_first(
    put: Put, new_worker: NewWorker
) -> None:
    worker = new_worker("b", "a")
    for key, kind, due in (("late", "a", 9), ("z", "a", 5), ("y", "b", 5), ("x", "a", 5), ("soon", "b", 1)):
        put(key, kind, due=due)
    put("no business of this worker's", "c", due=-1)
    found = [taken(worker).job.key for _ in range(5)]
    assert found == ["soon", "z", "y", "x", "late"]
    assert worker.claim(alone=False) is None


def test_a_claim_says_what_its_row_says_and_who_has_it_until_when(
    database: Database, queue: EmbeddedQueue, put: Put, worker: EmbeddedWorker
) -> None:
    put("1", due=60)
    put("2", due=30, run=0.5)
    put("0", due=60)
    assert worker.claim(alone=False) == Claim(1, Job(kind="a", key="1", attempt=1, due_at=after(60)), 0)
    assert taken(worker).job.key == "0"
    assert rows(database)[0] == Row("1", state="LEASED", due_at=after(60), attempt=1, leased_until=after(15))
    me = f"{gethostname()}:{os.getpid()}"
    assert queue.running() == tuple(
        RunningJob(kind="a", key=key, attempt=1, due_at=after(60), worker=me, claimed_until=after(15)) for key in "10"
    )


def test_those_that_run_are_told_in_the_order_in_which_they_are_due(
    queue: EmbeddedQueue, put: Put, worker: EmbeddedWorker
) -> None:
    for key, due in (("late", 9), ("soon", 1)):
        put(key, due=due)
        taken(worker)
    assert [one.key for one in queue.running()] == ["soon", "late"]


def test_a_key_that_runs_keeps_only_its_own_kind_s_next_job_waiting(put: Put, new_worker: NewWorker) -> None:
    worker = new_worker("a", "b")
    put("1")
    taken(worker)
    put("1")
    put("1", "b", due=1)
    put("2", due=2)
    assert [(taken(worker).job.kind, taken(worker).job.key)] == [("b", "2")]
    assert worker.claim(alone=False) is None
    assert waits(worker) == [embedded._SOON], "what waits for its key is not planned"


def test_a_worker_that_has_not_looked_yet_does_not_wait(worker: EmbeddedWorker) -> None:
    assert waits(worker) == []


def test_an_idle_worker_waits_for_news_and_for_what_is_planned_of_its_kinds(
    database: Database, put: Put, worker: EmbeddedWorker, clock: Clock
) -> None:
    put("1", "b", run=5)
    with database.begin() as connection:  # by a clock that is ahead
        JobRows().put_parked(connection, Entry(kind="a", key="0", due_at=NOW), after(5))
    assert worker.claim(alone=False) is None
    clock.now = after(5)
    assert waits(worker) == [embedded._POLL]
    assert waits(worker, 0) == []
    put("1", run=20)
    assert waits(worker) == []
    assert worker.claim(alone=False) is None
    assert waits(worker) == [embedded._POLL]
    clock.now = after(20)
    assert waits(worker) == []
    assert taken(worker).job.key == "1"


def test_a_worker_that_lately_had_something_to_do_looks_more_often(
    put: Put, worker: EmbeddedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 0 < embedded._SOON < embedded._POLL < 0.1
    moment = 0.5  # of the machine's clock, which begins with its start
    monkeypatch.setattr(embedded, "monotonic", lambda: moment)
    assert worker.claim(alone=False) is None
    assert waits(worker) == [embedded._POLL]
    assert waits(worker, 0) == []
    put("1")
    taken(worker)
    assert worker.claim(alone=False) is None
    assert waits(worker) == [embedded._SOON]
    moment += embedded._LATELY
    assert waits(worker) == [embedded._POLL]


class Gone:
    """What a worker sees of a job that another one takes meanwhile."""

    def any(self, _connection: Any, _now: datetime) -> bool:
        return True

    def take(self, *_: Any) -> None:
        return None


def test_a_job_that_another_worker_took_in_between_is_looked_for_again(
    worker: EmbeddedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_next", Gone())
    assert worker.claim(alone=False) is None
    assert waits(worker) == []


def test_a_run_that_ends_is_forgotten_once(database: Database, put: Put, worker: EmbeddedWorker) -> None:
    put("1")
    put("2", due=1)
    claim = taken(worker)
    assert worker.settle(claim, Done(), 0)
    assert rows(database) == [Row("2", due_at=after(1))]
    assert not worker.settle(claim, Done(), 0)
    assert not worker.give_back(claim, blame="hung")
    assert not worker.give_back(claim, blame="")
    assert rows(database) == [Row("2", due_at=after(1))]


def test_a_run_that_ends_leaves_the_others_that_run_alone(put: Put, worker: EmbeddedWorker) -> None:
    put("1")
    put("2", due=1)
    first, second = taken(worker), taken(worker)
    assert worker.settle(first, Done(), 0)
    assert worker.settle(second, Done(), 0)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (RetryAt(after(9), "busy"), {"run_at": after(9), "reason": "busy"}),
        (Park("no"), {"state": "PARKED", "run_at": after(2), "parked_at": after(2), "reason": "no"}),
    ],
    ids=["retry", "park"],
)
def test_a_run_that_ends_otherwise_leaves_its_failures_and_no_deaths(
    database: Database, put: Put, worker: EmbeddedWorker, clock: Clock, end: Any, expected: dict[str, Any]
) -> None:
    put("1", due=60)
    worker.give_back(taken(worker), blame="hung")
    claim = taken(worker)
    clock.now = after(2)
    assert worker.settle(claim, end, 2)
    assert rows(database) == [Row("1", due_at=after(60), attempt=2, failures=2)._replace(**expected)]


def test_a_parked_job_takes_the_place_of_one_of_its_kind_and_key_only(database: Database) -> None:
    with database.begin() as connection:
        for key, kind, parked in (("1", "a", 1), ("2", "a", 2), ("1", "b", 3), ("1", "a", 4)):
            JobRows().put_parked(connection, Entry(kind=kind, key=key, due_at=NOW), after(parked))
    assert [(row.key, row.kind, row.parked_at) for row in rows(database)] == [
        ("2", "a", after(2)),
        ("1", "b", after(3)),
        ("1", "a", after(4)),
    ]


def test_what_is_given_back_without_blame_has_not_run(
    database: Database, put: Put, worker: EmbeddedWorker, clock: Clock
) -> None:
    put("1", due=60)
    worker.settle(taken(worker), RetryAt(NOW, "busy"), 1)
    claim = taken(worker)
    clock.now = after(2)
    assert worker.give_back(claim, blame="")
    assert rows(database) == [
        Row("1", due_at=after(60), run_at=after(2), attempt=1, failures=1, reason="busy"),
    ]


def test_what_is_blamed_waits_again_has_its_last_chance_alone_and_is_parked_then(
    database: Database, put: Put, worker: EmbeddedWorker, clock: Clock
) -> None:
    put("1")
    for number in (1, 2):
        claim = taken(worker)
        clock.now = after(number)
        assert worker.give_back(claim, blame=f"hung {number}")
        expected = Row("1", run_at=after(number), attempt=number, deaths=number, reason=f"hung {number}")
        assert rows(database) == [expected]
    with pytest.raises(LastChance):
        worker.claim(alone=False)
    assert rows(database) == [expected], "it was not taken"
    assert worker.give_back(taken(worker, alone=True), blame="hung 3")
    parked = Row("1", state="PARKED", run_at=after(2), parked_at=after(2), attempt=3, deaths=3, reason="hung 3")
    assert rows(database) == [parked]


def test_the_dead_are_those_who_did_not_renew_for_longer_than_a_lease(
    database: Database, queue: EmbeddedQueue, put: Put, new_worker: NewWorker, clock: Clock
) -> None:
    dead, living = new_worker("a"), new_worker("b")
    for key, kind in (("1", "a"), ("2", "a"), ("3", "b")):
        put(key, kind)
    for _ in range(2):
        taken(dead)
    taken(living)
    clock.now = after(10)
    living.renew()
    leased = {one.key: one.claimed_until for one in queue.running()}
    assert leased == {"1": after(15), "2": after(15), "3": after(25)}
    assert queue.reap(after(15)) == 0
    assert queue.reap(after(15.000001)) == 2
    died = {"run_at": after(15.000001), "attempt": 1, "deaths": 1, "reason": "worker died"}
    assert rows(database) == [
        Row("3", "b", "LEASED", attempt=1, leased_until=after(25)),
        *(Row(key)._replace(**died) for key in "12"),
    ]
    clock.now = after(16)
    dead.renew()
    assert rows(database)[0].leased_until == after(25), "it has nothing any more"


def test_the_job_of_three_dead_workers_is_parked(
    database: Database, queue: EmbeddedQueue, put: Put, worker: EmbeddedWorker, clock: Clock
) -> None:
    put("1")
    for number in (1, 2, 3):
        taken(worker, alone=True)
        clock.now = after(16 * number)
        assert queue.reap(clock.now) == 1
    (row,) = rows(database)
    assert row == Row(
        "1", state="PARKED", run_at=after(48), parked_at=after(48), attempt=3, deaths=3, reason="worker died"
    )


@pytest.fixture
def parked(database: Database) -> None:
    """Park four jobs; two of them at one moment, and the one that was parked first has the highest number."""
    with database.begin() as connection:
        for key, kind, moment in (("2", "a", 2), ("3", "a", 2), ("3", "b", 3), ("1", "a", 1)):
            entry = Entry(kind=kind, key=key, due_at=after(60), attempt=5, failures=4, deaths=2, reason=f"no {key}")
            JobRows().put_parked(connection, entry, after(moment))


@pytest.mark.usefixtures("parked")
def test_parked_jobs_are_told_the_latest_first(queue: EmbeddedQueue, put: Put) -> None:
    put("4")
    assert queue.parked() == tuple(
        ParkedJob(kind=kind, key=key, reason=f"no {key}", attempts=5, parked_at=after(moment))
        for key, kind, moment in (("3", "b", 3), ("3", "a", 2), ("2", "a", 2), ("1", "a", 1))
    )


@pytest.mark.usefixtures("parked")
def test_one_that_is_requeued_is_as_new_but_due_as_it_was_and_what_goes_with_it_is_in_the_same_transaction(
    database: Database, queue: EmbeddedQueue
) -> None:
    put_besides: list[Connection] = []

    def order(connection: Connection) -> None:
        put_besides.append(connection)
        queue.enqueue(connection, "c", "1", due_at=NOW, run_at=NOW)

    assert not queue.requeue("c", "3", after(7), also=order)
    assert not queue.requeue("b", "1", after(7))
    assert put_besides == []
    assert queue.requeue("a", "3", after(7), also=order)
    assert rows(database)[3:] == [Row("3", due_at=after(60), run_at=after(7)), Row("1", "c")]
    assert not queue.requeue("a", "3", after(7))
    assert queue.requeue("a", "2", after(7))

    def fail(_connection: Connection) -> None:
        raise ZeroDivisionError

    before = rows(database)
    with pytest.raises(ZeroDivisionError):
        queue.requeue("a", "1", after(7), also=fail)
    assert rows(database) == before


@pytest.mark.usefixtures("parked")
def test_there_is_a_job_whether_it_waits_runs_or_is_parked_and_none_of_another_kind_or_key(
    database: Database, queue: EmbeddedQueue, put: Put, worker: EmbeddedWorker
) -> None:
    put("runs")
    taken(worker)
    put("waits", run=60)
    with database.read() as connection:
        for key in ("runs", "waits", "1"):
            assert queue.has_any(connection, [("a", "none"), ("a", key)])
            assert not queue.has_any(connection, [("b", key), ("a", "none")])
        assert not queue.has_any(connection, [])


@pytest.mark.usefixtures("parked")
def test_the_depth_counts_each_state_of_each_kind_and_tells_since_when_the_first_waits(
    queue: EmbeddedQueue, put: Put, worker: EmbeddedWorker
) -> None:
    put("runs")
    taken(worker)
    put("0", "c", run=9, due=5)
    for key, run, due in (("x", 9, 70), ("y", 8, 80), ("later", 9.000001, 1)):
        put(key, run=run, due=due)
    times = {"oldest_run_at": after(8), "first_due_at": after(70)}
    assert queue.depth(after(9)) == (
        KindDepth(kind="a", waiting=2, later=1, running=1, parked=3, **times),
        KindDepth(kind="b", waiting=0, later=0, running=0, parked=1, oldest_run_at=None),
        KindDepth(kind="c", waiting=1, later=0, running=0, parked=0, oldest_run_at=after(9), first_due_at=after(5)),
    )


def test_jobs_run_with_the_queue_s_clock_and_policy(
    database: Database, queue: EmbeddedQueue, put: Put, clock: Clock
) -> None:
    stop = threading.Event()
    put("1", run=9)
    clock.now = after(9)

    def handle(_job: Job) -> Done:
        stop.set()
        raise ZeroDivisionError

    queue.run({"a": handle}, stop=stop, concurrency=1)
    assert rows(database) == [Row("1", run_at=after(10), attempt=1, failures=1, reason="ZeroDivisionError")]


def test_a_job_that_takes_longer_than_its_kind_may_is_blamed_and_its_process_ended(
    database: Database, put: Put, clock: Clock
) -> None:
    quick = EmbeddedQueue(database, Policy(lease=timedelta(seconds=0.06), grace=timedelta(0)), clock)
    stop, ended = threading.Event(), threading.Event()
    quick._room = Room(ended.set)
    put("1")

    def handle(_job: Job) -> Done:
        assert ended.wait(60)
        stop.set()
        return Done()

    quick.run({"a": handle}, stop=stop, concurrency=1, longest=timedelta(seconds=0.001))
    assert rows(database) == [Row("1", attempt=1, deaths=1, reason="hung for more than 0.001 s")]


def test_what_fails_as_changes_are_asked_for_is_an_error_of_this_package(database: Database, tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailableError):
        ChangeCounter(open_database(f"sqlite:///{tmp_path}/nowhere/x.db"))
    changes = ChangeCounter(database)
    changes.connection.connection.driver_connection.close()  # type: ignore[union-attr]
    with pytest.raises(DatabaseError):
        changes.read()
    changes.connection.invalidate()


def test_a_database_gets_the_engine_that_fits_it_and_that_is_as_patient_as_it_is_told(
    database: Database, clock: Clock
) -> None:
    queue: Any = open_queue(database, POLICY, clock)
    assert isinstance(queue, EmbeddedQueue)
    assert (queue._database, queue._policy, queue._clock) == (database, POLICY, clock)
    queue = open_queue(open_database("postgresql://nobody@127.0.0.1/nothing"))  # nothing is connected yet
    assert type(queue).__name__ == "ProcrastinateQueue"
    assert (queue._policy, queue._clock) == (Policy(), utc_now)
    assert utc_now().tzinfo == UTC
