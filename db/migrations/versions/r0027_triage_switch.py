"""The switch that ends triage, and what the model said while it was thrown."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables; triage is on."""
    op.create_table(
        "triage_switch",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("off_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("off_by", sa.Text(), nullable=False),
        sa.Column("off_reason", sa.Text(), nullable=False),
        sa.Column("on_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("on_by", sa.Text(), nullable=True),
        sa.Column("on_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(on_at IS NULL) = (on_by IS NULL) AND (on_at IS NULL) = (on_reason IS NULL)",
            name=op.f("ck_triage_switch_switched_on_whole"),
        ),
        sa.CheckConstraint(
            "off_reason <> '' AND (on_reason IS NULL OR on_reason <> '')", name=op.f("ck_triage_switch_with_reason")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_triage_switch")),
    )
    is_off = sa.text("on_at IS NULL")
    op.create_index("ix_triage_switch_off", "triage_switch", ["id"], sqlite_where=is_off, postgresql_where=is_off)
    op.create_table(
        "withheld_result",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("instance_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("probability", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["instance_id"], ["instance.id"], name=op.f("fk_withheld_result_instance_id_instance")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_withheld_result")),
        sa.UniqueConstraint("instance_id", "revision", name=op.f("uq_withheld_result_instance_id_revision")),
    )
