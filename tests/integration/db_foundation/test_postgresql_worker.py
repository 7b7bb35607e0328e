"""A worker on PostgreSQL outlasts its server's restarts and its own host's sleep."""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from db.database import Database, open_database
from db.queue import Done, Job, Queue, Settlement, open_queue, utc_now
from db.queue.policy import Policy


@pytest.fixture
def other(postgresql_database: Database) -> Iterator[Database]:
    """Give a second way to the same database."""
    database = open_database(postgresql_database.url.render_as_string(hide_password=False))
    yield database
    database.dispose()


@pytest.fixture
def queue(postgresql_database: Database) -> Queue:
    return open_queue(postgresql_database, Policy(lease=timedelta(seconds=3)))


@pytest.fixture
def ran(queue: Queue) -> Iterator["dict[str, threading.Event]"]:
    """Run a worker; give the events that tell which keys it has run."""
    events = {key: threading.Event() for key in "123"}
    stop = threading.Event()

    def handle(job: Job) -> Settlement:
        events[job.key].set()
        return Done()

    thread = threading.Thread(target=lambda: queue.run({"a": handle}, stop=stop, concurrency=1))
    thread.start()
    yield events
    stop.set()
    thread.join(timeout=60)
    assert not thread.is_alive()


def enqueue(database: Database, queue: Queue, key: str) -> None:
    now = utc_now() - timedelta(seconds=1)
    with database.begin() as connection:
        queue.enqueue(connection, "a", key, due_at=now, run_at=now)


def test_a_worker_whose_connections_are_all_cut_goes_on(
    other: Database, queue: Queue, ran: dict[str, threading.Event], eventually: Callable[..., None]
) -> None:
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"

    def listens() -> bool:
        with other.read() as connection:
            return any(query.startswith("LISTEN") for query in connection.scalars(text(f"SELECT query {others}")))

    enqueue(other, queue, "1")
    assert ran["1"].wait(60)
    eventually(listens)
    with other.begin() as connection:
        assert connection.scalars(text(f"SELECT pg_terminate_backend(pid) {others}")).all()
    enqueue(other, queue, "2")
    assert ran["2"].wait(60)
    eventually(listens)
    enqueue(other, queue, "3")
    assert ran["3"].wait(60)


def test_a_worker_that_the_server_has_forgotten_registers_anew(
    other: Database, queue: Queue, ran: dict[str, threading.Event], eventually: Callable[..., None]
) -> None:
    enqueue(other, queue, "1")
    assert ran["1"].wait(60)

    def workers() -> list[int]:
        with other.read() as connection:
            return list(connection.scalars(text("SELECT id FROM procrastinate.procrastinate_workers")))

    (before,) = workers()
    with other.begin() as connection:
        connection.execute(text("DELETE FROM procrastinate.procrastinate_workers"))
    enqueue(other, queue, "2")
    assert ran["2"].wait(60)
    eventually(lambda: workers() not in ([], [before]))


def test_reaping_forgets_workers_that_were_not_heard_of_for_an_hour(
    postgresql_database: Database, queue: Queue
) -> None:
    with postgresql_database.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO procrastinate.procrastinate_workers (last_heartbeat)"
                " VALUES (now() - interval '2 hours'), (now() - interval '10 minutes')"
            )
        )
    assert queue.reap(utc_now()) == 0
    with postgresql_database.read() as connection:
        count = text("SELECT count(*) FROM procrastinate.procrastinate_workers")
        assert connection.execute(count).scalar_one() == 1


def test_a_drained_worker_leaves_the_server_s_list(postgresql_database: Database, queue: Queue) -> None:
    stop = threading.Event()
    now = utc_now() - timedelta(seconds=1)
    with postgresql_database.begin() as connection:
        queue.enqueue(connection, "a", "1", due_at=now, run_at=now)

    def handle(_job: Job) -> Settlement:
        stop.set()
        return Done()

    queue.run({"a": handle}, stop=stop, concurrency=1)
    with postgresql_database.read() as connection:
        assert connection.scalars(text("SELECT id FROM procrastinate.procrastinate_workers")).all() == []
        assert connection.scalars(text("SELECT id FROM procrastinate.procrastinate_jobs")).all() == []
        assert connection.scalars(text("SELECT id FROM procrastinate.procrastinate_events")).all() == []


@pytest.mark.parametrize("hours", [1, -1])
def test_a_host_whose_clock_is_wrong_plans_by_the_servers(
    other: Database, ran: dict[str, threading.Event], hours: int
) -> None:
    """What it wants done at once is done at once, and what it wants done in an hour is not done now."""

    def wrong() -> datetime:
        return utc_now() + timedelta(hours=hours)

    planner = open_queue(other, clock=wrong)
    with other.begin() as connection:
        planner.enqueue(connection, "a", "1", due_at=wrong(), run_at=wrong() + timedelta(hours=1))
        planner.enqueue(connection, "a", "2", due_at=wrong(), run_at=wrong())
    assert ran["2"].wait(60)
    assert not ran["1"].is_set()
