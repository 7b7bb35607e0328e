"""A database that cannot be reached is unavailable, whichever way; what comes after it works again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from db.database import Database, open_database
from db.errors import DatabaseFullError, DatabaseUnavailableError


@pytest.fixture
def unreachable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    (tmp_path / "garbage.db").write_bytes(b"this is no database at all" * 100)
    database = open_database(
        {
            "no folder": f"sqlite:///{tmp_path / 'missing' / 'tibabu.db'}",
            "no database": f"sqlite:///{tmp_path / 'garbage.db'}",
            "no server": "postgresql://nobody@127.0.0.1:1/nothing",
            "no socket": f"postgresql://nobody@/nothing?host={tmp_path}",
        }[request.param]
    )
    yield database
    database.dispose()


@pytest.mark.parametrize("unreachable", ["no folder", "no database", "no server", "no socket"], indirect=True)
def test_what_cannot_be_reached_is_unavailable_for_reading_and_for_writing(unreachable: Database) -> None:
    with pytest.raises(DatabaseUnavailableError):
        unreachable.begin().__enter__()
    with pytest.raises(DatabaseUnavailableError):
        unreachable.read().__enter__()


def test_a_server_that_ends_the_connection_is_reached_again(postgresql_database: Database) -> None:
    with postgresql_database.read() as connection:
        mine = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    killer = open_database(postgresql_database.url.render_as_string(hide_password=False))

    def interrupted() -> None:
        with postgresql_database.begin() as connection:
            assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() == mine
            with killer.begin() as other:
                other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": mine})
            connection.execute(text("SELECT 1"))

    with pytest.raises(DatabaseUnavailableError):
        interrupted()
    with postgresql_database.begin() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    killer.dispose()


def test_an_idle_connection_that_was_lost_costs_no_transaction(postgresql_database: Database) -> None:
    with postgresql_database.read() as connection:
        mine = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    killer = open_database(postgresql_database.url.render_as_string(hide_password=False))
    with killer.begin() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": mine})
    killer.dispose()
    with postgresql_database.begin() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_a_full_disk_is_its_own_kind(sqlite_database: Database) -> None:
    def fill() -> None:
        with sqlite_database.begin() as connection:
            connection.execute(text("PRAGMA max_page_count = 1"))  # as many as there are, at least
            connection.execute(text("CREATE TABLE note (body BLOB)"))
            connection.execute(text("INSERT INTO note VALUES (zeroblob(10000000))"))

    with pytest.raises(DatabaseFullError):
        fill()
