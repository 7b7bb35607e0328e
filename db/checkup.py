"""What is asked of a database when an installation is looked at: since when it is used, and what a success rests on."""

from datetime import datetime
from typing import Final

from sqlalchemy import select, text

from db.database import Database
from db.schema.domain import study_event

_DURABLE: Final = ("fsync", "full_page_writes")
"""Settings of PostgreSQL's server that have to be on; `synchronous_commit` is set for each connection."""


def used(database: Database) -> tuple[datetime, datetime] | None:
    """Return when the first and the last event of a study were recorded; None where there is none."""
    columns = study_event.c
    with database.read() as connection:
        first = connection.scalar(select(columns.at).order_by(columns.id).limit(1))
        last = connection.scalar(select(columns.at).order_by(columns.id.desc()).limit(1))
    return None if first is None or last is None else (first, last)


def not_durable(database: Database) -> tuple[str, ...]:
    """Return the server's settings by which a power failure takes what was committed; none of SQLite."""
    if database.dialect == "sqlite":
        return ()
    with database.read() as connection:
        return tuple(name for name in _DURABLE if connection.scalar(text(f"SHOW {name}")) != "on")


def server_version(database: Database) -> int:
    """Return the major version of PostgreSQL's server; 0 for SQLite."""
    if database.dialect == "sqlite":
        return 0
    with database.read() as connection:
        return int(connection.scalar(text("SHOW server_version_num"))) // 10_000
