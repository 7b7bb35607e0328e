"""The table of what is done periodically."""

from sqlalchemy import Column, Float, Integer, String, Table, Text

from db.metadata import metadata
from db.types import UtcDateTime

tick = Table(  # one row for each tick of the cluster, written by the clock that leads
    "tick",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("period_seconds", Float, nullable=False),
    Column("longest_seconds", Float, nullable=False),  # a run that takes longer hangs
    Column(
        "process", Text, nullable=False
    ),  # of the clock that leads: its host, its number there, and what none other has
    Column("started_at", UtcDateTime),  # of the last run
    Column("ended_at", UtcDateTime),  # of the last run; null while it runs
    Column("seconds", Float),  # that the last run took that has ended
    Column("next_at", UtcDateTime, nullable=False),
    Column("runs", Integer, nullable=False),  # that have begun
    Column("failures", Integer, nullable=False),
    Column("failures_in_a_row", Integer, nullable=False),
    Column("failing_since", UtcDateTime),  # the first of the failures in a row; null while there are none
    Column("failed_at", UtcDateTime),  # the last failure
    Column("error", Text, nullable=False),  # of the last failure: its class and where it was raised
)
