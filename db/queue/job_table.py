"""The embedded queue's table. It holds the invariants: one job of a (kind, key) waits, one runs, one is parked."""

from sqlalchemy import CheckConstraint, Column, Index, Integer, String, Table, Text, column, literal_column, text

from db.metadata import metadata
from db.types import UtcDateTime

WAITING = "WAITING"
LEASED = "LEASED"
PARKED = "PARKED"

job = Table(
    "job",
    metadata,
    # AUTOINCREMENT: an id is never used twice, so a worker that comes back late cannot mistake a new job for its own.
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("state", String(8), nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("run_at", UtcDateTime, nullable=False),
    Column("attempt", Integer, nullable=False),  # runs so far, this one included
    Column("failures", Integer, nullable=False),  # unexpected exceptions in a row
    Column("deaths", Integer, nullable=False),  # deaths of its worker in a row
    Column("reason", Text, nullable=False),  # why it waits again or is parked
    Column("owner", Text),  # the worker that runs it
    Column("leased_until", UtcDateTime),
    Column("parked_at", UtcDateTime),
    CheckConstraint(column("state").in_([WAITING, LEASED, PARKED]), name="state"),
    CheckConstraint("(state = 'LEASED') = (owner IS NOT NULL AND leased_until IS NOT NULL)", name="lease"),
    CheckConstraint("(state = 'PARKED') = (parked_at IS NOT NULL)", name="parked"),
    Index("uq_job_waiting", "kind", "key", unique=True, sqlite_where=text("state = 'WAITING'")),
    Index("uq_job_leased", "kind", "key", unique=True, sqlite_where=text("state = 'LEASED'")),
    Index("uq_job_parked", "kind", "key", unique=True, sqlite_where=text("state = 'PARKED'")),
    # With what claiming asks besides, so that it reads the index alone.
    Index("ix_job_claim", "kind", "due_at", "id", "run_at", "key", sqlite_where=text("state = 'WAITING'")),
    sqlite_autoincrement=True,
    info={"dialect": "sqlite"},  # PostgreSQL has procrastinate's tables instead
)

# As text and not as bound values: SQLite uses a partial index only if the statement says its condition.
is_waiting = job.c.state == literal_column(f"'{WAITING}'")
is_leased = job.c.state == literal_column(f"'{LEASED}'")
is_parked = job.c.state == literal_column(f"'{PARKED}'")
