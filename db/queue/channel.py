"""The channels on which PostgreSQL tells idle workers of new jobs, and who waits for events of those."""

from typing import Final

from sqlalchemy import Connection, func, select

CHANNEL: Final = "procrastinate_queue_v1#"
"""What procrastinate's triggers put before a kind of job."""


def say(connection: Connection, kind: str) -> None:
    """Wake who waits for announcements of a kind of which there are no jobs, when the transaction commits."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_notify(CHANNEL + kind, "")))
