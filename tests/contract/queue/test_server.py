"""What PostgreSQL's server decides for the queue: who is dead, whose clock counts, and who is told of what."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

import psycopg
import pytest
from sqlalchemy import text

from db.database import Database
from db.queue import Done, Park, Queue, RetryAt, open_queue, utc_now
from db.queue.announcements import Announcements
from db.queue.channel import CHANNEL, say
from db.queue.ledger import Entry
from db.queue.policy import Policy
from db.queue.procrastinate_engine import ProcrastinateWorker
from db.queue.procrastinate_rows import ProcrastinateRows
from db.queue.runner import Claim

POLICY = Policy(lease=timedelta(seconds=60))
MINUTE = timedelta(minutes=1)


class Waited:
    """Announcements of which none comes; it notes how long they might have been waited for."""

    def __init__(self) -> None:
        self.waits: list[tuple[threading.Event, float]] = []

    def wait(self, stop: threading.Event, timeout: float) -> None:
        self.waits.append((stop, timeout))


@pytest.fixture
def waited() -> Waited:
    return Waited()


@pytest.fixture
def worker(postgresql_database: Database, waited: Waited) -> Iterator[ProcrastinateWorker]:
    announcements = cast("Announcements", waited)
    with closing(ProcrastinateWorker(postgresql_database, ("a", "b"), POLICY, utc_now, announcements)) as found:
        yield found


@pytest.fixture
def database(postgresql_database: Database) -> Database:
    return postgresql_database


@pytest.fixture
def rows() -> ProcrastinateRows:
    return ProcrastinateRows(POLICY.lease, utc_now)


@pytest.fixture
def entry(now: datetime) -> Entry:
    return Entry(kind="a", key="1", due_at=now, attempt=3, failures=2, deaths=1, reason="busy")


def put(database: Database, rows: ProcrastinateRows, entry: Entry, run_at: datetime) -> None:
    with database.begin() as connection:
        rows.put_waiting(connection, entry, run_at)


def taken(worker: ProcrastinateWorker) -> Claim:
    claim = worker.claim(alone=False)
    assert claim is not None
    return claim


def unheard_for(database: Database, seconds: float) -> None:
    """Let the server have heard of its workers so long ago."""
    statement = text(
        "UPDATE procrastinate.procrastinate_workers SET last_heartbeat = now() - :seconds * interval '1 second'"
    )
    with database.begin() as connection:
        connection.execute(statement, {"seconds": seconds})


def test_the_dead_are_those_that_the_server_has_not_heard_of_for_longer_than_a_lease_or_has_forgotten(
    database: Database, rows: ProcrastinateRows, worker: ProcrastinateWorker, entry: Entry, now: datetime
) -> None:
    for key in "12":
        put(database, rows, replace(entry, key=key), now)
        taken(worker)
        put(database, rows, replace(entry, key=key), now)
        with database.begin() as connection:
            rows.put_parked(connection, replace(entry, key=key), now)
            unheard_for(database, 40)
            assert rows.take_expired(connection, now + 9 * MINUTE) == ()
    unheard_for(database, 80)
    with database.begin() as connection:
        assert set(rows.take_expired(connection, now)) == {replace(entry, key=key, attempt=4) for key in "12"}
        assert rows.take_expired(connection, now) == ()
    queue = open_queue(database)
    assert [(depth.waiting, depth.running, depth.parked) for depth in queue.depth(now)] == [(2, 0, 2)]
    taken(worker)
    with database.begin() as connection:
        connection.execute(text("DELETE FROM procrastinate.procrastinate_workers"))
    (running,) = queue.running()
    assert running.claimed_until < now - timedelta(days=365)
    with database.begin() as connection:
        assert rows.take_expired(connection, now) == (replace(entry, attempt=4),)


@pytest.mark.parametrize(("lease", "minutes", "left"), [(1, 40, 1), (1, 80, 0), (90, 80, 1), (90, 100, 0)])
def test_a_worker_is_forgotten_an_hour_after_its_last_sign_of_life_or_after_a_lease_that_is_longer(
    database: Database, worker: ProcrastinateWorker, lease: int, minutes: int, left: int
) -> None:
    assert worker.claim(alone=False) is None
    unheard_for(database, 60 * minutes)
    with database.begin() as connection:
        assert ProcrastinateRows(lease * MINUTE, utc_now).take_expired(connection, utc_now()) == ()
        count = text("SELECT count(*) FROM procrastinate.procrastinate_workers")
        assert connection.execute(count).scalar_one() == left


@pytest.mark.parametrize(("behind", "moved"), [(-1.5, 0), (1, 0), (600, 600), (-600, -600)])
def test_a_time_is_moved_by_what_its_planners_clock_is_wrong_if_that_is_more_than_a_statement_takes(
    database: Database, entry: Entry, now: datetime, behind: float, moved: int
) -> None:
    rows = ProcrastinateRows(POLICY.lease, lambda: utc_now() - timedelta(seconds=behind))
    put(database, rows, entry, now - 60 * MINUTE)
    (depth,) = open_queue(database).depth(now)
    assert depth.oldest_run_at is not None
    found = (depth.oldest_run_at - (now - 60 * MINUTE)).total_seconds()
    assert found == 0 if moved == 0 else abs(found - moved) < 60


@pytest.fixture
def host_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Return `host_in(zone)`, which moves this host to another time zone."""

    def move(zone: str) -> None:
        patch.setenv("TZ", zone)
        time.tzset()

    with monkeypatch.context() as patch:
        yield move
    time.tzset()


def test_hosts_in_two_time_zones_agree_on_which_job_is_due_first(
    database: Database, rows: ProcrastinateRows, entry: Entry, now: datetime, host_in: Callable[[str], None]
) -> None:
    host_in("Asia/Tokyo")
    put(database, rows, replace(entry, due_at=now - MINUTE), now)
    host_in("UTC")
    put(database, rows, entry, now)
    (depth,) = open_queue(database).depth(now)
    assert depth.first_due_at == now - MINUTE


def test_an_idle_worker_waits_for_news_and_for_what_is_planned_of_its_kinds(
    database: Database,
    rows: ProcrastinateRows,
    worker: ProcrastinateWorker,
    waited: Waited,
    entry: Entry,
    now: datetime,
) -> None:
    stop = threading.Event()
    worker.wait(stop, 60)
    put(database, rows, replace(entry, kind="c"), now + MINUTE)
    worker.wait(stop, 1000)
    put(database, rows, entry, now)
    taken(worker)
    put(database, rows, replace(entry, key="ready"), now)
    with database.begin() as connection:
        rows.put_parked(connection, replace(entry, key="parked"), now)
    worker.wait(stop, 1000)
    assert waited.waits == [(stop, 60), (stop, 1000), (stop, 1000)]
    put(database, rows, replace(entry, key="last"), now + 20 * MINUTE)
    put(database, rows, replace(entry, kind="b"), now + 10 * MINUTE)
    worker.wait(stop, 9000)
    worker.wait(stop, 30)
    (_, until_planned), (_, longest) = waited.waits[3:]
    assert 500 < until_planned <= 600
    assert isinstance(until_planned, float)
    assert longest == 30


@pytest.fixture
def listener(database: Database) -> Iterator[psycopg.Connection]:
    """Give a connection that hears all that is said of kind a."""
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'LISTEN "{CHANNEL}a"')
        yield connection


def said(database: Database, listener: psycopg.Connection) -> int:
    """Return how often something was said of kind a since the last time."""
    with database.begin() as connection:
        say(connection, "b")
        say(connection, "a")
    notices = iter(listener.notifies())
    return sum(1 for _ in iter(lambda: next(notices).payload, ""))


def test_idle_workers_are_told_of_what_is_new_of_what_waits_sooner_and_of_what_a_run_has_kept_waiting(
    database: Database, listener: psycopg.Connection, worker: ProcrastinateWorker, queue: Queue, now: datetime
) -> None:
    def enqueue(key: str, kind: str = "a") -> None:
        with database.begin() as connection:
            queue.enqueue(connection, kind, key, due_at=now, run_at=now)

    enqueue("1")
    enqueue("1", "b")
    assert said(database, listener) == 1
    enqueue("1")
    enqueue("1", "b")
    assert said(database, listener) == 1
    running = taken(worker)
    enqueue("2")
    assert said(database, listener) == 1
    assert worker.settle(running, Done(), 0)
    assert said(database, listener) == 0, "no other job waits for its key"
    running = taken(worker)
    while running.job.kind != "a":
        running = taken(worker)
    enqueue(running.job.key)
    assert said(database, listener) == 1
    assert worker.settle(running, Park("no"), 0)
    assert said(database, listener) == 1, "its key is free for the one that waits"
    running = taken(worker)
    assert worker.settle(running, RetryAt(now, "busy"), 0)
    assert said(database, listener) == 1


def test_a_listener_stops_waiting_when_it_is_to_stop_or_its_time_is_over_and_is_closed_once(database: Database) -> None:
    announcements = Announcements(database, ("a", "b"))
    announcements.close()  # it has not listened yet
    stop = threading.Event()
    announcements.wait(stop, 60)
    announcements.wait(stop, 0.3)
    stop.set()
    announcements.wait(stop, 60)
    listening = announcements._connection
    assert listening is not None
    channels = [row[0] for row in listening.execute("SELECT pg_listening_channels() ORDER BY 1").fetchall()]
    assert channels == [f"{CHANNEL}a", f"{CHANNEL}b"]
    announcements.close()
    announcements.close()
    assert listening.closed
    with database.read() as connection:
        assert connection.scalars(text("SELECT pg_listening_channels()")).all() == []


def test_what_comes_due_between_the_look_for_a_job_and_the_wait_is_not_waited_out(
    database: Database, worker: ProcrastinateWorker, rows: ProcrastinateRows, waited: Waited, entry: Entry
) -> None:
    with database.begin() as connection:
        at = connection.execute(text("SELECT clock_timestamp() + interval '1 second'")).scalar_one()
    put(database, rows, entry, at)
    assert worker.claim(alone=False) is None
    with database.begin() as connection:
        connection.execute(
            text("SELECT pg_sleep(greatest(0, extract(epoch FROM :at - clock_timestamp())))"), {"at": at}
        )
    worker.wait(threading.Event(), 3600)
    ((_, timeout),) = waited.waits
    assert timeout <= 0
    assert worker.claim(alone=False) is not None
