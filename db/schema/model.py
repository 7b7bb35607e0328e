"""The tables of models: what a second one says, and a site's own operating points."""

from sqlalchemy import (
    Boolean,
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

shadow_score = Table(
    "shadow_score",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("instance_id", ForeignKey("instance.id"), nullable=False),
    Column("revision", Integer, nullable=False),  # the study revision in which the first model scored the image
    Column("model_name", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("model_sha256", String(64), nullable=False),
    Column("threshold", Float, nullable=False),
    # What the second model says; null, with the reason, where it could say nothing.
    Column("score", Float),
    Column("probability", Float),
    Column("is_flagged", Boolean),  # whether it would have flagged the image
    Column("reason", Text, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime, nullable=False),
    CheckConstraint(
        "(reason = '') = (score IS NOT NULL AND probability IS NOT NULL AND is_flagged IS NOT NULL)", name="scored"
    ),
    UniqueConstraint("instance_id", "model_sha256"),  # the same weights say the same of the same bytes
    Index("ix_shadow_score_model_sha256", "model_sha256"),
)

operating_point = Table(  # a site's own, each with its history: rows are added and deactivated, never changed otherwise
    "operating_point",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model_name", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("model_sha256", String(64), nullable=False),
    Column("content", Text, nullable=False),  # the file's JSON
    Column("activated_by", Text, nullable=False),
    Column("activated_at", UtcDateTime, nullable=False),
    Column("deactivated_by", Text),
    Column("deactivated_at", UtcDateTime),
    CheckConstraint("(deactivated_at IS NULL) = (deactivated_by IS NULL)", name="deactivated"),
    Index(
        "uq_operating_point_active",
        "model_sha256",
        unique=True,
        sqlite_where=text("deactivated_at IS NULL"),
        postgresql_where=text("deactivated_at IS NULL"),
    ),
)
