"""The tables of Storage Commitment: what peers asked for, and what they were told of each Instance (PS3.4 annex J)."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from db.metadata import metadata
from db.types import UID, UtcDateTime

commitment = Table(
    "commitment",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("transaction_uid", String(UID), nullable=False),
    Column("calling_ae_title", Text, nullable=False),
    Column("called_ae_title", Text, nullable=False),
    Column("state", String(16), nullable=False),  # of the report: db.delivery_state.DeliveryState
    Column("attempts", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("verified_at", UtcDateTime),  # when the files were read; null until then
    Column("acknowledged_at", UtcDateTime),
    UniqueConstraint("calling_ae_title", "transaction_uid"),
    Index("ix_commitment_state", "state"),
)

commitment_instance = Table(
    "commitment_instance",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("commitment_id", ForeignKey("commitment.id"), nullable=False),
    Column("sop_class_uid", String(UID), nullable=False),
    Column("sop_instance_uid", String(UID), nullable=False),
    Column("failure_reason", Integer),  # (0008,1197), 0 for committed; null until verified
    Index("ix_commitment_instance_commitment_id", "commitment_id"),
)
