"""The tables of who was here and who answers: associations that have ended lately, and the last question to each."""

from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, String, Table, Text

from db.metadata import metadata
from db.types import UtcDateTime

association_log = Table(  # the latest; what a peer only knocked for is not here
    "association_log",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("association_id", String(32), nullable=False),
    Column("calling_ae_title", Text, nullable=False),
    Column("peer_address", Text, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime, nullable=False),
    Column("how", String(16), nullable=False),  # released, aborted, rejected
    Column("stored", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("trouble", Text, nullable=False),
)

neighbour_asked = Table(  # the last time that a person asked whether a peer or a destination is there
    "neighbour_asked",
    metadata,
    Column("kind", String(16), primary_key=True),  # peer, destination
    Column("name", String(32), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("answers", Boolean, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Column("person", Text, nullable=False),
)
