"""The table of the disks on which store and database lie."""

from sqlalchemy import BigInteger, Column, String, Table

from db.metadata import metadata
from db.types import UtcDateTime

disk = Table(  # one row for each, written by the tick that looks at them
    "disk",
    metadata,
    Column("place", String(32), primary_key=True),  # "store", "database"
    Column("free_megabytes", BigInteger, nullable=False),
    Column("low_megabytes", BigInteger, nullable=False),  # people are warned below this
    Column("refused_megabytes", BigInteger, nullable=False),  # Instances are refused below this; 0: they never are
    Column("low_since", UtcDateTime),  # null while there is room
    Column("looked_at", UtcDateTime, nullable=False),
)
