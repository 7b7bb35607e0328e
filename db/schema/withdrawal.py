"""The table of what was rejected before it came: a rejection note (IHE IOCM) can be faster than its images."""

from sqlalchemy import Column, Integer, String, Table, Text, UniqueConstraint

from db.metadata import metadata
from db.types import UID, UtcDateTime

rejected_instance = Table(
    "rejected_instance",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_instance_uid", String(UID), nullable=False),
    Column("sop_instance_uid", String(UID), nullable=False),
    Column("reason", Text, nullable=False),
    Column("rejected_at", UtcDateTime, nullable=False),
    UniqueConstraint("study_instance_uid", "sop_instance_uid"),
)
