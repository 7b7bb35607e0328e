"""Fills an empty database with the studies of a hospital: growth_population.py URL --studies N. See growth_rows.

A million studies are some 31 million rows and take minutes. They are written without the care that real ones get: a
database that was being filled when the power failed is to be thrown away.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import click
from growth_made import COMPLETE, QUEUED, RECEIVING, Made
from growth_rows import Rows, rows_of
from sqlalchemy import Connection, create_engine, event, text

from db import kinds
from db.database import Database, open_database
from db.migrate import upgrade
from db.queue import open_queue
from db.queue.job_rows import JobRows
from db.queue.ledger import Entry
from db.queue.procrastinate_rows import ProcrastinateRows
from db.search_index import learn_all

AT_ONCE = 50_000
"""Studies in one transaction."""
PARKED_JOBS = 20
PICTURE_BYTES = 2000


@click.command()
@click.argument("url")
@click.option("--studies", type=click.IntRange(1000), default=10_000, show_default=True)
@click.option(
    "--all-unread", is_flag=True, help="Nobody tells the agent what was read: every study is on the worklist."
)
@click.option("--now", type=click.DateTime(["%Y-%m-%dT%H:%M:%S"]), help="UTC; default: the present.")
def main(url: str, studies: int, *, all_unread: bool, now: datetime | None) -> None:
    """Migrate the database at URL and fill it."""
    started = time.perf_counter()
    database = open_database(url)
    upgrade(database)
    moment = (now or datetime.now(UTC)).replace(tzinfo=UTC)
    populate(database, studies, all_unread=all_unread, now=moment)
    database.dispose()
    click.echo(f"{studies} studies in {time.perf_counter() - started:.0f} s")


def populate(database: Database, studies: int, *, all_unread: bool, now: datetime) -> None:
    """Fill a migrated, empty database. PostgreSQL gets its statistics, as in time it would; SQLite has none there."""
    made = _made(database, studies, all_unread=all_unread, now=now)
    for rows in rows_of(made):
        for first in range(1, studies + 1, AT_ONCE):
            with _careless(database) as connection:
                connection.execute(text(_insert(rows)), {"first": first, "last": min(first + AT_ONCE - 1, studies)})
    with _careless(database) as connection:
        learn_all(connection)
    _enqueue(database, studies, now)
    if database.dialect == "postgresql":
        with _careless(database) as connection:
            for rows in rows_of(made):
                _restart_sequence(connection, rows)
            connection.execute(text("ANALYZE"))


def _insert(rows: Rows) -> str:
    """Return the statement that inserts a table's rows of the studies `first` to `last`."""
    parts = " UNION ALL ".join(f"SELECT {k} AS k" for k in range(rows.each))
    return (
        "WITH RECURSIVE numbers(n) AS (SELECT CAST(:first AS bigint) UNION ALL SELECT n + 1 FROM numbers "  # noqa: S608
        f"WHERE n < :last) INSERT INTO {rows.table} ({', '.join(rows.columns)}) "
        f"SELECT {', '.join(rows.columns.values())} FROM numbers CROSS JOIN ({parts}) AS part WHERE {rows.where} "
        "ORDER BY n, k"
    )


@contextmanager
def _careless(database: Database) -> Iterator[Connection]:
    """Open a transaction that syncs nothing and looks after no foreign keys."""
    is_sqlite = database.dialect == "sqlite"
    settings = (
        ("PRAGMA synchronous = OFF", "PRAGMA foreign_keys = OFF", "PRAGMA cache_size = -1000000")
        if is_sqlite
        else ("SET synchronous_commit = off", "SET session_replication_role = replica", "SET lock_timeout = 0")
    )
    engine = create_engine(database.url)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _entry: object) -> None:  # noqa: ANN401 - a driver's connection
        cursor = connection.cursor()
        for setting in settings:
            cursor.execute(setting)
        cursor.close()
        if is_sqlite:
            connection.create_function(
                "digest", 1, lambda value: sha256(value.encode()).hexdigest(), deterministic=True
            )

    with engine.begin() as connection:
        yield connection
    engine.dispose()


def _made(database: Database, studies: int, *, all_unread: bool, now: datetime) -> Made:
    size = {"studies": studies, "now": int(now.timestamp()), "all_unread": all_unread}
    picture = bytes(range(250)).hex() * (PICTURE_BYTES // 250)
    if database.dialect == "sqlite":
        return Made(
            **size,
            at=lambda seconds: f"strftime('%Y-%m-%d %H:%M:%S.000000', {seconds}, 'unixepoch')",
            day=lambda seconds: f"strftime('%Y%m%d', {seconds}, 'unixepoch')",
            digest=lambda value: f"digest({value})",
            picture=f"X'{picture}'",
        )
    return Made(
        **size,
        at=lambda seconds: f"to_timestamp({seconds})",
        day=lambda seconds: f"to_char(to_timestamp({seconds}) AT TIME ZONE 'UTC', 'YYYYMMDD')",
        digest=lambda value: f"encode(sha256(convert_to({value}, 'UTF8')), 'hex')",
        picture=f"decode('{picture}', 'hex')",
    )


def _enqueue(database: Database, studies: int, now: datetime) -> None:
    """Let the jobs wait that the newest studies need, and a few be parked."""
    queue = open_queue(database)
    entries = [(kinds.SCORE, 3 * n - 2 + k) for n in range(studies - RECEIVING + 1, studies + 1) for k in (0, 1)]
    entries += [(kinds.CONCLUDE, n) for n in range(studies - COMPLETE + 1, studies - RECEIVING + 1)]
    reported = range(studies - QUEUED + 1, studies - COMPLETE + 1)
    entries += [(kinds.deliver(name), 2 * n - 1 + k) for n in reported for k, name in enumerate(("pacs", "ris"))]
    entries += [(kinds.SHADOW, 3 * n - 2) for n in range(1, 301)]
    rows = JobRows() if database.dialect == "sqlite" else ProcrastinateRows(timedelta(seconds=15), lambda: now)
    with database.begin() as connection:
        for number, (kind, key) in enumerate(entries):
            due = now + timedelta(seconds=number)
            queue.enqueue(connection, kind, str(key), due_at=due, run_at=now)
        for number in range(1, PARKED_JOBS + 1):
            entry = Entry(kind=kinds.SHADOW, key=str(studies - number), due_at=now, attempt=4, reason="RuntimeError")
            rows.put_parked(connection, entry, now)


def _restart_sequence(connection: Connection, rows: Rows) -> None:
    if "step_id" in rows.columns:  # a table without an id
        return
    last = f"(SELECT max(id) FROM {rows.table})"  # noqa: S608 - a table's name
    connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{rows.table}', 'id'), {last})"))


if __name__ == "__main__":
    main()
