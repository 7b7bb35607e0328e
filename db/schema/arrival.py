"""The tables of what is still arriving: open associations with their studies, and performed procedure steps."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, text

from db.metadata import metadata
from db.types import UID, UtcDateTime

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

performed_step = Table(  # PS3.4 annex F; what a modality says of it, as far as it matters here
    "performed_step",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sop_instance_uid", String(UID), nullable=False, unique=True),
    Column("state", String(16), nullable=False),  # Performed Procedure Step Status (0040,0252)
    Column(
        "reason_code", String(16), nullable=False
    ),  # Discontinuation Reason Code Sequence (0040,0281), PS3.16 CID 9300
    Column("calling_ae_title", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
)

performed_step_study = Table(  # Scheduled Step Attributes Sequence (0040,0270): studies that may not have arrived yet
    "performed_step_study",
    metadata,
    Column("step_id", ForeignKey("performed_step.id"), primary_key=True),
    Column("study_instance_uid", String(UID), primary_key=True),
    Index("ix_performed_step_study_study_instance_uid", "study_instance_uid"),
)

performed_step_instance = Table(  # Performed Series Sequence (0040,0340): images and other objects that it made
    "performed_step_instance",
    metadata,
    Column("step_id", ForeignKey("performed_step.id"), primary_key=True),
    Column("sop_instance_uid", String(UID), primary_key=True),
    Column("is_radiograph", Boolean, nullable=False, server_default=text("false")),  # CR or DX for presentation
)
