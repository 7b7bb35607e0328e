"""How far a host's clock is from the database server's: hosts that share rows compare times that others wrote."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import text

from db.database import Database


def ahead(database: Database, clock: Callable[[], datetime]) -> timedelta:
    """Return how far `clock` is ahead of PostgreSQL's, to within the time of a question; SQLite has this host's own."""
    if database.dialect == "sqlite":
        return timedelta()
    with database.read() as connection:
        connection.execute(text("SELECT 1"))  # the connection is there, and what begins a transaction is done
        before = clock()
        theirs: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        after = clock()
    return before + (after - before) / 2 - theirs
