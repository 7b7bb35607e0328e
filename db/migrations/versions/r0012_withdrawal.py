"""Withdrawal of results, by people and by rejection notes; corrected identity."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and what was rejected before it came. A result may have several reports of one kind from now on."""
    op.create_table(
        "rejected_instance",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("rejected_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rejected_instance")),
        sa.UniqueConstraint(
            "study_instance_uid",
            "sop_instance_uid",
            name=op.f("uq_rejected_instance_study_instance_uid_sop_instance_uid"),
        ),
    )
    op.add_column("study", sa.Column("corrected", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("study", sa.Column("withdrawal_cause", sa.String(length=16), nullable=True))
    op.add_column("study", sa.Column("withdrawal_reason", sa.Text(), nullable=True))
    op.add_column("study", sa.Column("rejections", sa.Boolean(), nullable=True))
    op.add_column("instance", sa.Column("withdrawn_how", sa.String(length=16), nullable=True))
    op.add_column("result", sa.Column("withdrawal_cause", sa.String(length=16), nullable=True))
    op.add_column("result", sa.Column("withdrawal_reason", sa.Text(), nullable=True))
    with op.batch_alter_table("report") as batch:
        batch.add_column(sa.Column("rejects", sa.Boolean(), server_default=sa.text("false"), nullable=False))
        batch.drop_constraint(op.f("uq_report_result_id_kind"), type_="unique")
        batch.create_unique_constraint(op.f("uq_report_result_id_kind_version"), ["result_id", "kind", "version"])
