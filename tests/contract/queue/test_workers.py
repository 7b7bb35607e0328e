"""What a worker of either engine does with its claims, step by step: `db.queue.runner.Worker`."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import event, text

from db.database import Database
from db.errors import DatabaseError, DatabaseUnavailableError, RefusedError
from db.queue import Done, Park, Queue, RetryAt, channel, moving, utc_now
from db.queue.announcements import Announcements
from db.queue.changes import ChangeCounter
from db.queue.embedded import EmbeddedWorker
from db.queue.policy import Policy
from db.queue.procrastinate_engine import ProcrastinateWorker
from db.queue.runner import LastChance, Worker

Enqueue = Callable[..., None]

POLICY = Policy(lease=timedelta(seconds=60), deaths=3)


@pytest.fixture
def worker(database: Database) -> Iterator[Worker]:
    """Give a worker of the database's engine for jobs of kind a."""
    if database.engine.dialect.name == "sqlite":
        with closing(ChangeCounter(database)) as changes:
            yield EmbeddedWorker(database, ("a",), POLICY, utc_now, changes)
        return
    with (
        closing(Announcements(database, ("a",))) as announcements,
        closing(ProcrastinateWorker(database, ("a",), POLICY, utc_now, announcements)) as found,
    ):
        yield found


def test_what_is_given_back_without_blame_is_as_if_it_had_not_run(worker: Worker, enqueue: Enqueue) -> None:
    enqueue("1")
    for _ in range(3):
        claim = worker.claim(alone=False)
        assert claim is not None
        assert (claim.job.key, claim.job.attempt) == ("1", 1)
        assert worker.give_back(claim, blame="")


def test_what_is_blamed_twice_has_its_last_chance_alone_and_is_parked_the_third_time_with_the_reason(
    worker: Worker, enqueue: Enqueue, queue: Queue
) -> None:
    enqueue("1")
    for attempt in (1, 2):
        claim = worker.claim(alone=False)
        assert claim is not None
        assert claim.job.attempt == attempt
        assert worker.give_back(claim, blame="hung")
    with pytest.raises(LastChance):
        worker.claim(alone=False)
    with pytest.raises(LastChance):
        worker.claim(alone=False)  # it was not taken, and is not counted
    claim = worker.claim(alone=True)
    assert claim is not None
    assert claim.job.attempt == 3
    assert worker.give_back(claim, blame="hung again")
    (parked,) = queue.parked()
    assert (parked.key, parked.reason, parked.attempts) == ("1", "hung again", 3)
    assert worker.claim(alone=False) is None


def test_a_claim_ends_once(worker: Worker, enqueue: Enqueue) -> None:
    enqueue("1")
    claim = worker.claim(alone=False)
    assert claim is not None
    assert worker.settle(claim, Done(), 0)
    assert not worker.settle(claim, Done(), 0)
    assert not worker.give_back(claim, blame="hung")
    assert not worker.give_back(claim, blame="")
    assert worker.claim(alone=False) is None


def test_what_is_tried_again_keeps_its_failures_and_is_no_more_blamed_for_deaths(
    worker: Worker, enqueue: Enqueue
) -> None:
    enqueue("1")
    for _ in range(2):
        claim = worker.claim(alone=False)
        assert claim is not None
        assert worker.give_back(claim, blame="hung")
    claim = worker.claim(alone=True)
    assert claim is not None
    assert worker.settle(claim, RetryAt(utc_now() - timedelta(seconds=1), "later"), 2)
    again = worker.claim(alone=False)  # not its last chance
    assert again is not None
    assert (again.job.attempt, again.failures) == (4, 2)
    assert worker.give_back(again, blame="hung")
    assert worker.claim(alone=False) is not None, "one death since is one, not two"


def test_what_is_parked_is_parked_now_with_the_reason_and_a_new_order_begins_it_anew(
    worker: Worker, enqueue: Enqueue, queue: Queue
) -> None:
    enqueue("1")
    enqueue("2")
    for reason in ("no", "nor this"):
        claim = worker.claim(alone=False)
        assert claim is not None
        assert worker.settle(claim, Park(reason), 2)
    assert {(one.key, one.reason, one.attempts) for one in queue.parked()} == {("1", "no", 1), ("2", "nor this", 1)}
    assert all(abs(utc_now() - one.parked_at) < timedelta(minutes=1) for one in queue.parked())
    assert worker.claim(alone=False) is None
    enqueue("1")
    assert [one.key for one in queue.parked()] == ["2"]
    claim = worker.claim(alone=False)
    assert claim is not None
    assert (claim.job.key, claim.job.attempt, claim.failures) == ("1", 1, 0)


def test_renewing_prolongs_every_claim(worker: Worker, enqueue: Enqueue, queue: Queue) -> None:
    worker.renew()  # nothing to renew is no mistake
    enqueue("1")
    enqueue("2")
    before = {worker.claim(alone=False) and utc_now() for _ in range(2)}
    worker.renew()
    running = queue.running()
    assert len(running) == 2
    assert all(moment is not None and job.claimed_until > moment for job in running for moment in before)


def test_a_planned_job_ends_the_wait_for_it_and_an_order_to_stop_any(worker: Worker, enqueue: Enqueue) -> None:
    enqueue("1", run=1.5)
    while worker.claim(alone=False) is None:
        worker.wait(threading.Event(), 60)
    stop = threading.Event()
    stop.set()
    assert worker.claim(alone=False) is None
    worker.wait(stop, 60)


@pytest.fixture
def announced(postgresql_database: Database) -> Iterator[Announcements]:
    with closing(Announcements(postgresql_database, ("a",))) as announcements:
        announcements.wait(threading.Event(), 0)  # it listens from now on
        yield announcements


def hear(announced: Announcements) -> None:
    """Wait for an announcement; fail where none is heard in a while, which `wait` itself does not tell."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        try:
            threads.submit(announced.wait, stop, 600).result(60)
        finally:
            stop.set()


def test_who_waits_for_announcements_hears_one_that_is_no_job(
    postgresql_database: Database, announced: Announcements
) -> None:
    with postgresql_database.begin() as connection:
        channel.say(connection, "a")
    hear(announced)


def test_nobody_has_to_be_told_where_everybody_looks(sqlite_database: Database) -> None:
    with sqlite_database.begin() as connection:
        channel.say(connection, "a")


def test_a_listener_whose_connection_was_lost_says_so_once_and_listens_again(
    postgresql_database: Database, announced: Announcements
) -> None:
    end = text("SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
    with postgresql_database.begin() as connection:
        connection.execute(end)
    with pytest.raises(DatabaseUnavailableError):
        announced.wait(threading.Event(), 60)
    announced.wait(threading.Event(), 0)
    with postgresql_database.begin() as connection:
        channel.say(connection, "a")
    hear(announced)


def test_a_connection_that_is_lost_before_it_listens_is_an_error_of_this_package(postgresql_database: Database) -> None:
    engine = postgresql_database.engine
    event.listen(engine, "checkout", lambda connection, *_: connection.close())
    with closing(Announcements(postgresql_database, ("a",))) as announcements, pytest.raises(DatabaseError):
        announcements.wait(threading.Event(), 0)


@pytest.fixture
def registered(postgresql_database: Database) -> Iterator[ProcrastinateWorker]:
    """Give a worker that the server has given a number."""
    with closing(Announcements(postgresql_database, ("a",))) as announcements:
        worker = ProcrastinateWorker(postgresql_database, ("a",), POLICY, utc_now, announcements)
        assert worker.claim(alone=False) is None
        yield worker


def workers(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(text("SELECT count(*) FROM procrastinate.procrastinate_workers")).scalar_one())


def test_a_worker_that_the_server_has_forgotten_registers_anew_with_its_next_claim(
    postgresql_database: Database, registered: ProcrastinateWorker
) -> None:
    with postgresql_database.begin() as connection:
        connection.execute(text("DELETE FROM procrastinate.procrastinate_workers"))
    registered.renew()
    assert workers(postgresql_database) == 0
    registered.claim(alone=False)
    assert workers(postgresql_database) == 1
    registered.renew()
    registered.claim(alone=False)
    assert workers(postgresql_database) == 1


def test_a_worker_that_ends_is_off_the_list_and_one_that_cannot_say_so_ends_all_the_same(
    postgresql_database: Database,
    registered: ProcrastinateWorker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as away:
        away.setattr(registered, "_database", Away())
        registered.close()
    (record,) = caplog.records
    assert (record.name, record.message) == ("db.queue.procrastinate_engine", "queue_worker_not_unregistered")
    assert vars(record)["error"] == "DatabaseUnavailableError"
    assert workers(postgresql_database) == 1
    registered.close()
    assert workers(postgresql_database) == 0


class Away:
    """A database that is away."""

    def begin(self) -> None:
        message = "away"
        raise DatabaseUnavailableError(message)


def test_a_move_after_which_other_jobs_wait_there_is_refused(postgresql_database: Database) -> None:
    with postgresql_database.begin() as connection, pytest.raises(RefusedError, match="expected 1 jobs, waiting"):
        moving._compare(connection, {("a", "1")}, "todo", "waiting")
