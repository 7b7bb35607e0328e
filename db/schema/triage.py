"""The tables of the switch that ends triage, and of what the model said while it was thrown."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from db.metadata import metadata
from db.types import UtcDateTime

_IS_OFF = text("on_at IS NULL")

triage_switch = Table(  # one row for each time that triage was off; rows are added and ended, never changed otherwise
    "triage_switch",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("off_at", UtcDateTime, nullable=False),
    Column("off_by", Text, nullable=False),
    Column("off_reason", Text, nullable=False),
    Column("on_at", UtcDateTime),  # null: it is off
    Column("on_by", Text),
    Column("on_reason", Text),
    CheckConstraint(
        "(on_at IS NULL) = (on_by IS NULL) AND (on_at IS NULL) = (on_reason IS NULL)", name="switched_on_whole"
    ),
    Index("ix_triage_switch_off", "id", sqlite_where=_IS_OFF, postgresql_where=_IS_OFF),
    CheckConstraint("off_reason <> '' AND (on_reason IS NULL OR on_reason <> '')", name="with_reason"),
)

withheld_result = Table(  # what the model made of an image while triage was off: on record, and told to nobody
    "withheld_result",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("instance_id", ForeignKey("instance.id"), nullable=False),
    Column("revision", Integer, nullable=False),  # as in image_result, which says "not analysed" of it
    Column("outcome", String(16), nullable=False),  # flagged or not flagged
    Column("score", Float),
    Column("probability", Float),
    UniqueConstraint("instance_id", "revision"),
)
