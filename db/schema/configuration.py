"""The table of how reloading the configuration went last, of each supervisor: its host's own file is what it reads."""

from sqlalchemy import Column, Integer, String, Table, Text

from db.metadata import metadata
from db.types import UtcDateTime

configuration_reload = Table(
    "configuration_reload",
    metadata,
    Column("place", String(255), primary_key=True),  # the host, and the roles if it does not run all
    Column("pid", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("outcome", String(16), nullable=False),  # taken, unchanged, refused
    Column("changes", Text, nullable=False),  # a line for each; secrets are hidden
    Column("problems", Text, nullable=False),  # a line for each
)
