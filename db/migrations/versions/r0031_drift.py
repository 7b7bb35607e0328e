"""The watch on drift: what images looked like, what was made of that, and which alarms stand."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXTS = ("view", "manufacturer", "age_band", "sex")
_NUMBERS = ("mean_gray", "contrast", "sharpness")


def upgrade() -> None:
    """Create the tables; the watch begins now: what came before has left no sample."""
    op.create_table(
        "drift_sample",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model_sha256", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("decline_group", sa.Text(), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in _TEXTS),
        *(sa.Column(name, sa.Float(), nullable=True) for name in _NUMBERS),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drift_sample")),
    )
    op.create_index("ix_drift_sample_at", "drift_sample", ["at"])
    op.create_table(
        "drift_report",
        sa.Column("span", sa.String(length=16), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("span", name=op.f("pk_drift_report")),
    )
    op.create_table(
        "drift_alarm",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_drift_alarm")),
    )
