"""The tables of what is still arriving: which open associations bring which studies."""

from sqlalchemy import Column, ForeignKey, Index, String, Table

from db.metadata import metadata
from db.types import UtcDateTime

ASSOCIATION = 32
"""Length of an association's id: a UUID in hexadecimal."""

association_study = Table(  # a row while the association is open; one of a process that died is removed when it is old
    "association_study",
    metadata,
    Column("association_id", String(ASSOCIATION), primary_key=True),
    Column("study_id", ForeignKey("study.id"), primary_key=True),
    Column("opened_at", UtcDateTime, nullable=False),  # when it brought the study's first Instance
    Index("ix_association_study_study_id", "study_id"),
    Index("ix_association_study_opened_at", "opened_at"),
)
