"""The table of saved views of the worklist."""

from sqlalchemy import Column, Integer, Table, Text, UniqueConstraint

from db.metadata import metadata
from db.types import UtcDateTime

saved_view = Table(
    "saved_view",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("person", Text, nullable=False),  # the name of an account
    Column("name", Text, nullable=False),
    Column("query", Text, nullable=False),  # filters as an address says them: nothing of a patient
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("person", "name"),
)
