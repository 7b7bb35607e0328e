"""Transactions are durable, exclusive where they say so, and fail with this package's exceptions only."""

import threading
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psycopg
import pytest
from commands import QuickCommands
from sqlalchemy import Connection, make_url, text

from db import database as database_module
from db.database import Database, open_database
from db.errors import (
    ConstraintError,
    DatabaseBusyError,
    DatabaseError,
    QueryError,
    SchemaError,
)

MEET_AND_WRITE = """
import sys
from sqlalchemy import text
from db.database import open_database
database = open_database(sys.argv[1])
with database.begin(lock=("new",)) as connection:
    connection.execute(text("CREATE TABLE IF NOT EXISTS note (body TEXT)"))
for _ in range(25):
    with database.begin() as connection:
        connection.execute(text("INSERT INTO note VALUES ('x')"))
"""
FORK = """
import os, sys
from sqlalchemy import text
from db.database import open_database
database = open_database(sys.argv[1])
def write(number):
    with database.begin() as connection:
        connection.execute(text("INSERT INTO note VALUES (:n)"), {"n": number})
def in_child(action):
    child = os.fork()
    if child == 0:
        try:
            action()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
def begin_anew():
    assert not any(engine.pool.checkedout() for engine in database.engines)
    assert database._write_turn.acquire(blocking=False)
with database.begin() as connection:
    connection.execute(text("CREATE TABLE note (n INTEGER)"))
    in_child(begin_anew)
write(1)
in_child(lambda: write(2))
write(3)
with database.read() as connection:
    print(*sorted(connection.execute(text("SELECT n FROM note")).scalars()))
"""

OUTLIVE = """
import os, sqlite3, sys
from sqlalchemy import text
from db.database import open_database
database = open_database(sys.argv[1])
def write(number):
    with database.begin() as connection:
        connection.execute(text("INSERT INTO note VALUES (:n)"), {"n": number})
with database.begin() as connection:
    connection.execute(text("CREATE TABLE note (n INTEGER)"))
with database.begin_lightly() as connection:
    connection.execute(text("INSERT INTO note VALUES (1)"))
with database.read() as connection:
    connection.execute(text("SELECT n FROM note")).all()
has_written, parent_has_ended = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    try:
        write(2)
        os.write(has_written[1], b"1")
        os.read(parent_has_ended[0], 1)
        write(4)
        os._exit(0)
    finally:
        os._exit(1)
os.read(has_written[0], 1)
database.dispose()
other = sqlite3.connect(database.url.database)
other.execute("INSERT INTO note VALUES (3)")
other.commit()
os.write(parent_has_ended[1], b"1")
assert os.waitpid(child, 0)[1] == 0
print(*(number for number, in other.execute("SELECT n FROM note ORDER BY n")))
"""


@pytest.fixture
def notes(database: Database) -> Database:
    """Give a database with a table of the test's own."""
    with database.begin() as connection:
        connection.execute(text("CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT CONSTRAINT uq_note_body UNIQUE)"))
    return database


def write(connection: Connection, number: int, body: str | None = None) -> None:
    connection.execute(text("INSERT INTO note VALUES (:id, :body)"), {"id": number, "body": body})


def count(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(text("SELECT count(*) FROM note")).scalar_one())


def run_together(*actions: Callable[[], None]) -> None:
    threads = [threading.Thread(target=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive()


def test_a_transaction_commits_when_its_block_ends(notes: Database) -> None:
    with notes.begin() as connection:
        write(connection, 1)
    assert count(notes) == 1


def test_a_transaction_whose_block_raises_leaves_nothing(notes: Database) -> None:
    def fail() -> None:
        with notes.begin() as connection:
            write(connection, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert count(notes) == 0


def test_a_commit_is_on_disk_before_it_returns(database: Database) -> None:
    """SQLite's NORMAL and PostgreSQL's synchronous_commit=off lose the last commits when the power fails."""
    with database.begin() as connection:
        if database.dialect == "sqlite":
            assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2
            assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        else:
            assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
            assert connection.execute(text("SHOW lock_timeout")).scalar_one() == "30s"


def test_what_is_committed_lightly_does_not_wait_for_sqlite_s_disk_and_makes_no_other_commit_light(
    database: Database,
) -> None:
    question, light, full = {
        "sqlite": ("PRAGMA synchronous", 1, 2),
        "postgresql": ("SHOW synchronous_commit", "on", "on"),  # other hosts do not lose their power with it
    }[database.dialect]
    for _ in range(2):  # the same connection is used again
        with database.begin_lightly() as connection:
            assert connection.execute(text(question)).scalar_one() == light
        with database.begin() as connection:
            assert connection.execute(text(question)).scalar_one() == full


def test_what_the_url_says_of_postgresql_s_options_is_kept(postgresql_url: str) -> None:
    database = open_database(f"{postgresql_url}&options=-c%20work_mem%3D7MB")
    with database.read() as connection:
        assert connection.execute(text("SHOW work_mem")).scalar_one() == "7MB"
        assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
    database.dispose()


def test_a_statement_that_takes_too_long_is_given_up(postgresql_url: str) -> None:
    usual, hasty = (open_database(postgresql_url + own) for own in ("", "&options=-c%20statement_timeout%3D200"))
    with usual.read() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "5min"
    with pytest.raises(DatabaseBusyError), hasty.begin() as connection:
        connection.execute(text("SELECT pg_sleep(60)"))
    usual.dispose()
    hasty.dispose()


def test_foreign_keys_hold(notes: Database) -> None:
    with notes.begin() as connection:
        connection.execute(text("CREATE TABLE reply (note_id INTEGER NOT NULL REFERENCES note (id))"))

    def orphan() -> None:
        with notes.begin() as connection:
            connection.execute(text("INSERT INTO reply VALUES (1)"))

    with pytest.raises(ConstraintError):
        orphan()


def test_a_reading_transaction_refuses_to_write(notes: Database) -> None:
    def sneak() -> None:
        with notes.read() as connection:
            write(connection, 1)

    with pytest.raises(DatabaseError):
        sneak()
    with notes.begin() as connection:  # and the connection, back in the pool, can write
        write(connection, 1)
    assert count(notes) == 1


def test_a_reading_transaction_sees_one_moment(notes: Database) -> None:
    with notes.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM note")).scalar_one() == 0
        with notes.begin() as writer:
            write(writer, 1)
        assert connection.execute(text("SELECT count(*) FROM note")).scalar_one() == 0
    assert count(notes) == 1


def test_readers_do_not_wait_for_a_writer(notes: Database) -> None:
    with notes.begin() as connection:
        write(connection, 1)
        assert count(notes) == 0


def test_a_broken_rule_is_named_and_the_row_is_not_quoted(notes: Database) -> None:
    with notes.begin() as connection:
        write(connection, 1, "Doe^Jane")

    def repeat() -> None:
        with notes.begin() as connection:
            write(connection, 2, "Doe^Jane")

    with pytest.raises(ConstraintError) as caught:
        repeat()
    assert caught.value.constraint in {"uq_note_body", "note.body"}
    shown = "".join(traceback.format_exception(caught.value))
    assert "Doe" not in shown


def test_a_defective_statement_shows_its_text_and_not_its_values(notes: Database) -> None:
    def stumble() -> None:
        with notes.begin() as connection:
            connection.execute(text("INSERT INTO note SELECT :id, :body FROM FROM"), {"id": 1, "body": "Doe^Jane"})

    with pytest.raises(QueryError) as caught:
        stumble()
    shown = "".join(traceback.format_exception(caught.value))
    assert "INSERT INTO note" in shown
    assert "Doe" not in shown


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_is_not_in_utf_8_is_refused(postgresql_url: str, encoding: str) -> None:
    with psycopg.connect(postgresql_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {encoding} ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'")  # type: ignore[call-overload]
    database = open_database(
        make_url(postgresql_url).set(database=encoding.lower()).render_as_string(hide_password=False)
    )
    with (
        pytest.raises(QueryError, match=f"expected a database in UTF-8 .*Received: encoding={encoding}"),
        database.read(),
    ):
        pass
    database.dispose()
    with psycopg.connect(postgresql_url, autocommit=True) as server:
        server.execute(f"DROP DATABASE {encoding}")  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "statement", ["SELECT * FROM missing", "SELECT missing FROM note", "INSERT INTO note (x) VALUES (1)"]
)
def test_a_missing_table_or_column_asks_for_the_migration(notes: Database, statement: str) -> None:
    def look() -> None:
        with notes.begin() as connection:
            connection.execute(text(statement))

    with pytest.raises(SchemaError, match="tibabu migrate"):
        look()


def test_a_lock_that_is_not_to_be_had_is_an_error_after_the_time_out(
    notes: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT", 0.3)
    other = open_database(f"{notes.url.render_as_string(hide_password=False)}")
    with notes.begin() as connection:
        write(connection, 1)

        def wait() -> None:
            with other.begin() as second:
                if other.dialect == "postgresql":
                    second.execute(text("SET LOCAL lock_timeout = '300ms'"))
                write(second, 1)

        with pytest.raises(DatabaseBusyError):
            wait()
    other.dispose()
    assert count(notes) == 1


def test_a_thread_whose_turn_does_not_come_is_told_so(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT", 0.2)
    with sqlite_database.begin(), pytest.raises(DatabaseBusyError, match="turn"):
        sqlite_database.begin().__enter__()
    with sqlite_database.begin():
        pass


def test_transactions_of_one_name_follow_one_another(notes: Database) -> None:
    """Each reads the count and writes a row numbered by it: two at once would number theirs alike."""
    other = open_database(notes.url.render_as_string(hide_password=False))  # as another process: its turns are its own

    def add(database: Database) -> None:
        with database.begin(lock=("study", "1.2.3")) as connection:
            number = connection.execute(text("SELECT count(*) FROM note")).scalar_one()
            threading.Event().wait(0.02)
            write(connection, number)

    run_together(*[partial(add, notes), partial(add, other)] * 4)
    other.dispose()
    assert count(notes) == 8


def test_transactions_of_other_names_do_not_wait(postgresql_database: Database) -> None:
    with postgresql_database.begin(lock=("study", "1")), postgresql_database.begin(lock=("study", "2")):
        pass
    with postgresql_database.begin(lock=("a", "bc")), postgresql_database.begin(lock=("ab", "c")):
        pass


def test_several_processes_may_meet_a_new_database_and_write_at_once(
    empty_database: Database, quick_commands: QuickCommands
) -> None:
    url = empty_database.url.render_as_string(hide_password=False)
    run_together(*[lambda: quick_commands.program("-c", MEET_AND_WRITE, url).communicate(60)] * 4)
    assert count(empty_database) == 100


def test_a_forked_child_goes_on_with_connections_of_its_own(database: Database, run_python: Callable[..., str]) -> None:
    said = run_python(FORK, database.url.render_as_string(hide_password=False))
    assert said.split() == ["1", "2", "3"]


def test_a_forked_child_keeps_the_log_that_it_writes_when_its_parent_ends(
    sqlite_database: Database, run_python: Callable[..., str]
) -> None:
    said = run_python(OUTLIVE, sqlite_database.url.render_as_string(hide_password=False))
    assert said.split() == ["1", "2", "3", "4"]


def test_a_deadlock_is_busy_for_one_and_success_for_the_other(postgresql_database: Database) -> None:
    with postgresql_database.begin() as connection:
        connection.execute(text("CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT)"))
        write(connection, 1)
        write(connection, 2)
    both_hold_one = threading.Barrier(2)
    busy: list[DatabaseBusyError] = []

    def touch(first: int, second: int) -> None:
        update = text("UPDATE note SET body = 'x' WHERE id = :id")
        try:
            with postgresql_database.begin() as connection:
                connection.execute(update, {"id": first})
                both_hold_one.wait(timeout=60)
                connection.execute(update, {"id": second})
        except DatabaseBusyError as error:
            busy.append(error)

    run_together(lambda: touch(1, 2), lambda: touch(2, 1))
    assert len(busy) == 1


def test_a_new_database_file_is_for_the_agents_account_only(tmp_path: Path) -> None:
    """It holds patients' names, and the folder may be one that others can read."""
    database = open_database(f"sqlite:///{tmp_path}/new.db")
    with database.begin() as connection:
        connection.execute(text("CREATE TABLE note (body TEXT)"))
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    database.dispose()
    assert modes == {"new.db": 0o600, "new.db-wal": 0o600, "new.db-shm": 0o600}


def test_a_kept_connection_prepares_once_and_is_let_go_after_an_error(sqlite_database: Database) -> None:
    with sqlite_database.begin() as first, sqlite_database.read():
        kept = first.connection.dbapi_connection
    with sqlite_database.begin() as second:
        assert second.connection.dbapi_connection is kept
    with pytest.raises(RuntimeError), sqlite_database.begin():
        raise RuntimeError
    assert sqlite_database.engine.pool.checkedout() == 0
    with sqlite_database.begin() as third:
        third.execute(text("SELECT 1")).all()
    sqlite_database.dispose()
    assert sqlite_database._write_turn.acquire(blocking=False)
    sqlite_database._write_turn.release()


def test_postgresql_plans_each_execution_with_its_values(postgresql_database: Database) -> None:
    """One plan for all values cannot use a partial index, and reads a table to its end for what is not in it."""
    with postgresql_database.read() as connection:
        assert connection.execute(text("SHOW plan_cache_mode")).scalar_one() == "force_custom_plan"
