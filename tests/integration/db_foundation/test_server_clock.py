"""A host whose clock is off is told from one whose clock is right, by the database server's."""

from datetime import UTC, datetime, timedelta

import pytest

from agent.process.parts import clock_is_off, utc_now
from db.database import Database
from db.server_clock import ahead


@pytest.mark.parametrize("minutes", [-5, 5])
def test_how_far_a_clock_is_from_the_servers_is_known(postgresql_database: Database, minutes: int) -> None:
    off = timedelta(minutes=minutes)
    assert abs(ahead(postgresql_database, lambda: datetime.now(UTC) + off) - off) < timedelta(seconds=60)
    seconds = clock_is_off(postgresql_database, lambda: datetime.now(UTC) + off)
    assert seconds is not None
    assert (seconds > 0) is (minutes > 0)


def test_nothing_is_said_of_a_clock_that_is_right(database: Database) -> None:
    """PostgreSQL runs on this machine here, and SQLite always does."""
    assert clock_is_off(database, utc_now) is None
