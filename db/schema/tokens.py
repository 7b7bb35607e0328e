"""The table of the tokens that let programs in. A token itself is nowhere on record: only its digest is."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, text

from db.metadata import metadata
from db.types import UtcDateTime

NAME = 16
"""Longest name of a token, in characters: it stands where an AE title stands for DIMSE (PS3.5 6.2)."""

api_token = Table(  # rows are added and revoked, never removed: who was let in stays on record
    "api_token",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(NAME), nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),  # of the token, which has 256 random bits
    Column("scopes", Text, nullable=False),  # separated by spaces
    Column("created_by", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime),
    Column("revoked_by", Text),
    Column("revoked_at", UtcDateTime),
    Column("account_id", Integer, ForeignKey("account.id")),  # of the program whose it is; null: nobody's
    Index(
        "uq_api_token_active",
        "name",
        unique=True,
        sqlite_where=text("revoked_at IS NULL"),
        postgresql_where=text("revoked_at IS NULL"),
    ),
)
